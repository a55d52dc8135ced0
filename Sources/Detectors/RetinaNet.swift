// RetinaNet's head, loss and decoding (Lin et al. 2017, arXiv:1708.02002; official DetNAS settings).

import Foundation
import NN
package import Torch

/// Everything that a RetinaNet is built from; sizes in pixels of the network's input.
package struct RetinaNetSettings: Sendable {
    /// What the losses are divided by.
    package enum Normaliser: Sendable {
        /// Scores by positives + images, boxes by 4 x positives: the official code.
        case official
        /// Both by positives: mmdetection.
        case positives
    }

    package var classes: Int
    package var pyramid: PyramidSettings
    package var towerConvolutions: Int
    /// Groups of the group norm after each tower convolution; nil: none, as in the official code.
    package var groups: Int?
    /// The first anchor size of each level.
    package var anchorSizes: [Double]
    package var octaveScales: Int
    package var ratios: [Double]
    package var foregroundIoU: Double
    package var backgroundIoU: Double
    package var focalGamma: Double
    package var focalAlpha: Double
    /// 0: the absolute difference.
    package var smoothL1Beta: Double
    package var normaliser = Normaliser.official
    package var prior: Double
    package var thresholds: BoxKernels.Thresholds
    package var coder = BoxCoder(weights: [10, 10, 5, 5], .modern)

    package var channels: Int { pyramid.channels }
    package var levels: ClosedRange<Int> { pyramid.levels }

    package init(
        classes: Int,
        channels: Int = 256,
        towerConvolutions: Int = 4,
        groups: Int? = 32,
        levels: ClosedRange<Int> = 3...7,
        anchorSizes: [Double] = [32, 64, 128, 256, 512],
        octaveScales: Int = 3,
        ratios: [Double] = [0.5, 1, 2],
        foregroundIoU: Double = 0.5,
        backgroundIoU: Double = 0.4,
        focalGamma: Double = 2,
        focalAlpha: Double = 0.25,
        smoothL1Beta: Double = 0.11,
        prior: Double = 0.01,
        thresholds: BoxKernels.Thresholds = .init(
            score: 0.05,
            perLevel: 1000,
            suppression: 0.4,
            limit: 100,
        ),
    ) {
        self.classes = classes
        pyramid = PyramidSettings(
            channels: channels,
            levels: levels,
            coarser: .convolved(fromBackbone: false, relu: true),
        )
        self.towerConvolutions = towerConvolutions
        self.groups = groups
        self.anchorSizes = anchorSizes
        self.octaveScales = octaveScales
        self.ratios = ratios
        self.foregroundIoU = foregroundIoU
        self.backgroundIoU = backgroundIoU
        self.focalGamma = focalGamma
        self.focalAlpha = focalAlpha
        self.smoothL1Beta = smoothL1Beta
        self.prior = prior
        self.thresholds = thresholds
    }
}

/// Two towers shared by all levels: class scores and box offsets of every anchor.
struct RetinaNetHead: DetectionHead {
    private let settings: RetinaNetSettings
    private let classTower: Tower
    private let boxTower: Tower
    private let scores: Conv2d
    private let offsets: Conv2d
    private let grids: [AnchorGrid]

    init(_ path: ParameterPath, _ settings: RetinaNetSettings) throws {
        guard settings.anchorSizes.count == settings.levels.count else {
            throw TorchError(
                "\(settings.anchorSizes.count) anchor sizes for the \(settings.levels.count) levels "
                    + "\(settings.levels.lowerBound) to \(settings.levels.upperBound)"
            )
        }
        self.settings = settings
        classTower = try Tower(path / "class_tower", settings)
        boxTower = try Tower(path / "box_tower", settings)
        let cell = settings.octaveScales * settings.ratios.count
        let prior = -log((1 - settings.prior) / settings.prior)
        scores = try Conv2d(
            path / "scores",
            settings.channels,
            cell * settings.classes,
            kernel: 3,
            bias: true,
            initial: .normal(deviation: 0.01),
            biasInitial: .constant(prior),
        )
        offsets = try Conv2d(
            path / "offsets",
            settings.channels,
            cell * 4,
            kernel: 3,
            bias: true,
            initial: .normal(deviation: 0.01),
        )
        grids = zip(settings.levels, settings.anchorSizes).map {
            AnchorGrid(
                stride: 1 << $0,
                size: $1,
                octaveScales: settings.octaveScales,
                ratios: settings.ratios,
                settings.coder.convention,
            )
        }
    }

    func macs(_ areas: [Int]) -> Int { multipliers * areas.reduce(0, +) }

    var hasBatchNorm: Bool { false }

    var parameters: [Parameter] {
        classTower.parameters + boxTower.parameters + scores.parameters + offsets.parameters
    }

    func outputs(_ levels: [Tensor]) throws -> [LevelOutput] {
        try zip(levels, grids).map { level, grid in
            try LevelOutput(
                logits: scores(classTower(level)),
                classes: settings.classes,
                offsets: offsets(boxTower(level)),
                grid,
            )
        }
    }

    func loss(
        _ levels: [Tensor],
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ mode: Mode,
        seed: UInt64,
    ) throws -> DetectionLoss { try loss(outputs(levels), objects) }

    func detect(_ levels: [Tensor], sizes: [ImageSides], _ mode: Mode) throws
        -> [[BoxKernels.Found]]
    { try detect(outputs(levels), sizes: sizes) }

    func evaluate(
        _ levels: [Tensor],
        _ objects: [ObjectTargets],
        sizes: [ImageSides],
        _ mode: Mode,
    ) throws -> (losses: [DetectionLoss], found: [[BoxKernels.Found]]) {
        let outputs = try outputs(levels)
        let losses = try objects.enumerated().map { image, targets in
            try loss(outputs.map { try $0.image(image) }, [targets])
        }
        return (losses, try detect(outputs, sizes: sizes))
    }

    func calibrate(_ levels: [[Tensor]], sizes: [[ImageSides]], _ mode: Mode) throws {}

    /// All anchors have a part in it, whatever the images' sizes.
    private func loss(_ outputs: [LevelOutput], _ objects: [ObjectTargets]) throws -> DetectionLoss
    {
        let anchors = outputs.flatMap(\.anchors)
        let anchorCount = anchors.count / 4
        var classTargets: [Int32] = []
        var rows: [Int64] = []
        var boxTargets: [Float] = []
        let convention = settings.coder.convention
        for (image, targets) in objects.enumerated() {
            try targets.check(classes: settings.classes)
            let boxes = convention.boxes(targets.boxes)
            let matches = try BoxKernels.match(
                anchors: anchors,
                objects: boxes,
                foreground: settings.foregroundIoU,
                background: settings.backgroundIoU,
                bestFrom: 0,
                convention,
            )
            for (anchor, match) in matches.enumerated() {
                classTargets.append(match < 0 ? match : Int32(targets.labels[Int(match)]))
                guard match >= 0 else { continue }
                rows.append(Int64(image * anchorCount + anchor))
                let object = Int(match) * 4
                boxTargets += settings.coder.encode(
                    boxes[object..<object + 4],
                    relativeTo: anchors[anchor * 4..<anchor * 4 + 4],
                )
            }
        }
        let logits = try Tensor.concatenate(outputs.map(\.logits), along: 1)
        let offsets = try Tensor.concatenate(outputs.map(\.offsets), along: 1)
        let device = logits.device
        let targets = try Tensor(
            classTargets,
            shape: [objects.count, anchorCount],
            device: device,
        )
        let positives = rows.count
        let (scoreCount, boxCount) =
            switch settings.normaliser {
            case .official: (positives + objects.count, max(1, 4 * positives))
            case .positives: (max(1, positives), max(1, positives))
            }
        let classLoss =
            try logits.focalLossSum(
                targets: targets,
                alpha: settings.focalAlpha,
                gamma: settings.focalGamma,
            ) * (1 / Double(scoreCount))
        guard positives > 0 else { return try DetectionLoss([("lossCls", classLoss)]) }
        let predicted = try offsets.reshape([-1, 4])
            .select(rows: Tensor(rows, shape: [positives], device: device))
        let boxLoss =
            try predicted.smoothL1Sum(
                Tensor(boxTargets, shape: [positives, 4], device: device),
                beta: settings.smoothL1Beta,
            ) * (1 / Double(boxCount))
        return try DetectionLoss([("lossCls", classLoss), ("lossBox", boxLoss)])
    }

    private func detect(_ outputs: [LevelOutput], sizes: [ImageSides]) throws
        -> [[BoxKernels.Found]]
    {
        let read = try ReadLevels(outputs, classes: settings.classes)
        let convention = settings.coder.convention
        return try sizes.enumerated().map { image, size in
            try read.withPointers(image: image) { pointers in
                convention.modern(
                    try BoxKernels.detect(
                        pointers,
                        classes: settings.classes,
                        width: size.width,
                        height: size.height,
                        thresholds: settings.thresholds,
                        weights: settings.coder.weights,
                        convention,
                    )
                )
            }
        }
    }
}

/// 3x3 convolutions, each followed by group norm where wanted, and ReLU.
private struct Tower: Module {
    private let layers: [(conv: Conv2d, norm: GroupNorm?)]

    init(_ path: ParameterPath, _ settings: RetinaNetSettings) throws {
        layers = try (0..<settings.towerConvolutions).map { index in
            let at = path / "\(index)"
            let norm = try settings.groups.map {
                try GroupNorm(at / "norm", groups: $0, channels: settings.channels)
            }
            return (
                try Conv2d(
                    at / "conv",
                    settings.channels,
                    settings.channels,
                    kernel: 3,
                    bias: true,
                    initial: .normal(deviation: norm == nil ? 0.01 : 0.03),
                ), norm,
            )
        }
    }

    var parameters: [Parameter] {
        layers.flatMap { $0.conv.parameters + ($0.norm?.parameters ?? []) }
    }

    func callAsFunction(_ x: Tensor) throws -> Tensor {
        try layers.reduce(x) { value, layer in
            let convolved = try layer.conv(value)
            return try (layer.norm.map { try $0(convolved) } ?? convolved).relu()
        }
    }
}
