// What a layer is: it has named parameters, and how it computes is said by its arguments.

package import Torch

/// Where a layer's parameters are named, what their first values come from, and what all layers have in common.
package struct ParameterPath: Sendable {
    package var name: String
    /// First values are a function of this and the parameter's full name.
    package var seed: UInt64
    package var device: Device
    /// By how much a batch norm in training moves its running statistics towards the batch's, 0...1.
    package var normMomentum: Double

    package init(
        _ name: String = "",
        seed: UInt64,
        device: Device = .cpu,
        normMomentum: Double = 0.1,
    ) {
        self.name = name
        self.seed = seed
        self.device = device
        self.normMomentum = normMomentum
    }

    /// The path of a part: at `backbone.stem`, `/ "conv"` is `backbone.stem.conv`.
    package static func / (path: ParameterPath, part: String) -> ParameterPath {
        var longer = path
        longer.name = path.name.isEmpty ? part : "\(path.name).\(part)"
        return longer
    }
}

/// A named tensor of a network.
package final class Parameter {
    package enum Role: Sendable {
        case weight, depthwiseWeight, bias, normWeight, normBias
        /// Not trained: running statistics.
        case buffer
    }

    package let name: String
    package let role: Role
    package let value: Tensor

    package init(_ path: ParameterPath, _ role: Role, _ value: Tensor) throws {
        name = path.name
        self.role = role
        self.value = value
        if role != .buffer { try value.requireGradient() }
    }
}

/// A part of a network. Its parameters are listed in the order in which they were made.
package protocol Module {
    var parameters: [Parameter] { get }
}

extension Array: Module where Element: Module {
    package var parameters: [Parameter] { flatMap(\.parameters) }
}

/// How batch norm gets its statistics. Everything else computes the same in all of them.
package enum Mode {
    /// From the batch; the running statistics are moved.
    case training
    /// From `statistics`, where it has the layer, else the running ones.
    case evaluation(NormStatistics?)
    /// From all the batches handed in together, pooled exactly; what was found is kept in `NormStatistics`.
    case calibration(NormStatistics)
    /// From each batch, as in training, but those of `NormStatistics` are moved by `momentum`, 0...1, instead of the
    /// layer's: from mean 0 and variance 1, towards the unbiased variance. Only without gradients.
    case averaging(NormStatistics, momentum: Double)
    /// From each batch alone; nothing is moved. What an image gives depends on the others of its batch.
    case batch
}

/// The statistics of one architecture's batch norms, by the layer's name: what makes shared weights one network.
package final class NormStatistics {
    package private(set) var layers: [String: (mean: Tensor, variance: Tensor)] = [:]

    package init() {}

    /// Those of several parts of one network.
    package convenience init(_ parts: [NormStatistics]) {
        self.init()
        for part in parts { layers.merge(part.layers) { $1 } }
    }

    func set(_ name: String, mean: Tensor, variance: Tensor) { layers[name] = (mean, variance) }
}
