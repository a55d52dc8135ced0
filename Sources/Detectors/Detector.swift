// A detector: backbone, pyramid, head. Two-stage heads will be further cases of `DetectionHead`.

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

/// A scalar to go down, and what it is made of.
package struct DetectionLoss {
    package var total: Tensor
    package var terms: [(name: String, value: Tensor)]
}

/// What turns pyramid levels into losses and boxes.
protocol DetectionHead: Module {
    func loss(_ levels: [Tensor], _ objects: [ObjectTargets]) throws -> DetectionLoss
    func detect(_ levels: [Tensor], sizes: [(width: Double, height: Double)]) throws
        -> [[BoxKernels.Found]]
}

package struct Detector: Module {
    package var backbone: Supernet
    let pyramid: FeaturePyramid
    let head: any DetectionHead

    /// A RetinaNet over `backbone`.
    package init(_ path: ParameterPath, _ backbone: Supernet, _ settings: RetinaNetSettings) throws
    {
        self.backbone = backbone
        pyramid = try FeaturePyramid(
            path / "neck",
            widths: backbone.space.stages.map(\.width),
            channels: settings.channels,
            levels: settings.levels,
        )
        head = try RetinaNetHead(path / "head", settings)
    }

    package var parameters: [Parameter] {
        backbone.parameters + pyramid.parameters + head.parameters
    }

    /// - Parameters:
    ///   - images: `[n, 3, h, w]`, h and w multiples of 32.
    ///   - objects: one for each image.
    package func loss(
        _ images: Tensor,
        _ objects: [ObjectTargets],
        _ genome: Genome?,
        _ mode: Mode,
    ) throws -> DetectionLoss {
        try head.loss(levels(images, genome, mode), objects)
    }

    /// Boxes in pixels of the network's input, clipped to `sizes`.
    package func detect(
        _ images: Tensor,
        sizes: [(width: Double, height: Double)],
        _ genome: Genome?,
        _ mode: Mode,
    ) throws -> [[BoxKernels.Found]] {
        try head.detect(levels(images, genome, mode), sizes: sizes)
    }

    /// Loss and boxes of one forward pass.
    package func evaluate(
        _ images: Tensor,
        _ objects: [ObjectTargets],
        sizes: [(width: Double, height: Double)],
        _ genome: Genome?,
        _ mode: Mode,
    ) throws -> (loss: Double, found: [[BoxKernels.Found]]) {
        let levels = try levels(images, genome, mode)
        let loss = try Double(head.loss(levels, objects).total.item())
        return (loss, try head.detect(levels, sizes: sizes))
    }

    /// The statistics of one path's batch norms over `batches`, pooled exactly, layer by layer.
    ///
    /// Pyramid and head have no batch norm, so the backbone alone runs.
    package func recalibrate(_ batches: [Tensor], _ genome: Genome?) throws -> NormStatistics {
        let statistics = NormStatistics()
        try withoutGradients { _ = try backbone(batches, genome, .calibration(statistics)) }
        return statistics
    }

    func levels(_ images: Tensor, _ genome: Genome?, _ mode: Mode) throws -> [Tensor] {
        try pyramid(backbone([images], genome, mode).map { $0[0] })
    }
}
