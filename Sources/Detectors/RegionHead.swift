// The second stage of Faster R-CNN: what a region holds, and where its edges are.

import Foundation
import NN
import SearchSpaces
import Torch

/// Regions that the loss is on.
struct SampledRegions {
    var regions = Regions()
    /// Of each region its class; the number of classes for the background.
    var labels: [Int64] = []
    /// Which regions hold an object, and that object's box, flat.
    var positives: [Int] = []
    var objects: [Float] = []
}

/// Which of the proposals the loss is on. The objects themselves are among the candidates, so that there are
/// positives from the first step on.
struct RegionSampler {
    private let settings: FasterRCNNSettings
    private let seed: UInt64

    init(_ settings: FasterRCNNSettings, seed: UInt64) {
        self.settings = settings
        self.seed = seed
    }

    /// Boxes are in the detector's convention; all lists are by image.
    func sample(_ proposals: [[Float]], _ objects: [[Float]], _ labels: [[Int]]) throws
        -> SampledRegions
    {
        let rule = settings.regions
        var sampled = SampledRegions()
        for (image, boxes) in objects.enumerated() {
            let candidates = proposals[image] + boxes
            let matches = try BoxKernels.match(
                anchors: candidates,
                objects: boxes,
                foreground: rule.foregroundIoU,
                background: rule.foregroundIoU,
                bestFrom: nil,
                settings.convention,
            )
            var random = CounterRandom(seed: seed, stream: "regions", UInt64(image))
            let chosen = random.balanced(
                rule.sample,
                positiveShare: rule.positiveShare,
                positives: matches.indices.filter { matches[$0] >= 0 },
                negatives: matches.indices.filter { matches[$0] == -1 },
            )
            for candidate in chosen.positives {
                let object = Int(matches[candidate])
                sampled.positives.append(sampled.labels.count)
                sampled.objects += boxes[4 * object..<4 * object + 4]
                sampled.labels.append(Int64(labels[image][object]))
            }
            sampled.labels += chosen.negatives.map { _ in Int64(settings.classes) }
            for candidate in chosen.positives + chosen.negatives {
                sampled.regions.boxes += candidates[4 * candidate..<4 * candidate + 4]
                sampled.regions.images.append(image)
            }
        }
        return sampled
    }
}

/// Convolutions and fully connected layers over pooled regions, then class scores and box offsets.
struct RegionHead: Module {
    private let settings: FasterRCNNSettings
    private let convolutions: [HeadConvolution]
    private let layers: [Linear]
    private let scores: Linear
    private let offsets: Linear
    private let boxOutputs: Int
    private let coder: BoxCoder

    init(_ path: ParameterPath, _ settings: FasterRCNNSettings) throws {
        let head = settings.head
        let channels = settings.pyramid.channels
        self.settings = settings
        convolutions = try (0..<head.convolutions).map { index in
            try HeadConvolution(
                path / "conv\(index)",
                channels,
                channels,
                kernel: 3,
                norm: head.norm,
                at: path / "conv\(index)" / "norm",
                bias: head.bias,
                relu: true,
                // Kaiming's rule for ReLU, by outputs.
                initial: .normal(deviation: (2 / Double(9 * channels)).squareRoot()),
            )
        }
        var width = channels * settings.regions.size * settings.regions.size
        layers = try (0..<head.layers).map { index in
            defer { width = head.width }
            return try Linear(
                path / "layer\(index)",
                width,
                head.width,
                initial: .uniform(bound: (3 / Double(width)).squareRoot()),
            )
        }
        boxOutputs =
            switch head.boxOutputs {
            case .shared: 1
            case .classes: settings.classes
            case .classesAndBackground: settings.classes + 1
            }
        scores = try Linear(path / "scores", width, settings.classes + 1)
        offsets = try Linear(
            path / "offsets",
            width,
            4 * boxOutputs,
            initial: .normal(deviation: 0.001),
        )
        coder = BoxCoder(weights: head.boxWeights, settings.convention)
    }

    /// A region's convolutions are over all its cells.
    var macsPerRegion: Int {
        let convolved = convolutions.multipliers
        return convolved * settings.regions.size * settings.regions.size
            + (multipliers - convolved)
    }

    var parameters: [Parameter] {
        convolutions.parameters + layers.parameters + scores.parameters + offsets.parameters
    }

    /// `[r, c, size, size]`, by level, and for each row the index of its region.
    func pool(_ levels: [Tensor], _ regions: Regions) throws -> (pooled: Tensor, order: [Int]) {
        let rule = settings.regions
        let first = settings.pyramid.levels.lowerBound
        let last = min(settings.pyramid.levels.upperBound, 5)
        var byLevel = [[Int]](repeating: [], count: last - first + 1)
        for region in 0..<regions.count {
            byLevel[level(of: regions.box(region), in: first...last) - first].append(region)
        }
        let parts = try byLevel.enumerated().compactMap { index, members -> Tensor? in
            guard !members.isEmpty else { return nil }
            let rows = members.flatMap { [Float(regions.images[$0])] + regions.box($0) }
            return try levels[index].roiAlign(
                rows,
                scale: 1 / Double(1 << (first + index)),
                size: rule.size,
                samples: rule.samples,
                aligned: rule.aligned,
            )
        }
        return (try .concatenate(parts, along: 0), byLevel.flatMap { $0 })
    }

    /// The level whose cells fit a region: 4 for the canonical size, one coarser for twice as large a side
    /// (arXiv:1612.03144, eq. 1).
    private func level(of box: ArraySlice<Float>, in levels: ClosedRange<Int>) -> Int {
        let sides = box.map(Double.init)
        let edge = settings.convention.edge
        let area = (sides[2] - sides[0] + edge) * (sides[3] - sides[1] + edge)
        let side = max(area, 0).squareRoot()
        let level = (4 + log2(side / settings.regions.canonicalSize + 1e-6)).rounded(.down)
        return Int(min(max(level, Double(levels.lowerBound)), Double(levels.upperBound)))
    }

    /// Logits `[r, classes + 1]`, the background last, and offsets `[r, outputs * 4]` of pooled regions.
    private func outputs(_ pooled: Tensor, _ mode: Mode) throws -> (logits: Tensor, offsets: Tensor)
    {
        var value = try convolutions.reduce([pooled]) { try $1($0, mode) }[0]
        value = try value.reshape([value.shape[0], -1])
        for layer in layers { value = try layer(value).relu() }
        return (try scores(value), try offsets(value))
    }

    func calibrate(_ pooled: [Tensor], _ mode: Mode) throws {
        _ = try convolutions.reduce(pooled) { try $1($0, mode) }
    }

    /// Cross-entropy, averaged over the regions, and smooth L1 of the positives over the same count.
    func loss(_ levels: [Tensor], _ sampled: SampledRegions, _ mode: Mode) throws
        -> [(name: String, value: Tensor)]
    {
        let (pooled, order) = try pool(levels, sampled.regions)
        let (logits, offsets) = try outputs(pooled, mode)
        let device = logits.device
        let labels = order.map { sampled.labels[$0] }
        let scoreLoss = try logits.crossEntropy(
            labels: Tensor(labels, shape: [labels.count], device: device)
        )
        guard !sampled.positives.isEmpty else { return [("lossCls", scoreLoss)] }
        var rowOf = [Int](repeating: 0, count: order.count)
        for (row, region) in order.enumerated() { rowOf[region] = row }
        let rows = sampled.positives.map { region in
            let output = boxOutputs == 1 ? 0 : Int(sampled.labels[region])
            return Int64(rowOf[region] * boxOutputs + output)
        }
        let targets = sampled.positives.enumerated().flatMap { place, region in
            coder.encode(
                sampled.objects[4 * place..<4 * place + 4],
                relativeTo: sampled.regions.box(region),
            )
        }
        let boxLoss =
            try offsets.reshape([-1, 4])
            .select(rows: Tensor(rows, shape: [rows.count], device: device))
            .smoothL1Sum(
                Tensor(targets, shape: [rows.count, 4], device: device),
                beta: settings.head.smoothL1Beta,
            ) * (1 / Double(labels.count))
        return [("lossCls", scoreLoss), ("lossBox", boxLoss)]
    }

    func detect(
        _ levels: [Tensor],
        _ regions: Regions,
        _ sizes: [ImageSides],
        _ mode: Mode,
    ) throws -> [[BoxKernels.Found]] {
        guard !regions.isEmpty else { return sizes.map { _ in [] } }
        let (pooled, order) = try pool(levels, regions)
        let (logits, offsets) = try outputs(pooled, mode)
        let probabilities = try logits.softmax().floats()
        let values = try offsets.floats()
        let (width, depth) = (settings.classes + 1, 4 * boxOutputs)
        var rows = [[Int]](repeating: [], count: sizes.count)
        for (row, region) in order.enumerated() { rows[regions.images[region]].append(row) }
        return try sizes.enumerated().map { image, size in
            let mine = rows[image]
            return settings.convention.modern(
                try BoxKernels.detect(
                    regions: mine.flatMap { regions.box(order[$0]) },
                    probabilities: mine.flatMap { probabilities[$0 * width..<($0 + 1) * width] },
                    offsets: mine.flatMap { values[$0 * depth..<($0 + 1) * depth] },
                    classes: settings.classes,
                    width: size.width,
                    height: size.height,
                    thresholds: settings.thresholds,
                    weights: settings.head.boxWeights,
                    settings.convention,
                )
            )
        }
    }
}
