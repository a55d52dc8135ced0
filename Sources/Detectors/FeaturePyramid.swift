// The feature pyramid network (Lin et al. 2017, arXiv:1612.03144), with RetinaNet's coarser levels.

import NN
import Torch

/// Turns stage outputs C2...C5 into levels P`first`...P`last` of one width.
///
/// Convolutions have biases and no norm, as in the official RetinaNet; P6 and P7 are stride-2 convolutions of P5 and
/// of ReLU(P6).
struct FeaturePyramid: Module {
    private let first: Int
    private let laterals: [Conv2d]
    private let outputs: [Conv2d]
    private let coarser: [Conv2d]

    init(_ path: ParameterPath, widths: [Int], channels: Int, levels: ClosedRange<Int>) throws {
        guard levels.lowerBound >= 2, levels.lowerBound <= widths.count + 1,
            min(levels.upperBound, 5) <= widths.count + 1
        else {
            throw TorchError(
                "pyramid levels \(levels.lowerBound) to \(levels.upperBound): the backbone's "
                    + "\(widths.count) stages are levels 2 to \(widths.count + 1)"
            )
        }
        first = levels.lowerBound
        let fine = levels.lowerBound...max(levels.lowerBound, min(levels.upperBound, 5))
        laterals = try fine.map {
            try Conv2d(
                path / "lateral\($0)",
                widths[$0 - 2],
                channels,
                kernel: 1,
                bias: true,
                initial: .uniform(bound: (3 / Double(widths[$0 - 2])).squareRoot()),
            )
        }
        // Caffe2's Xavier fill, as Detectron uses for the pyramid: bound sqrt(3 / fan in).
        let bound = Initial.uniform(bound: (3 / Double(channels * 9)).squareRoot())
        outputs = try fine.map {
            try Conv2d(
                path / "output\($0)",
                channels,
                channels,
                kernel: 3,
                bias: true,
                initial: bound,
            )
        }
        coarser =
            levels.upperBound < 6
            ? []
            : try (6...levels.upperBound).map {
                try Conv2d(
                    path / "output\($0)",
                    channels,
                    channels,
                    kernel: 3,
                    stride: 2,
                    bias: true,
                    initial: bound,
                )
            }
    }

    var parameters: [Parameter] { laterals.parameters + outputs.parameters + coarser.parameters }

    /// - Parameter stages: `[n, width, h, w]` of C2...C5.
    /// - Returns: the levels, finest first.
    func callAsFunction(_ stages: [Tensor]) throws -> [Tensor] {
        var merged: [Tensor] = []
        for index in laterals.indices.reversed() {
            var value = try laterals[index](stages[first - 2 + index])
            if let above = merged.first {
                let shape = value.shape
                value = try value + above.upsampleNearest(height: shape[2], width: shape[3])
            }
            merged.insert(value, at: 0)
        }
        var levels = try zip(outputs, merged).map { try $0($1) }
        for (index, conv) in coarser.enumerated() {
            guard let top = levels.last else { break }
            levels.append(try conv(index == 0 ? top : top.relu()))
        }
        return levels
    }
}
