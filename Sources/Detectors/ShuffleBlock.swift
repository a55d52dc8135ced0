// One searchable block: a ShuffleNetV2 unit with one of the four operations
// (Ma et al. 2018, arXiv:1807.11164; the xception choice is SPOS's, arXiv:1904.00420).

import NN
import SearchSpaces
import Torch

/// One operation at one position.
///
/// - Shapes: `[n, inputs, h, w] -> [n, outputs, h / stride, w / stride]`.
struct ShuffleBlock: Module {
    private let main: [ConvNorm]
    private let projection: [ConvNorm]

    init(
        _ path: ParameterPath,
        _ position: SearchSpace.Position,
        _ operation: Operation,
        variant: BlockVariant,
    ) throws {
        let inputs = position.inputs
        let outputs = position.outputs
        let middle = outputs / 2
        let kernel = operation.kernel
        let mainInputs = position.stride == 1 ? inputs / 2 : inputs
        let projected =
            position.stride == 1 ? outputs / 2 : variant == .official ? inputs : outputs / 2
        let mainOutputs = outputs - projected

        func pointwise(_ path: ParameterPath, _ from: Int, _ to: Int) throws -> ConvNorm {
            try ConvNorm(path, from, to, kernel: 1, relu: true)
        }
        func depthwise(_ path: ParameterPath, _ width: Int, kernel: Int, stride: Int) throws
            -> ConvNorm
        {
            try ConvNorm(
                path,
                width,
                width,
                kernel: kernel,
                stride: stride,
                groups: width,
                relu: false,
            )
        }

        let at = path / "main"
        main =
            operation == .xception
            ? [
                try depthwise(at / "0", mainInputs, kernel: 3, stride: position.stride),
                try pointwise(at / "1", mainInputs, middle),
                try depthwise(at / "2", middle, kernel: 3, stride: 1),
                try pointwise(at / "3", middle, middle),
                try depthwise(at / "4", middle, kernel: 3, stride: 1),
                try pointwise(at / "5", middle, mainOutputs),
            ]
            : [
                try pointwise(at / "0", mainInputs, middle),
                try depthwise(at / "1", middle, kernel: kernel, stride: position.stride),
                try pointwise(at / "2", middle, mainOutputs),
            ]
        projection =
            position.stride == 1
            ? []
            : [
                try depthwise(path / "projection" / "0", inputs, kernel: kernel, stride: 2),
                try pointwise(path / "projection" / "1", inputs, projected),
            ]
    }

    var parameters: [Parameter] { main.parameters + projection.parameters }

    /// Stride 1: an identity half and a main half. Stride 2: both branches read the whole input, without a shuffle.
    func callAsFunction(_ x: [Tensor], _ shuffle: ShuffleMethod, _ mode: Mode) throws -> [Tensor] {
        var kept = x
        var branch = x
        if projection.isEmpty {
            let halves = try x.map { try $0.channelSplit(method: shuffle.rawValue) }
            kept = halves.map(\.identity)
            branch = halves.map(\.main)
        }
        for layer in projection { kept = try layer(kept, mode) }
        for layer in main { branch = try layer(branch, mode) }
        return try zip(kept, branch).map { try .concatenate([$0, $1], along: 1) }
    }
}
