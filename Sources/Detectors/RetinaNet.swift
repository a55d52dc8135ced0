// RetinaNet's head, loss and decoding (Lin et al. 2017, arXiv:1708.02002; official DetNAS settings).

import Foundation
import NN
package import Torch

/// Everything that a RetinaNet is built from; sizes in pixels of the network's input.
package struct RetinaNetSettings: Sendable {
    package var classes: Int
    package var channels: Int
    package var towerConvolutions: Int
    /// Groups of the group norm after each tower convolution; nil: none, as in the official code.
    package var groups: Int?
    package var levels: ClosedRange<Int>
    /// The first anchor size of each level.
    package var anchorSizes: [Double]
    package var octaveScales: Int
    package var ratios: [Double]
    package var foregroundIoU: Double
    package var backgroundIoU: Double
    package var focalGamma: Double
    package var focalAlpha: Double
    package var smoothL1Beta: Double
    package var prior: Double
    package var thresholds: BoxKernels.Thresholds

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
        self.channels = channels
        self.towerConvolutions = towerConvolutions
        self.groups = groups
        self.levels = levels
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
            )
        }
    }

    var parameters: [Parameter] {
        classTower.parameters + boxTower.parameters + scores.parameters + offsets.parameters
    }

    /// One level's outputs: logits `[n, a, classes]`, offsets `[n, a, 4]`, and its anchors.
    struct LevelOutput {
        var logits: Tensor
        var offsets: Tensor
        var anchors: [Float]
    }

    func outputs(_ levels: [Tensor]) throws -> [LevelOutput] {
        try zip(levels, grids).map { level, grid in
            let shape = level.shape
            func flat(_ x: Tensor, _ width: Int) throws -> Tensor {
                try x.permute([0, 2, 3, 1]).reshape([shape[0], -1, width])
            }
            return LevelOutput(
                logits: try flat(scores(classTower(level)), settings.classes),
                offsets: try flat(offsets(boxTower(level)), 4),
                anchors: grid.boxes(height: shape[2], width: shape[3]),
            )
        }
    }

    func loss(_ levels: [Tensor], _ objects: [ObjectTargets]) throws -> DetectionLoss {
        let outputs = try outputs(levels)
        let anchors = outputs.flatMap(\.anchors)
        let anchorCount = anchors.count / 4
        var classTargets: [Int32] = []
        var rows: [Int64] = []
        var boxTargets: [Float] = []
        let images = levels.first?.shape[0] ?? 0
        guard objects.count == images else {
            throw TorchError("the objects of \(objects.count) images for a batch of \(images)")
        }
        for (image, targets) in objects.enumerated() {
            try targets.check(classes: settings.classes)
            let matches = try BoxKernels.match(
                anchors: anchors,
                objects: targets.boxes,
                foreground: settings.foregroundIoU,
                background: settings.backgroundIoU,
                keepBest: true,
            )
            for (anchor, match) in matches.enumerated() {
                classTargets.append(match < 0 ? match : Int32(targets.labels[Int(match)]))
                guard match >= 0 else { continue }
                rows.append(Int64(image * anchorCount + anchor))
                let object = Int(match) * 4
                boxTargets += BoxCoder.encode(
                    targets.boxes[object..<object + 4],
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
        // Normalised as in the official code: by positives + images, and by 4 x positives.
        let classLoss =
            try logits.focalLossSum(
                targets: targets,
                alpha: settings.focalAlpha,
                gamma: settings.focalGamma,
            )
            * (1 / Double(positives + objects.count))
        guard positives > 0 else {
            return DetectionLoss(total: classLoss, terms: [("lossCls", classLoss)])
        }
        let predicted = try offsets.reshape([-1, 4])
            .select(rows: Tensor(rows, shape: [positives], device: device))
        let boxLoss =
            try predicted.smoothL1Sum(
                Tensor(boxTargets, shape: [positives, 4], device: device),
                beta: settings.smoothL1Beta,
            ) * (1 / Double(4 * positives))
        return DetectionLoss(
            total: try classLoss + boxLoss,
            terms: [("lossCls", classLoss), ("lossBox", boxLoss)],
        )
    }

    func detect(_ levels: [Tensor], sizes: [(width: Double, height: Double)]) throws
        -> [[BoxKernels.Found]]
    {
        let images = levels.first?.shape[0] ?? 0
        guard sizes.count == images else {
            throw TorchError("the sizes of \(sizes.count) images for a batch of \(images)")
        }
        let outputs = try outputs(levels).map {
            (logits: try $0.logits.floats(), offsets: try $0.offsets.floats(), anchors: $0.anchors)
        }
        return try sizes.enumerated().map { image, size in
            try withPointers(outputs, image: image) { pointers in
                try BoxKernels.detect(
                    pointers,
                    classes: settings.classes,
                    width: size.width,
                    height: size.height,
                    thresholds: settings.thresholds,
                    weights: BoxCoder.weights,
                )
            }
        }
    }

    /// Calls `body` with pointers into every level's outputs for one image.
    private func withPointers<Result>(
        _ levels: [(logits: [Float], offsets: [Float], anchors: [Float])],
        image: Int,
        _ body: ([BoxKernels.Level]) throws -> Result,
    ) throws -> Result {
        func next(_ index: Int, _ made: [BoxKernels.Level]) throws -> Result {
            guard index < levels.count else { return try body(made) }
            let level = levels[index]
            let count = level.anchors.count / 4
            return try level.logits.withUnsafeBufferPointer { logits in
                try level.offsets.withUnsafeBufferPointer { offsets in
                    try level.anchors.withUnsafeBufferPointer { anchors in
                        guard let l = logits.baseAddress, let o = offsets.baseAddress,
                            let a = anchors.baseAddress
                        else { return try next(index + 1, made) }
                        let pointers = BoxKernels.Level(
                            logits: l + image * count * settings.classes,
                            offsets: o + image * count * 4,
                            anchors: a,
                            count: count,
                        )
                        return try next(index + 1, made + [pointers])
                    }
                }
            }
        }
        return try next(0, [])
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
