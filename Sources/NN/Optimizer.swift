// SGD with momentum and AdamW over groups of parameters.
//
// A parameter that got no gradient, as those of the blocks that a step's path left out, is left wholly
// untouched: no decay, no momentum, and its own count of steps does not move.

import Foundation
package import Torch

package enum OptimizerRule: Sendable {
    case sgd(momentum: Double)
    case adamW(betas: (Double, Double), epsilon: Double)
}

package final class Optimizer {
    /// How a role of parameters is treated: a factor on the learning rate, and its weight decay.
    package struct Group: Sendable {
        package var rateFactor: Double
        package var weightDecay: Double
        package init(rateFactor: Double = 1, weightDecay: Double) {
            self.rateFactor = rateFactor
            self.weightDecay = weightDecay
        }
    }

    private struct Slot {
        let parameter: Parameter
        let group: Group
        let first: Tensor
        let second: Tensor?
        var steps = 0
    }

    private let rule: OptimizerRule
    private var slots: [Slot]

    package init(
        _ parameters: [Parameter],
        rule: OptimizerRule,
        group: (Parameter.Role) -> Group,
    ) throws {
        self.rule = rule
        slots = try parameters.filter { $0.role != .buffer }.map { parameter in
            // The parameter's own layout in memory, so that a step runs along both.
            func zeros() throws -> Tensor { try parameter.value.clone() * 0 }
            var second: Tensor?
            if case .adamW = rule { second = try zeros() }
            return Slot(
                parameter: parameter,
                group: group(parameter.role),
                first: try zeros(),
                second: second,
            )
        }
    }

    /// The Euclidean norm of all gradients together.
    package func gradientNorm() throws -> Double {
        try slots.reduce(0) { try $0 + $1.parameter.value.gradientSquareSum() }.squareRoot()
    }

    /// One step down the gradients, which are then dropped. `clip` bounds their norm.
    package func step(learningRate: Double, clip: Double? = nil) throws {
        var scale = 1.0
        if let clip {
            let norm = try gradientNorm()
            if norm > clip { scale = clip / norm }
        }
        for index in slots.indices {
            let slot = slots[index]
            let rate = learningRate * slot.group.rateFactor
            let stepped =
                switch rule {
                case .sgd(let momentum):
                    try slot.parameter.value.sgdStep(
                        momentumBuffer: slot.first,
                        learningRate: rate,
                        momentum: momentum,
                        weightDecay: slot.group.weightDecay,
                        gradientScale: scale,
                    )
                case .adamW(let betas, let epsilon):
                    try slot.parameter.value.adamWStep(
                        first: slot.first,
                        second: slot.second ?? slot.first,
                        step: slot.steps + 1,
                        learningRate: rate,
                        betas: betas,
                        epsilon: epsilon,
                        weightDecay: slot.group.weightDecay,
                        gradientScale: scale,
                    )
                }
            if stepped { slots[index].steps += 1 }
            try slot.parameter.value.clearGradient()
        }
    }

    /// What a resumed run needs beside the parameters, by name under `optimizer.`.
    package func state() throws -> [(name: String, value: Tensor)] {
        var state = slots.flatMap { slot -> [(name: String, value: Tensor)] in
            let name = slot.parameter.name
            return [("optimizer.first.\(name)", slot.first)]
                + (slot.second.map { [("optimizer.second.\(name)", $0)] } ?? [])
        }
        state.append(
            ("optimizer.steps", try Tensor(slots.map { Int64($0.steps) }, shape: [slots.count]))
        )
        return state
    }

    /// Takes back what `state` gave.
    /// - Throws: what `stored` throws for a missing tensor; `TorchError` where one has another shape.
    package func restore(_ stored: (String) throws -> Tensor) throws {
        for (name, value) in try state() where name != "optimizer.steps" {
            try value.assign(stored(name))
        }
        let steps = try stored("optimizer.steps").integers()
        guard steps.count == slots.count else {
            throw TorchError(
                "optimizer.steps counts \(steps.count) parameters, the network has \(slots.count)"
            )
        }
        for index in slots.indices { slots[index].steps = Int(steps[index]) }
    }
}
