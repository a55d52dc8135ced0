// Convolution, linear, batch norm and group norm.
//
// Layers that batch norm may be part of take a list of batches: one in training, and all calibration batches
// at once when statistics are recalibrated, so that each norm sees the pooled moments of every image before
// the next layer runs.

import Foundation
import SearchSpaces
package import Torch

/// Values drawn for a parameter: a function of the seed and the parameter's name.
package enum Initial {
    case zeros, ones
    case constant(Double)
    case normal(deviation: Double)
    case uniform(bound: Double)

    func tensor(_ path: ParameterPath, _ shape: [Int]) throws -> Tensor {
        let count = shape.reduce(1, *)
        switch self {
        case .zeros: return try .zeros(shape, device: path.device)
        case .ones: return try .full(shape, 1, device: path.device)
        case .constant(let value): return try .full(shape, value, device: path.device)
        case .normal(let deviation):
            var random = CounterRandom(seed: path.seed, stream: path.name)
            let values = (0..<count).map { _ in Float(random.normal() * deviation) }
            return try Tensor(values, shape: shape, device: path.device)
        case .uniform(let bound):
            var random = CounterRandom(seed: path.seed, stream: path.name)
            let values = (0..<count).map { _ in Float((2 * random.uniform() - 1) * bound) }
            return try Tensor(values, shape: shape, device: path.device)
        }
    }
}

/// A convolution with square odd kernel and "same" padding.
///
/// - Shapes: `[n, inputs, h, w] -> [n, outputs, ceil(h / stride), ceil(w / stride)]`.
package struct Conv2d: Module {
    package let weight: Parameter
    package let bias: Parameter?
    private let stride: Int
    private let padding: Int
    private let groups: Int

    /// - Parameters:
    ///   - groups: `inputs` for a depthwise convolution.
    ///   - initial: nil: normal with deviation 1 / (inputs of a group), the official DetNAS rule.
    package init(
        _ path: ParameterPath,
        _ inputs: Int,
        _ outputs: Int,
        kernel: Int,
        stride: Int = 1,
        groups: Int = 1,
        bias: Bool = false,
        initial: Initial? = nil,
        biasInitial: Initial = .zeros,
    ) throws {
        guard inputs > 0, outputs > 0, kernel > 0, groups > 0, stride > 0,
            inputs % groups == 0, outputs % groups == 0
        else {
            throw TorchError(
                "convolution `\(path.name)`: no \(kernel)x\(kernel) convolution with stride "
                    + "\(stride) takes \(inputs) to \(outputs) channels in \(groups) groups"
            )
        }
        let rule = initial ?? .normal(deviation: 1 / Double(inputs / groups))
        let weights = path / "weight"
        weight = try Parameter(
            weights,
            groups == inputs && groups > 1 ? .depthwiseWeight : .weight,
            rule.tensor(weights, [outputs, inputs / groups, kernel, kernel]).channelsLast(),
        )
        let biases = path / "bias"
        self.bias =
            bias ? try Parameter(biases, .bias, biasInitial.tensor(biases, [outputs])) : nil
        self.stride = stride
        self.padding = kernel / 2
        self.groups = groups
    }

    package var parameters: [Parameter] { [weight] + (bias.map { [$0] } ?? []) }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try x.conv2d(
            weight.value,
            bias: bias?.value,
            stride: stride,
            padding: padding,
            groups: groups,
        )
    }
}

/// - Shapes: `[n, inputs] -> [n, outputs]`.
package struct Linear: Module {
    private let weight: Parameter
    private let bias: Parameter

    /// Biases start at 0.
    ///
    /// - Parameter initial: the weights'; normal with deviation 0.01 is the official DetNAS rule.
    package init(
        _ path: ParameterPath,
        _ inputs: Int,
        _ outputs: Int,
        initial: Initial = .normal(deviation: 0.01),
    ) throws {
        let weights = path / "weight"
        weight = try Parameter(weights, .weight, initial.tensor(weights, [outputs, inputs]))
        bias = try Parameter(path / "bias", .bias, .zeros([outputs], device: path.device))
    }

    package var parameters: [Parameter] { [weight, bias] }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try x.linear(weight.value, bias: bias.value)
    }
}

/// Batch norm over `[n, c, h, w]`, epsilon 1e-5; weight starts at 1, bias at 0.0001 as in the official code.
package struct BatchNorm2d: Module {
    private let name: String
    private let weight: Parameter
    private let bias: Parameter
    private let mean: Parameter
    private let variance: Parameter
    private let momentum: Double
    private let epsilon = 1e-5

    package init(_ path: ParameterPath, _ channels: Int) throws {
        name = path.name
        momentum = path.normMomentum
        weight = try Parameter(
            path / "weight",
            .normWeight,
            .full([channels], 1, device: path.device),
        )
        bias = try Parameter(
            path / "bias",
            .normBias,
            .full([channels], 1e-4, device: path.device),
        )
        mean = try Parameter(
            path / "running_mean",
            .buffer,
            .zeros([channels], device: path.device),
        )
        variance = try Parameter(
            path / "running_var",
            .buffer,
            .full([channels], 1, device: path.device),
        )
    }

    package var parameters: [Parameter] { [weight, bias, mean, variance] }

    package func callAsFunction(_ x: [Tensor], _ mode: Mode) throws -> [Tensor] {
        switch mode {
        case .training:
            return try x.map { try normalise($0, mean.value, variance.value, training: true) }
        case .averaging(let statistics, let momentum):
            let device = mean.value.device
            let moved =
                try statistics.layers[name] ?? (
                    mean: .zeros(mean.value.shape, device: device),
                    variance: .full(mean.value.shape, 1, device: device),
                )
            statistics.set(name, mean: moved.mean, variance: moved.variance)
            return try x.map {
                try normalise(
                    $0,
                    moved.mean,
                    moved.variance,
                    training: true,
                    momentum: momentum,
                )
            }
        case .batch:
            return try x.map { try normalise($0, nil, nil, training: true) }
        case .evaluation(let statistics):
            let known = statistics?.layers[name]
            return try x.map {
                try normalise(
                    $0,
                    known?.mean ?? mean.value,
                    known?.variance ?? variance.value,
                    training: false,
                )
            }
        case .calibration(let statistics):
            var moments = ChannelMoments(channels: mean.value.count)
            for batch in x { try batch.addMoments(to: &moments) }
            let device = mean.value.device
            let pooled = (
                mean: try Tensor(
                    moments.mean.map(Float.init),
                    shape: mean.value.shape,
                    device: device,
                ),
                variance: try Tensor(
                    moments.variance.map(Float.init),
                    shape: mean.value.shape,
                    device: device,
                ),
            )
            statistics.set(name, mean: pooled.mean, variance: pooled.variance)
            return try x.map {
                try normalise($0, pooled.mean, pooled.variance, training: false)
            }
        }
    }

    /// - Parameter momentum: of the running statistics; nil: the layer's own.
    private func normalise(
        _ x: Tensor,
        _ mean: Tensor?,
        _ variance: Tensor?,
        training: Bool,
        momentum: Double? = nil,
    ) throws -> Tensor {
        if training, x.count <= weight.value.count {
            throw TorchError(
                "batch norm `\(name)` has one value a channel to take statistics from in shape "
                    + "\(x.shape): larger images or batches are needed"
            )
        }
        return try x.batchNorm(
            weight: weight.value,
            bias: bias.value,
            mean: mean,
            variance: variance,
            training: training,
            momentum: momentum ?? self.momentum,
            epsilon: epsilon,
        )
    }
}

/// Group norm (Wu and He, arXiv:1803.08494), epsilon 1e-5: has no statistics to recalibrate.
package struct GroupNorm: Module {
    private let weight: Parameter
    private let bias: Parameter
    private let groups: Int

    package init(_ path: ParameterPath, groups: Int, channels: Int) throws {
        weight = try Parameter(
            path / "weight",
            .normWeight,
            .full([channels], 1, device: path.device),
        )
        bias = try Parameter(path / "bias", .normBias, .zeros([channels], device: path.device))
        self.groups = groups
    }

    package var parameters: [Parameter] { [weight, bias] }

    package func callAsFunction(_ x: Tensor) throws -> Tensor {
        try x.groupNorm(groups: groups, weight: weight.value, bias: bias.value, epsilon: 1e-5)
    }
}

/// Convolution, batch norm, and ReLU where wanted: what every searchable block is built from.
///
/// - Shapes: as `Conv2d`.
package struct ConvNorm: Module {
    private let conv: Conv2d
    private let norm: BatchNorm2d
    private let relu: Bool

    /// Parameters are named under `path`: at `backbone.stem`, `backbone.stem.conv.weight`.
    package init(
        _ path: ParameterPath,
        _ inputs: Int,
        _ outputs: Int,
        kernel: Int,
        stride: Int = 1,
        groups: Int = 1,
        relu: Bool,
        bias: Bool = false,
        initial: Initial? = nil,
    ) throws {
        conv = try Conv2d(
            path / "conv",
            inputs,
            outputs,
            kernel: kernel,
            stride: stride,
            groups: groups,
            bias: bias,
            initial: initial,
        )
        norm = try BatchNorm2d(path / "norm", outputs)
        self.relu = relu
    }

    package var parameters: [Parameter] { conv.parameters + norm.parameters }

    package func callAsFunction(_ x: [Tensor], _ mode: Mode) throws -> [Tensor] {
        let normed = try norm(x.map { try conv($0) }, mode)
        return relu ? try normed.map { try $0.relu() } : normed
    }
}
