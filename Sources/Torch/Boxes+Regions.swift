// The two-stage detector's kernels: proposals, RoIAlign, and the boxes of regions.

import CTorch

extension BoxKernels {
    /// What makes proposals of a level's boxes.
    package struct ProposalRule: Sendable {
        /// The best scores of a level that are decoded.
        package var before: Int
        /// IoU above which the lower score of the same level is dropped.
        package var suppression: Double
        /// How many of a level are left after that.
        package var after: Int
        /// The shortest side, pixels of the network's input.
        package var least: Double

        package init(before: Int, suppression: Double, after: Int, least: Double = 0) {
            self.before = before
            self.suppression = suppression
            self.after = after
            self.least = least
        }
    }

    /// The proposals of one image, level by level, the best first: flat boxes, and scores 0...1.
    package static func propose(
        _ levels: [Level],
        width: Double,
        height: Double,
        _ rule: ProposalRule,
        _ convention: BoxConvention,
    ) throws(TorchError) -> (boxes: [Float], scores: [Float]) {
        guard rule.before >= 0, rule.after >= 0 else {
            throw TorchError("proposals: \(rule.before) before and \(rule.after) after suppression")
        }
        let raw = levels.map(\.raw)
        let room = levels.reduce(0) { $0 + min(rule.after, $1.count) }
        var boxes = [Float](repeating: 0, count: 4 * room)
        var scores = [Float](repeating: 0, count: room)
        var count: Int64 = 0
        try TorchLibrary.check {
            ct_propose(
                raw,
                Int32(raw.count),
                width,
                height,
                Int64(rule.before),
                rule.suppression,
                Int64(rule.after),
                rule.least,
                convention.edge,
                &boxes,
                &scores,
                &count,
            )
        }
        return (Array(boxes.prefix(4 * Int(count))), Array(scores.prefix(Int(count))))
    }

    /// What the second stage found in one image.
    ///
    /// - Parameters:
    ///   - regions: flat boxes, `[r, 4]`.
    ///   - probabilities: `[r, classes + 1]`, the background last.
    ///   - offsets: `[r, outputs, 4]`: one box for each class (what follows the classes is not used), or one for all.
    package static func detect(
        regions: [Float],
        probabilities: [Float],
        offsets: [Float],
        classes: Int,
        width: Double,
        height: Double,
        thresholds: Thresholds,
        weights: [Double],
        _ convention: BoxConvention,
    ) throws(TorchError) -> [Found] {
        let count = regions.count / 4
        let outputs = count == 0 ? 1 : offsets.count / 4 / count
        guard weights.count == 4, thresholds.limit >= 0, regions.count == 4 * count,
            probabilities.count == count * (classes + 1), offsets.count == 4 * count * outputs
        else {
            throw TorchError(
                "\(regions.count) coordinates, \(probabilities.count) probabilities and "
                    + "\(offsets.count) offsets of regions in \(classes) classes"
            )
        }
        var found = [ct_detection](repeating: ct_detection(), count: thresholds.limit)
        var kept: Int64 = 0
        try TorchLibrary.check {
            ct_detect_regions(
                regions,
                probabilities,
                offsets,
                Int64(count),
                Int64(classes),
                Int64(outputs),
                width,
                height,
                thresholds.score,
                thresholds.suppression,
                Int64(thresholds.limit),
                weights,
                convention.edge,
                &found,
                &kept,
            )
        }
        return found.prefix(Int(kept)).map(Found.init)
    }
}

extension Tensor {
    /// RoIAlign (He et al. 2017, arXiv:1703.06870): each region as `size` x `size` means of bilinear samples.
    ///
    /// - Parameters:
    ///   - regions: flat `[r, 5]`: image, x1, y1, x2, y2 in pixels of the network's input.
    ///   - scale: cells a pixel: 1 / stride.
    ///   - samples: along a side of a bin; 0: as many as the bin has cells, as mmdetection does.
    ///   - aligned: whether a cell's centre is at half a cell; false is Detectron's first version, in which a region
    ///     is also at least one cell wide.
    /// - Shapes: `[n, c, h, w] -> [r, c, size, size]`.
    package func roiAlign(
        _ regions: [Float],
        scale: Double,
        size: Int,
        samples: Int,
        aligned: Bool,
    ) throws(TorchError) -> Tensor {
        guard regions.count.isMultiple(of: 5), size > 0, samples >= 0, scale > 0 else {
            throw TorchError(
                "RoIAlign of \(regions.count) numbers to size \(size) with \(samples) samples at "
                    + "scale \(scale): a region has five numbers, size and scale are above 0"
            )
        }
        return Tensor(
            owning: try output {
                ct_roi_align(
                    handle,
                    regions,
                    Int64(regions.count / 5),
                    scale,
                    Int64(size),
                    Int64(samples),
                    aligned,
                    $0,
                )
            }
        )
    }
}
