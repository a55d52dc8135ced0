// A detector: backbone, pyramid, head.

package import NN
package import SearchSpaces
package import Torch

/// The objects of one image, as a loss wants them.
package struct ObjectTargets: Sendable {
    /// Flat x1 y1 x2 y2, pixels of the network's input.
    package var boxes: [Float]
    /// One class index for each box, from 0.
    package var labels: [Int]

    package init(boxes: [Float], labels: [Int]) {
        self.boxes = boxes
        self.labels = labels
    }

    /// Throws unless each box has four coordinates and a label in `0..<classes`.
    func check(classes: Int) throws(TorchError) {
        guard boxes.count == 4 * labels.count else {
            throw TorchError("\(boxes.count) coordinates for \(labels.count) labels")
        }
        for label in labels where !(0..<classes).contains(label) {
            throw TorchError("label \(label): allowed are 0 to \(classes - 1)")
        }
    }
}

/// The sides of an image, pixels of the network's input, without padding.
package typealias ImageSides = (width: Double, height: Double)

/// A scalar to go down, and what it is made of.
package struct DetectionLoss {
    package var total: Tensor
    package var terms: [(name: String, value: Tensor)]

    init(_ terms: [(name: String, value: Tensor)]) throws {
        guard let first = terms.first else { throw TorchError("a loss without terms") }
        total = try terms.dropFirst().reduce(first.value) { try $0 + $1.value }
        self.terms = terms
    }
}

/// What turns pyramid levels into losses and boxes.
protocol DetectionHead: Module {
    /// Whether it has batch norms, so that each path needs statistics of its own.
    var hasBatchNorm: Bool { get }

    /// Multiply-adds for one image in evaluation, of levels with so many cells.
    func macs(_ areas: [Int]) -> Int

    /// - Parameter seed: which anchors and regions are sampled, where the loss is on a sample.
    func loss(
        _ levels: [Tensor],
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ mode: Mode,
        seed: UInt64,
    ) throws -> DetectionLoss

    func detect(_ levels: [Tensor], sizes: [ImageSides], _ mode: Mode) throws
        -> [[BoxKernels.Found]]

    /// The loss of each image alone, as in a batch of one with seed 0, and the boxes, of the same outputs.
    func evaluate(
        _ levels: [Tensor],
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ mode: Mode,
    ) throws -> (losses: [DetectionLoss], found: [[BoxKernels.Found]])

    /// Runs its batch norms over all batches together.
    ///
    /// - Parameters:
    ///   - levels: for each level, for each batch.
    ///   - sizes: for each batch.
    func calibrate(_ levels: [[Tensor]], sizes: [[ImageSides]], _ mode: Mode) throws
}

/// How a detector is built over a backbone.
package enum DetectorSettings: Sendable {
    case retinaNet(RetinaNetSettings)
    case fasterRCNN(FasterRCNNSettings)

    fileprivate var pyramid: PyramidSettings {
        switch self {
        case .retinaNet(let settings): settings.pyramid
        case .fasterRCNN(let settings): settings.pyramid
        }
    }
}

package struct Detector: Module {
    package var backbone: Supernet
    let pyramid: FeaturePyramid
    let head: any DetectionHead
    private let pyramidHasBatchNorm: Bool

    package init(_ path: ParameterPath, _ backbone: Supernet, _ settings: DetectorSettings) throws {
        self.backbone = backbone
        pyramid = try FeaturePyramid(
            path / "neck",
            widths: backbone.space.stages.map(\.width),
            settings.pyramid,
        )
        pyramidHasBatchNorm = settings.pyramid.norm == .batch
        head =
            switch settings {
            case .retinaNet(let settings): try RetinaNetHead(path / "head", settings)
            case .fasterRCNN(let settings): try FasterRCNNHead(path / "head", settings)
            }
    }

    package var parameters: [Parameter] {
        backbone.parameters + pyramid.parameters + head.parameters
    }

    /// - Parameters:
    ///   - images: `[n, 3, h, w]`, h and w multiples of 32.
    ///   - objects: one for each image.
    ///   - sizes: one for each image.
    ///   - seed: which anchors and regions are sampled, where the loss is on a sample.
    package func loss(
        _ images: Tensor,
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ genome: Genome?,
        _ mode: Mode,
        seed: UInt64 = 0,
    ) throws -> DetectionLoss {
        try check(images, sizes, objects)
        return try head.loss(
            levels(images, genome, mode),
            objects,
            sizes: sizes,
            mode,
            seed: seed,
        )
    }

    /// Boxes in pixels of the network's input, clipped to `sizes`.
    package func detect(
        _ images: Tensor,
        sizes: [ImageSides],
        _ genome: Genome?,
        _ mode: Mode,
    ) throws -> [[BoxKernels.Found]] {
        try check(images, sizes)
        return try head.detect(levels(images, genome, mode), sizes: sizes, mode)
    }

    /// Losses and boxes of one forward pass; each image's loss is what it has in a batch of its own.
    package func evaluate(
        _ images: Tensor,
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ genome: Genome?,
        _ mode: Mode,
    ) throws -> (losses: [Double], found: [[BoxKernels.Found]]) {
        try check(images, sizes, objects)
        let stages = try backbone([images], genome, mode).map { $0[0] }
        return try evaluate(stages: stages, objects, sizes: sizes, mode)
    }

    /// The same of what the backbone's stages gave.
    package func evaluate(
        stages: [Tensor],
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ mode: Mode,
    ) throws -> (losses: [Double], found: [[BoxKernels.Found]]) {
        let levels = try pyramid(stages.map { [$0] }, mode).map { $0[0] }
        let (losses, found) = try head.evaluate(levels, objects, sizes: sizes, mode)
        return (try losses.map { try Double($0.total.item()) }, found)
    }

    /// The statistics of one path's batch norms over `batches`, pooled exactly, layer by layer.
    ///
    /// The detector runs no further than its last batch norm.
    /// - Parameter sizes: of the images of each batch.
    package func recalibrate(_ batches: [Tensor], sizes: [[ImageSides]], _ genome: Genome?) throws
        -> NormStatistics
    {
        for (images, sizes) in zip(batches, sizes) { try check(images, sizes) }
        let statistics = NormStatistics()
        try withoutGradients {
            let stages = try backbone(batches, genome, .calibration(statistics))
            try recalibrate(stages: stages, sizes: sizes, into: statistics)
        }
        return statistics
    }

    /// Adds the statistics of pyramid and head, from what the backbone's stages gave of each batch.
    package func recalibrate(
        stages: [[Tensor]],
        sizes: [[ImageSides]],
        into statistics: NormStatistics,
    ) throws {
        guard pyramidHasBatchNorm || head.hasBatchNorm else { return }
        let mode = Mode.calibration(statistics)
        let levels = try pyramid(stages, mode)
        if head.hasBatchNorm { try head.calibrate(levels, sizes: sizes, mode) }
    }

    /// Moves `statistics` by one training batch, as the official code sets them: every batch norm up to the last one
    /// sees what it would see in a step of training.
    ///
    /// - Parameters:
    ///   - momentum: 0...1, the official code: 0.1.
    ///   - seed: which regions are sampled, where the head has batch norms.
    package func average(
        _ statistics: NormStatistics,
        momentum: Double,
        over images: Tensor,
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ genome: Genome?,
        seed: UInt64,
    ) throws {
        try check(images, sizes, objects)
        try withoutGradients {
            let mode = Mode.averaging(statistics, momentum: momentum)
            let stages = try backbone([images], genome, mode)
            guard pyramidHasBatchNorm || head.hasBatchNorm else { return }
            let levels = try pyramid(stages, mode).map { $0[0] }
            guard head.hasBatchNorm else { return }
            _ = try head.loss(levels, objects, sizes: sizes, mode, seed: seed)
        }
    }

    func levels(_ images: Tensor, _ genome: Genome?, _ mode: Mode) throws -> [Tensor] {
        try pyramid(backbone([images], genome, mode), mode).map { $0[0] }
    }

    private func check(
        _ images: Tensor,
        _ sizes: [ImageSides],
        _ objects: [ObjectTargets]? = nil,
    ) throws(TorchError) {
        let count = images.shape.first ?? 0
        guard sizes.count == count else {
            throw TorchError("the sizes of \(sizes.count) images for a batch of \(count)")
        }
        if let objects, objects.count != count {
            throw TorchError("the objects of \(objects.count) images for a batch of \(count)")
        }
    }
}
