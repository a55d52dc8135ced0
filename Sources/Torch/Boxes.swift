// Box work in compiled kernels: matching, decoding, suppression. Boxes are x1 y1 x2 y2 in pixels, flat arrays of four.

import CTorch

/// What the corners of a box are. Everything but a detector's own arithmetic is in the modern convention.
package enum BoxConvention: Sendable {
    /// Edges: a box is `x2 - x1` wide.
    case modern
    /// Pixels, the last one included: a box is `x2 - x1 + 1` wide, as in Detectron and the official DetNAS code.
    case legacy

    /// What a side has beyond `x2 - x1`.
    package var edge: Double { self == .legacy ? 1 : 0 }
}

package enum BoxKernels {
    /// For each anchor the index of its object, -1 for background, -2 for ignored.
    ///
    /// An anchor belongs to the object that it overlaps most, from `foreground` on; below `background` it is
    /// background. Each object also keeps the anchors that overlap it most, where that is `bestFrom` or more; nil: it does not.
    package static func match(
        anchors: [Float],
        objects: [Float],
        foreground: Double,
        background: Double,
        bestFrom: Double?,
        _ convention: BoxConvention = .modern,
    ) throws(TorchError) -> [Int32] {
        guard anchors.count % 4 == 0, objects.count % 4 == 0 else {
            throw TorchError(
                "matching \(anchors.count) and \(objects.count) coordinates: a box has four"
            )
        }
        var matches = [Int32](repeating: -1, count: anchors.count / 4)
        try TorchLibrary.check {
            ct_match_anchors(
                anchors,
                Int64(anchors.count / 4),
                objects,
                Int64(objects.count / 4),
                foreground,
                background,
                bestFrom ?? 2,
                convention.edge,
                &matches,
            )
        }
        return matches
    }

    /// Indices of the boxes that greedy suppression within each label keeps, best first; ties by index.
    package static func suppress(
        boxes: [Float],
        scores: [Float],
        labels: [Int32],
        threshold: Double,
        _ convention: BoxConvention = .modern,
    ) throws(TorchError) -> [Int] {
        guard boxes.count == 4 * scores.count, labels.count == scores.count else {
            throw TorchError(
                "suppression of \(boxes.count) coordinates, \(scores.count) scores and "
                    + "\(labels.count) labels: a box has four, one and one"
            )
        }
        var kept = [Int32](repeating: 0, count: scores.count)
        var count: Int64 = 0
        try TorchLibrary.check {
            ct_nms(
                boxes,
                scores,
                labels,
                Int64(scores.count),
                threshold,
                convention.edge,
                &kept,
                &count,
            )
        }
        return kept.prefix(Int(count)).map(Int.init)
    }

    /// One level's raw outputs for one image: logits `[a, classes]`, offsets `[a, 4]`, anchors `[a, 4]`.
    package struct Level {
        package var logits: UnsafePointer<Float>
        package var offsets: UnsafePointer<Float>
        package var anchors: UnsafePointer<Float>
        package var count: Int

        package init(
            logits: UnsafePointer<Float>,
            offsets: UnsafePointer<Float>,
            anchors: UnsafePointer<Float>,
            count: Int,
        ) {
            self.logits = logits
            self.offsets = offsets
            self.anchors = anchors
            self.count = count
        }

        var raw: ct_level {
            ct_level(logits: logits, deltas: offsets, anchors: anchors, count: Int64(count))
        }
    }

    package struct Found: Sendable, Hashable {
        /// x1, y1, x2, y2 in pixels of the network's input.
        package var box: [Float]
        package var score: Float
        package var label: Int

        package init(box: [Float], score: Float, label: Int) {
            self.box = box
            self.score = score
            self.label = label
        }

        init(_ raw: ct_detection) {
            self.init(
                box: [raw.box.0, raw.box.1, raw.box.2, raw.box.3],
                score: raw.score,
                label: Int(raw.label),
            )
        }
    }

    package struct Thresholds: Sendable {
        package var score: Double
        package var perLevel: Int
        package var suppression: Double
        package var limit: Int
        package init(score: Double, perLevel: Int, suppression: Double, limit: Int) {
            self.score = score
            self.perLevel = perLevel
            self.suppression = suppression
            self.limit = limit
        }
    }

    /// Scores above the threshold, at most `perLevel` of each level, decoded, clipped to the image, suppressed within
    /// their class, the best `limit` of them.
    ///
    /// `dw` and `dh` are capped at `ln(1000 / 16)`, as Detectron does.
    package static func detect(
        _ levels: [Level],
        classes: Int,
        width: Double,
        height: Double,
        thresholds: Thresholds,
        weights: [Double],
        _ convention: BoxConvention = .modern,
    ) throws(TorchError) -> [Found] {
        guard weights.count == 4, thresholds.limit >= 0 else {
            throw TorchError(
                "decoding with \(weights.count) weights and a limit of \(thresholds.limit): "
                    + "needed are four weights and a limit from 0 on"
            )
        }
        let raw = levels.map(\.raw)
        var found = [ct_detection](repeating: ct_detection(), count: thresholds.limit)
        var count: Int64 = 0
        try TorchLibrary.check {
            ct_detect(
                raw,
                Int32(raw.count),
                Int64(classes),
                width,
                height,
                thresholds.score,
                Int64(thresholds.perLevel),
                thresholds.suppression,
                Int64(thresholds.limit),
                weights,
                convention.edge,
                &found,
                &count,
            )
        }
        return found.prefix(Int(count)).map(Found.init)
    }
}
