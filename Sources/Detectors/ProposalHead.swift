// The first stage of Faster R-CNN: which anchors hold an object, and where its edges are.

import NN
import SearchSpaces
import Torch

/// A convolution shared by all levels, then a logit and four offsets for each anchor.
struct ProposalHead: Module {
    private let settings: FasterRCNNSettings
    private let shared: Conv2d
    private let logits: Conv2d
    private let offsets: Conv2d
    private let grids: [AnchorGrid]
    private let coder: BoxCoder

    init(_ path: ParameterPath, _ settings: FasterRCNNSettings) throws {
        let first = settings.proposals
        let channels = settings.pyramid.channels
        let levels = settings.pyramid.levels
        guard first.anchorSizes.count == levels.count else {
            throw TorchError(
                "\(first.anchorSizes.count) anchor sizes for the \(levels.count) levels "
                    + "\(levels.lowerBound) to \(levels.upperBound)"
            )
        }
        self.settings = settings
        func conv(_ name: String, _ outputs: Int, kernel: Int) throws -> Conv2d {
            try Conv2d(
                path / name,
                channels,
                outputs,
                kernel: kernel,
                bias: true,
                initial: .normal(deviation: 0.01),
            )
        }
        shared = try conv("shared", channels, kernel: 3)
        logits = try conv("logits", first.ratios.count, kernel: 1)
        offsets = try conv("offsets", 4 * first.ratios.count, kernel: 1)
        grids = zip(levels, first.anchorSizes).map {
            AnchorGrid(
                stride: 1 << $0,
                size: $1,
                octaveScales: 1,
                ratios: first.ratios,
                settings.convention,
            )
        }
        coder = BoxCoder(weights: [1, 1, 1, 1], settings.convention)
    }

    var parameters: [Parameter] { shared.parameters + logits.parameters + offsets.parameters }

    func outputs(_ levels: [Tensor]) throws -> [LevelOutput] {
        try zip(levels, grids).map { level, grid in
            let features = try shared(level).relu()
            return try LevelOutput(
                logits: logits(features),
                classes: 1,
                offsets: offsets(features),
                grid,
            )
        }
    }

    /// Binary cross-entropy, averaged over a sample of anchors, and smooth L1 of its positives over the same count.
    ///
    /// - Parameter objects: for each image flat boxes in the detector's convention.
    func loss(
        _ outputs: [LevelOutput],
        _ objects: [[Float]],
        _ sizes: [ImageSides],
        seed: UInt64,
    ) throws -> [(name: String, value: Tensor)] {
        let first = settings.proposals
        let anchors = outputs.flatMap(\.anchors)
        let count = anchors.count / 4
        var rows: [Int64] = []
        var labels: [Int32] = []
        var positiveRows: [Int64] = []
        var targets: [Float] = []
        for (image, boxes) in objects.enumerated() {
            let matches = try matches(anchors, boxes, sizes[image])
            var random = CounterRandom(seed: seed, stream: "anchors", UInt64(image))
            let sample = random.balanced(
                first.sample,
                positiveShare: first.positiveShare,
                positives: matches.indices.filter { matches[$0] >= 0 },
                negatives: matches.indices.filter { matches[$0] == -1 },
            )
            for anchor in sample.positives {
                let object = 4 * Int(matches[anchor])
                positiveRows.append(Int64(image * count + anchor))
                targets += coder.encode(
                    boxes[object..<object + 4],
                    relativeTo: anchors[4 * anchor..<4 * anchor + 4],
                )
            }
            let all = sample.positives + sample.negatives
            rows += all.map { Int64(image * count + $0) }
            labels += all.indices.map { $0 < sample.positives.count ? 0 : -1 }
        }
        let logits = try Tensor.concatenate(outputs.map(\.logits), along: 1).reshape([-1, 1])
        let device = logits.device
        guard !rows.isEmpty else {
            return [("lossRpnCls", try logits.sum() * 0)]
        }
        let share = 1 / Double(rows.count)
        // Twice the focal loss with alpha 1/2 and gamma 0 is the binary cross-entropy.
        let scoreLoss =
            try logits.select(rows: Tensor(rows, shape: [rows.count], device: device))
            .focalLossSum(
                targets: Tensor(labels, shape: [labels.count], device: device),
                alpha: 0.5,
                gamma: 0,
            ) * (2 * share)
        guard !positiveRows.isEmpty else { return [("lossRpnCls", scoreLoss)] }
        let positives = positiveRows.count
        let boxLoss =
            try Tensor.concatenate(outputs.map(\.offsets), along: 1).reshape([-1, 4])
            .select(rows: Tensor(positiveRows, shape: [positives], device: device))
            .smoothL1Sum(
                Tensor(targets, shape: [positives, 4], device: device),
                beta: first.smoothL1Beta,
            ) * share
        return [("lossRpnCls", scoreLoss), ("lossRpnBox", boxLoss)]
    }

    /// Of each anchor its object, -1 for background, -2 where it has no part.
    private func matches(_ anchors: [Float], _ objects: [Float], _ size: ImageSides) throws
        -> [Int32]
    {
        let first = settings.proposals
        let isInside = anchorsInside(anchors, size)
        // Anchors that are left out may not be the best of an object either.
        let kept = isInside.indices.filter { isInside[$0] }
        let matches = try BoxKernels.match(
            anchors: kept.flatMap { anchors[4 * $0..<4 * $0 + 4] },
            objects: objects,
            foreground: first.foregroundIoU,
            background: first.backgroundIoU,
            bestFrom: first.bestIoU,
            settings.convention,
        )
        var all = [Int32](repeating: -2, count: anchors.count / 4)
        for (place, anchor) in kept.enumerated() { all[anchor] = matches[place] }
        return all
    }

    private func anchorsInside(_ anchors: [Float], _ size: ImageSides) -> [Bool] {
        guard settings.proposals.dropOverBorder else {
            return [Bool](repeating: true, count: anchors.count / 4)
        }
        let edge = settings.convention.edge
        return stride(from: 0, to: anchors.count, by: 4).map {
            anchors[$0] >= 0 && anchors[$0 + 1] >= 0
                && Double(anchors[$0 + 2]) + edge <= size.width
                && Double(anchors[$0 + 3]) + edge <= size.height
        }
    }

    /// For each image the best boxes of all levels, outside of autograd.
    func propose(_ outputs: [LevelOutput], _ sizes: [ImageSides], training: Bool) throws
        -> [(boxes: [Float], scores: [Float])]
    {
        let first = settings.proposals
        let read = try ReadLevels(outputs, classes: 1)
        let all = try sizes.enumerated().map { image, size in
            try read.withPointers(image: image) { levels in
                try BoxKernels.propose(
                    levels,
                    width: size.width,
                    height: size.height,
                    training ? first.training : first.evaluation,
                    settings.convention,
                )
            }
        }
        guard training, first.limitsBatch else {
            let limit = training ? first.trainingLimit : first.evaluationLimit
            return all.map { best(limit, of: [$0])[0] }
        }
        return best(first.trainingLimit, of: all)
    }

    /// The `limit` best of all images together, of each image in descending order; ties by image and place.
    private func best(_ limit: Int, of images: [(boxes: [Float], scores: [Float])])
        -> [(boxes: [Float], scores: [Float])]
    {
        let ranked = images.enumerated().flatMap { image, found in
            found.scores.indices.map { (image: image, place: $0, score: found.scores[$0]) }
        }.sorted { ($1.score, $0.image, $0.place) < ($0.score, $1.image, $1.place) }
        var kept = images.map { _ in (boxes: [Float](), scores: [Float]()) }
        for entry in ranked.prefix(limit) {
            kept[entry.image].boxes +=
                images[entry.image].boxes[
                    4 * entry.place..<4 * entry.place + 4
                ]
            kept[entry.image].scores.append(entry.score)
        }
        return kept
    }
}

extension CounterRandom {
    /// A sample of `count` with at most `positiveShare` of it positives, the rest negatives; each ascending.
    mutating func balanced(
        _ count: Int,
        positiveShare: Double,
        positives: [Int],
        negatives: [Int],
    ) -> (positives: [Int], negatives: [Int]) {
        let chosen = choice(Int(Double(count) * positiveShare), of: positives.count)
            .map { positives[$0] }
        let others = choice(count - chosen.count, of: negatives.count).map { negatives[$0] }
        return (chosen, others)
    }
}
