// The feature pyramid network (Lin et al. 2017, arXiv:1612.03144), with the coarser levels of both detectors.

import NN
import Torch

package struct PyramidSettings: Sendable {
    /// Where levels above P5 come from.
    package enum Coarser: Hashable, Sendable {
        /// Every second cell of the level below: Faster R-CNN's P6.
        case subsampled
        /// 3x3 convolutions of stride 2: RetinaNet's P6 and P7. P6 is made of P5, or of the backbone's C5; with `relu`
        /// there is one before each but the first.
        case convolved(fromBackbone: Bool, relu: Bool)
    }

    package var channels: Int
    package var levels: ClosedRange<Int>
    package var coarser: Coarser
    /// After each lateral and output convolution. None in the official RetinaNet, batch in its Faster R-CNN.
    package var norm = HeadNorm.none
    /// Whether convolutions before a norm have a bias: the official ones do, MMRazor's don't.
    package var bias = true

    package init(channels: Int, levels: ClosedRange<Int>, coarser: Coarser) {
        self.channels = channels
        self.levels = levels
        self.coarser = coarser
    }
}

/// Turns stage outputs C2...C5 into levels P`first`...P`last` of one width.
struct FeaturePyramid: Module {
    let first: Int
    let laterals: [HeadConvolution]
    let outputs: [HeadConvolution]
    let convolved: [HeadConvolution]
    private let fromBackbone: Bool
    private let relu: Bool
    private let subsampled: Int

    init(_ path: ParameterPath, widths: [Int], _ settings: PyramidSettings) throws {
        let levels = settings.levels
        guard levels.lowerBound >= 2, levels.lowerBound <= widths.count + 1,
            min(levels.upperBound, 5) <= widths.count + 1
        else {
            throw TorchError(
                "pyramid levels \(levels.lowerBound) to \(levels.upperBound): the backbone's "
                    + "\(widths.count) stages are levels 2 to \(widths.count + 1)"
            )
        }
        // Caffe2's Xavier fill, as Detectron uses for the pyramid: bound sqrt(3 / fan in).
        func conv(_ name: String, from inputs: Int, kernel: Int, stride: Int = 1) throws
            -> HeadConvolution
        {
            try HeadConvolution(
                path / name,
                inputs,
                settings.channels,
                kernel: kernel,
                stride: stride,
                norm: settings.norm,
                at: path / name / "norm",
                bias: settings.bias,
                relu: false,
                initial: .uniform(bound: (3 / Double(inputs * kernel * kernel)).squareRoot()),
            )
        }
        first = levels.lowerBound
        let fine = levels.lowerBound...max(levels.lowerBound, min(levels.upperBound, 5))
        let coarse = levels.filter { $0 > 5 }
        laterals = try fine.map { try conv("lateral\($0)", from: widths[$0 - 2], kernel: 1) }
        outputs = try fine.map { try conv("output\($0)", from: settings.channels, kernel: 3) }
        switch settings.coarser {
        case .subsampled:
            (convolved, fromBackbone, relu, subsampled) = ([], false, false, coarse.count)
        case .convolved(let fromBackbone, let relu):
            self.fromBackbone = fromBackbone
            self.relu = relu
            subsampled = 0
            convolved = try coarse.map { level in
                let inputs = fromBackbone && level == 6 ? widths[3] : settings.channels
                return try conv("output\(level)", from: inputs, kernel: 3, stride: 2)
            }
        }
    }

    var levelCount: Int { laterals.count + convolved.count + subsampled }

    var parameters: [Parameter] { laterals.parameters + outputs.parameters + convolved.parameters }

    /// - Parameter stages: for each of C2...C5, for each batch, `[n, width, h, w]`.
    /// - Returns: for each level, the finest first, for each batch.
    func callAsFunction(_ stages: [[Tensor]], _ mode: Mode) throws -> [[Tensor]] {
        var merged: [[Tensor]] = []
        for index in laterals.indices.reversed() {
            var value = try laterals[index](stages[first - 2 + index], mode)
            if let above = merged.first {
                value = try zip(value, above).map { value, above in
                    let shape = value.shape
                    return try value + above.upsampleNearest(height: shape[2], width: shape[3])
                }
            }
            merged.insert(value, at: 0)
        }
        var levels = try zip(outputs, merged).map { try $0($1, mode) }
        for (index, conv) in convolved.enumerated() {
            guard let top = index == 0 && fromBackbone ? stages.last : levels.last else { break }
            levels.append(try conv(index > 0 && relu ? top.map { try $0.relu() } : top, mode))
        }
        for _ in 0..<subsampled {
            guard let top = levels.last else { break }
            levels.append(try top.map { try $0.maxPool2d(kernel: 1, stride: 2, padding: 0) })
        }
        return levels
    }
}
