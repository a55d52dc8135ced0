// Convolutions of the pyramid and of heads: with the norm of one's choice, or none.

import NN
import Torch

/// The norm after a convolution.
package enum HeadNorm: Hashable, Sendable {
    case none
    /// Wu and He 2018 (arXiv:1803.08494); for training on few images.
    case group(groups: Int)
    /// With statistics of the batch, as in the official Faster R-CNN; they must be recalibrated for each path.
    case batch
}

/// Convolution, norm and ReLU, each of the last two where wanted.
///
/// - Shapes: as `Conv2d`.
struct HeadConvolution: Module {
    private enum Norm {
        case none
        case group(GroupNorm)
        case batch(BatchNorm2d)
    }

    private let conv: Conv2d
    private let norm: Norm
    private let relu: Bool

    /// - Parameters:
    ///   - path: of the convolution; the norm's is `normPath`.
    ///   - bias: whether there is one before a norm; without a norm there always is.
    init(
        _ path: ParameterPath,
        _ inputs: Int,
        _ outputs: Int,
        kernel: Int,
        stride: Int = 1,
        norm: HeadNorm,
        at normPath: ParameterPath,
        bias: Bool,
        relu: Bool,
        initial: Initial,
    ) throws {
        conv = try Conv2d(
            path,
            inputs,
            outputs,
            kernel: kernel,
            stride: stride,
            bias: bias || norm == .none,
            initial: initial,
        )
        self.norm =
            switch norm {
            case .none: .none
            case .group(let groups):
                .group(try GroupNorm(normPath, groups: groups, channels: outputs))
            case .batch: .batch(try BatchNorm2d(normPath, outputs))
            }
        self.relu = relu
    }

    var parameters: [Parameter] {
        switch norm {
        case .none: conv.parameters
        case .group(let norm): conv.parameters + norm.parameters
        case .batch(let norm): conv.parameters + norm.parameters
        }
    }

    func callAsFunction(_ x: [Tensor], _ mode: Mode) throws -> [Tensor] {
        var value = try x.map { try conv($0) }
        switch norm {
        case .none: break
        case .group(let norm): value = try value.map { try norm($0) }
        case .batch(let norm): value = try norm(value, mode)
        }
        return relu ? try value.map { try $0.relu() } : value
    }
}
