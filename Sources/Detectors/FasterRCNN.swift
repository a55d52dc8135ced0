// Faster R-CNN over a feature pyramid (Ren et al. 2015, arXiv:1506.01497; Lin et al. 2017, arXiv:1612.03144): a first
// stage proposes regions, a second one says what is in them. Numbers are those of the official DetNAS configuration.

import Foundation
import NN
import SearchSpaces
package import Torch

/// Everything that a Faster R-CNN is built from; sizes in pixels of the network's input.
package struct FasterRCNNSettings: Sendable {
    package var classes: Int
    package var pyramid: PyramidSettings
    package var convention = BoxConvention.modern
    package var proposals = Proposals()
    package var regions = Regions()
    package var head = Head()
    package var thresholds = BoxKernels.Thresholds(
        score: 0.05,
        perLevel: .max,
        suppression: 0.5,
        limit: 100,
    )

    package init(classes: Int, channels: Int = 256, levels: ClosedRange<Int> = 2...6) {
        self.classes = classes
        pyramid = PyramidSettings(channels: channels, levels: levels, coarser: .subsampled)
    }

    /// The first stage.
    package struct Proposals: Sendable {
        /// Side of the square anchor, one for each level.
        package var anchorSizes: [Double] = [32, 64, 128, 256, 512]
        /// Height over width.
        package var ratios: [Double] = [0.5, 1, 2]
        /// Whether anchors that reach over the image's border are left out of training.
        package var dropOverBorder = false
        /// With less than this IoU an anchor is not a positive for being a box's best.
        package var bestIoU = 0.0
        package var foregroundIoU = 0.7
        package var backgroundIoU = 0.3
        /// Anchors of an image that the loss is on, and the most of them that are positives.
        package var sample = 256
        package var positiveShare = 0.5
        /// 0: the absolute difference.
        package var smoothL1Beta = 1.0 / 9
        package var training = BoxKernels.ProposalRule(before: 2000, suppression: 0.7, after: 2000)
        package var evaluation = BoxKernels.ProposalRule(
            before: 1000,
            suppression: 0.7,
            after: 1000,
        )
        /// Proposals kept of all levels in training: of an image, or of a batch together.
        package var trainingLimit = 2000
        package var limitsBatch = false
        /// Proposals kept of all levels of an image in evaluation.
        package var evaluationLimit = 1000
    }

    /// Which regions the second stage sees, and how.
    package struct Regions: Sendable {
        /// From this IoU with an object on a region has its class; any other is background.
        package var foregroundIoU = 0.5
        /// Regions of an image that the loss is on, and the most of them that are positives.
        package var sample = 512
        package var positiveShare = 0.25
        /// Cells a side that a region is pooled to.
        package var size = 7
        /// Samples along a side of a cell; 0: as many as it covers.
        package var samples = 2
        /// Whether pooling is moved by half a cell; the official code did not.
        package var aligned = true
        /// A region of this size, in pixels, is pooled from level 4.
        package var canonicalSize = 224.0
    }

    /// What sees a region.
    package struct Head: Sendable {
        package enum BoxOutputs: Sendable {
            case shared, classes
            /// With one for the background, which is never trained: the official code.
            case classesAndBackground
        }

        package var convolutions = 4
        package var norm = HeadNorm.group(groups: 32)
        /// Whether convolutions before a norm have a bias: the official ones do, MMRazor's don't.
        package var bias = true
        /// Fully connected layers and their width.
        package var layers = 1
        package var width = 1024
        package var boxOutputs = BoxOutputs.classes
        package var boxWeights: [Double] = [10, 10, 5, 5]
        /// 0: the absolute difference.
        package var smoothL1Beta = 1.0
    }
}

struct FasterRCNNHead: DetectionHead {
    private let settings: FasterRCNNSettings
    private let proposals: ProposalHead
    private let regions: RegionHead

    init(_ path: ParameterPath, _ settings: FasterRCNNSettings) throws {
        self.settings = settings
        proposals = try ProposalHead(path / "proposals", settings)
        regions = try RegionHead(path / "regions", settings)
    }

    var hasBatchNorm: Bool { settings.head.norm == .batch }

    func macs(_ areas: [Int]) -> Int {
        proposals.multipliers * areas.reduce(0, +)
            + regions.macsPerRegion * settings.proposals.evaluationLimit
    }

    var parameters: [Parameter] { proposals.parameters + regions.parameters }

    func loss(
        _ levels: [Tensor],
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ mode: Mode,
        seed: UInt64,
    ) throws -> DetectionLoss {
        try loss(levels, proposals.outputs(levels), objects, sizes, mode, seed)
    }

    private func loss(
        _ levels: [Tensor],
        _ outputs: [LevelOutput],
        _ objects: [ObjectTargets],
        _ sizes: [ImageSides],
        _ mode: Mode,
        _ seed: UInt64,
    ) throws -> DetectionLoss {
        for targets in objects { try targets.check(classes: settings.classes) }
        let boxes = objects.map { settings.convention.boxes($0.boxes) }
        let first = try proposals.loss(outputs, boxes, sizes, seed: seed)
        let proposed = try proposals.propose(outputs, sizes, training: true)
        let sampled = try RegionSampler(settings, seed: seed)
            .sample(proposed.map(\.boxes), boxes, objects.map(\.labels))
        guard !sampled.regions.isEmpty else { return try DetectionLoss(first) }
        return try DetectionLoss(first + regions.loss(levels, sampled, mode))
    }

    func detect(_ levels: [Tensor], sizes: [ImageSides], _ mode: Mode) throws
        -> [[BoxKernels.Found]]
    { try detect(levels, proposals.outputs(levels), sizes, mode) }

    private func detect(
        _ levels: [Tensor],
        _ outputs: [LevelOutput],
        _ sizes: [ImageSides],
        _ mode: Mode,
    ) throws -> [[BoxKernels.Found]] {
        let proposed = try proposals.propose(outputs, sizes, training: false)
        return try regions.detect(levels, Regions(proposed.map(\.boxes)), sizes, mode)
    }

    func evaluate(
        _ levels: [Tensor],
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ mode: Mode,
    ) throws -> (losses: [DetectionLoss], found: [[BoxKernels.Found]]) {
        let outputs = try proposals.outputs(levels)
        let losses = try objects.enumerated().map { image, targets in
            try loss(
                levels.map { try $0.narrow(0, image, 1) },
                outputs.map { try $0.image(image) },
                [targets],
                [sizes[image]],
                mode,
                0,
            )
        }
        return (losses, try detect(levels, outputs, sizes, mode))
    }

    func calibrate(_ levels: [[Tensor]], sizes: [[ImageSides]], _ mode: Mode) throws {
        let pooled = try sizes.indices.compactMap { batch -> Tensor? in
            let levels = levels.map { $0[batch] }
            let proposed = try proposals.propose(
                proposals.outputs(levels),
                sizes[batch],
                training: false,
            )
            let regions = Regions(proposed.map(\.boxes))
            return regions.isEmpty ? nil : try self.regions.pool(levels, regions).pooled
        }
        if !pooled.isEmpty { try regions.calibrate(pooled, mode) }
    }
}

/// Boxes of several images, flat, in the detector's convention.
struct Regions {
    var boxes: [Float] = []
    /// Of each box, the index of its image in the batch.
    var images: [Int] = []

    init() {}

    /// - Parameter boxes: for each image.
    init(_ boxes: [[Float]]) {
        self.boxes = boxes.flatMap { $0 }
        images = boxes.enumerated().flatMap { Array(repeating: $0, count: $1.count / 4) }
    }

    var count: Int { images.count }
    var isEmpty: Bool { images.isEmpty }

    func box(_ index: Int) -> ArraySlice<Float> { boxes[4 * index..<4 * index + 4] }
}
