// From configs to networks.

import Configs
import Datasets
import Detectors
import NN
import SearchSpaces
import Torch

extension DetectorSettings {
    fileprivate init(_ config: DetectorConfig, classes: Int) {
        self =
            switch config {
            case .retinaNet(let config): .retinaNet(RetinaNetSettings(config, classes: classes))
            case .fasterRCNN(let config): .fasterRCNN(FasterRCNNSettings(config, classes: classes))
            }
    }
}

extension BoxConvention {
    fileprivate init(_ coordinates: Coordinates) {
        self = coordinates == .legacy ? .legacy : .modern
    }
}

extension HeadNorm {
    fileprivate init(_ choice: NormChoice, groups: Int) {
        self =
            switch choice {
            case .none: .none
            case .group: .group(groups: groups)
            case .batch: .batch
            }
    }
}

extension RetinaNetSettings {
    fileprivate init(_ config: RetinaNetConfig, classes: Int) {
        self.init(
            classes: classes,
            channels: config.channels,
            towerConvolutions: config.towerConvolutions,
            groups: config.headNorm == .group ? config.groups : nil,
            levels: config.firstLevel...config.lastLevel,
            anchorSizes: config.anchorSizes,
            octaveScales: config.octaveScales,
            ratios: config.ratios,
            foregroundIoU: config.foregroundIoU,
            backgroundIoU: config.backgroundIoU,
            focalGamma: config.focalGamma,
            focalAlpha: config.focalAlpha,
            smoothL1Beta: config.smoothL1Beta,
            prior: config.prior,
            thresholds: .init(
                score: config.scoreThreshold,
                perLevel: config.candidatesPerLevel,
                suppression: config.nms,
                limit: config.maxDetections,
            ),
        )
        let fromBackbone = config.coarseLevels == .backbone
        pyramid.coarser = .convolved(fromBackbone: fromBackbone, relu: !fromBackbone)
        pyramid.norm = HeadNorm(config.neckNorm, groups: config.groups)
        pyramid.bias = config.normBias
        normaliser = config.lossNormaliser == .official ? .official : .positives
        coder = BoxCoder(weights: config.boxWeights, BoxConvention(config.coordinates))
    }
}

extension FasterRCNNSettings {
    fileprivate init(_ config: FasterRCNNConfig, classes: Int) {
        self.init(
            classes: classes,
            channels: config.channels,
            levels: config.firstLevel...config.lastLevel,
        )
        pyramid.norm = HeadNorm(config.neckNorm, groups: config.groups)
        pyramid.bias = config.normBias
        convention = BoxConvention(config.coordinates)

        let first = config.proposals
        proposals.anchorSizes = first.anchorSizes
        proposals.ratios = first.ratios
        proposals.dropOverBorder = first.dropOverBorder
        proposals.bestIoU = first.bestIoU
        proposals.foregroundIoU = first.foregroundIoU
        proposals.backgroundIoU = first.backgroundIoU
        proposals.sample = first.sample
        proposals.positiveShare = first.positiveShare
        proposals.smoothL1Beta = first.smoothL1Beta
        proposals.training = .init(
            before: first.before[0],
            suppression: first.nms,
            after: first.after[0],
        )
        proposals.evaluation = .init(
            before: first.before[1],
            suppression: first.nms,
            after: first.after[1],
        )
        proposals.trainingLimit = first.limit[0]
        proposals.evaluationLimit = first.limit[1]
        proposals.limitsBatch = first.limitsBatch

        regions.foregroundIoU = config.regions.foregroundIoU
        regions.sample = config.regions.sample
        regions.positiveShare = config.regions.positiveShare
        regions.size = config.regions.size
        regions.samples = config.regions.samples
        regions.aligned = config.regions.aligned
        regions.canonicalSize = config.regions.canonicalSize

        head.convolutions = config.head.convolutions
        head.norm = HeadNorm(config.head.norm, groups: config.groups)
        head.bias = config.normBias
        head.layers = config.head.layers
        head.width = config.head.width
        head.boxWeights = config.head.boxWeights
        head.smoothL1Beta = config.head.smoothL1Beta
        head.boxOutputs =
            switch config.head.boxOutputs {
            case .shared: .shared
            case .classes: .classes
            case .classesAndBackground: .classesAndBackground
            }
        thresholds = .init(
            score: config.scoreThreshold,
            perLevel: thresholds.perLevel,
            suppression: config.nms,
            limit: config.maxDetections,
        )
    }
}

/// What a network is built from; the parameters' names are the same in every job.
struct NetworkPlan {
    var space: SearchSpace
    var shuffle: Int
    var only: Genome?
    /// Which paths training takes.
    var sampler = PathSampler.uniform
    var seed: UInt64
    var device: Device

    /// The paths of a training step.
    func paths(_ step: Int) -> [Genome] {
        only.map { [$0] } ?? sampler.paths(of: space, seed: seed, step: step)
    }

    private func root(_ training: TrainingConfig?) -> ParameterPath {
        var root = ParameterPath(seed: seed, device: device)
        if let training { root.normMomentum = training.normMomentum }
        return root
    }

    private func backbone(_ root: ParameterPath) throws -> Supernet {
        guard let method = ShuffleMethod(rawValue: shuffle) else {
            throw RunError.badCheckpoint("shuffle method \(shuffle); allowed: 1, 2")
        }
        return try Supernet(root / "backbone", space, shuffle: method, only: only)
    }

    /// - Parameter training: how it is trained; nil where it is not.
    func classifier(classes: Int, dropout: Double, _ training: TrainingConfig? = nil) throws
        -> Classifier
    {
        let root = root(training)
        return try Classifier(
            root / "classifier",
            backbone(root),
            classes: classes,
            dropout: dropout,
        )
    }

    /// - Parameter training: how it is trained; nil where it is not.
    func detector(_ config: DetectorConfig, classes: Int, _ training: TrainingConfig? = nil) throws
        -> Detector
    {
        let root = root(training)
        return try Detector(root, backbone(root), DetectorSettings(config, classes: classes))
    }
}

extension DetectionTarget {
    var sides: ImageSides { (width: Double(size.width), height: Double(size.height)) }

    var objects: ObjectTargets {
        ObjectTargets(boxes: boxes.flatMap { [$0[0], $0[1], $0[2], $0[3]] }, labels: labels)
    }
}
