// An exponential moving average of a network's weights: what is measured and kept instead of the last step's.

package import Torch

/// The average of every parameter and buffer over the steps, each step's weight `1 - decay`.
package final class WeightAverage {
    private let parameters: [Parameter]
    private let decay: Double
    private var averages: [Tensor]

    /// Begins at the parameters as they are.
    package init(_ parameters: [Parameter], decay: Double) throws {
        self.parameters = parameters
        self.decay = decay
        averages = try parameters.map { try $0.value.clone() }
    }

    /// Moves towards the parameters as they are after a step.
    package func update() throws {
        try withoutGradients {
            for (average, parameter) in zip(averages, parameters) {
                try average.assign(average * decay + parameter.value.detach() * (1 - decay))
            }
        }
    }

    /// Runs `body` with the averages in the parameters' place; they are themselves again after it.
    package func inPlace<Result>(_ body: () throws -> Result) throws -> Result {
        try swap()
        defer { try? swap() }
        return try body()
    }

    private func swap() throws {
        try withoutGradients {
            for (average, parameter) in zip(averages, parameters) {
                let kept = try average.clone()
                try average.assign(parameter.value.detach())
                try parameter.value.assign(kept)
            }
        }
    }

    /// What a resumed run needs, by name under `average.`.
    package func state() -> [(name: String, value: Tensor)] {
        zip(parameters, averages).map { ("average.\($0.name)", $1) }
    }

    /// Takes back what `state` gave.
    package func restore(_ stored: (String) throws -> Tensor) throws {
        for (name, value) in state() { try value.assign(stored(name)) }
    }
}
