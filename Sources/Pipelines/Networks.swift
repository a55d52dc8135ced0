// From configs to networks.

import Configs
import Datasets
import Detectors
import NN
import SearchSpaces
import Torch

extension RetinaNetSettings {
    init(_ config: DetectorConfig, classes: Int) {
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
    }
}

/// What a network is built from; the parameters' names are the same in every job.
struct NetworkPlan {
    var space: SearchSpace
    var shuffle: Int
    var only: Genome?
    var seed: UInt64
    var device: Device

    private var root: ParameterPath { ParameterPath(seed: seed, device: device) }

    private func backbone() throws -> Supernet {
        guard let method = ShuffleMethod(rawValue: shuffle) else {
            throw RunError.badCheckpoint("shuffle method \(shuffle); allowed: 1, 2")
        }
        return try Supernet(root / "backbone", space, shuffle: method, only: only)
    }

    func classifier(classes: Int, dropout: Double) throws -> Classifier {
        try Classifier(root / "classifier", backbone(), classes: classes, dropout: dropout)
    }

    func detector(_ settings: RetinaNetSettings) throws -> Detector {
        try Detector(root, backbone(), settings)
    }
}

extension DetectionTarget {
    var objects: ObjectTargets {
        ObjectTargets(boxes: boxes.flatMap { [$0[0], $0[1], $0[2], $0[3]] }, labels: labels)
    }
}
