// What a search reads before it starts: the supernet, and both sides' images.

import Configs
import Datasets
import Detectors
import Foundation
import Search
import SearchSpaces
import Torch

extension ArchitectureSearch {
    /// What scores paths, what scores them on fewer images first, and a digest of the images that a score is made on.
    func scorers() throws -> (scorer: any PathScorer, rungs: [Rung], images: String) {
        switch (config.train, config.search) {
        case (.boxes(let train), .boxes(let search)):
            let classes = checkpoint.metadata.classes
            let train = try DetectionData(context, train, for: .training, classes: classes)
            let search = try DetectionData(context, search, for: .evaluation, classes: classes)
            try search.requireDisjoint(from: train, ("search", "train"))
            if let test = config.test {
                let test = try DetectionData(context, test, for: .evaluation)
                try test.requireDisjoint(from: train, ("test", "train"))
                try test.requireDisjoint(from: search, ("test", "search"))
            }
            let rungs = try rungs(of: search.set.items.count) { images, statistics in
                try detectorScorer(
                    train,
                    search.first(images, seed: context.seed),
                    statistics,
                )
            }
            return (
                try detectorScorer(train, search, config.statistics), rungs, search.digest,
            )
        case (.folder(let train), .folder(let search)):
            let train = try FolderSide(context, train)
            let search = try FolderSide(context, search)
            try search.requireDisjoint(from: train, ("search", "train"))
            let rungs = try rungs(of: search.samples.count) { images, statistics in
                try classifierScorer(
                    train,
                    search.first(images, seed: context.seed),
                    statistics,
                )
            }
            return (
                try classifierScorer(train, search, config.statistics), rungs, search.digest,
            )
        default:
            throw RunError.badData("`train` and `search` must both have boxes, or class folders")
        }
    }

    /// The rungs below `count` images. Exact statistics are of as few training images as there are search images.
    private func rungs(
        of count: Int,
        _ scorer: (Int, StatisticsChoice) throws -> any PathScorer,
    ) throws -> [Rung] {
        try (config.halving.map(Halving.init)?.rungs(of: count) ?? []).map { images in
            var statistics = config.statistics
            if case .exact(var exact) = statistics {
                exact.images = min(exact.images, images)
                statistics = .exact(exact)
            }
            return Rung(images: images, scorer: try scorer(images, statistics))
        }
    }

    /// For each of the scorers.
    private var cacheBytes: Int {
        (config.cacheMegabytes << 20) / (config.halving == nil ? 1 : 2)
    }

    private func requireClasses(_ found: [String], _ made: String) throws {
        let classes = checkpoint.metadata.classes
        guard classes != found else { return }
        func listed(_ names: [String]) -> String {
            names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
        }
        throw RunError.badCheckpoint(
            """
            \(checkpoint.url.lastPathComponent) was trained for the classes \(listed(classes)); \
            the \(made) images have \(listed(found))
            """
        )
    }

    private func plan(_ device: Device) -> NetworkPlan {
        NetworkPlan(
            space: checkpoint.metadata.space,
            shuffle: checkpoint.metadata.shuffle,
            seed: 0,
            device: device,
        )
    }

    private func detectorScorer(
        _ train: DetectionData,
        _ search: DetectionData,
        _ statistics: StatisticsChoice,
    ) throws -> DetectorScorer {
        let tuned = try checkpoint.finetuning
        try requireClasses(search.set.classNames, "search")
        let device = try Device(parsing: context.device)
        var network = try plan(device).detector(
            tuned.detector,
            classes: checkpoint.metadata.classes.count,
        )
        try network.parameters.load(from: checkpoint)
        network.backbone.crippled = crippled.map { ($0.operation, $0.deviation, context.seed) }
        return try DetectorScorer(
            context,
            network,
            calibration: train,
            validation: search,
            image: tuned.image,
            statistics: statistics,
            batch: config.evaluationBatch,
            device: device,
            cacheBytes: cacheBytes,
        )
    }

    private func classifierScorer(
        _ train: FolderSide,
        _ search: FolderSide,
        _ statistics: StatisticsChoice,
    ) throws -> ClassifierScorer {
        guard
            case .success(.pretrain(let trained)) = JobSpec.resolve(
                kind: .supernetPretrain,
                checkpoint.metadata.config,
            )
        else {
            throw RunError.badCheckpoint(
                "\(checkpoint.url.lastPathComponent): its config is not a pretraining's"
            )
        }
        try requireClasses(train.folder.classes, "train")
        try requireClasses(search.folder.classes, "search")
        let device = try Device(parsing: context.device)
        let network = try plan(device).classifier(
            classes: checkpoint.metadata.classes.count,
            dropout: 0,
        )
        try network.parameters.load(from: checkpoint)
        return try ClassifierScorer(
            context,
            network,
            calibration: train,
            validation: search,
            image: trained.image,
            statistics: statistics,
            batch: config.evaluationBatch,
            device: device,
            cacheBytes: cacheBytes,
        )
    }
}

extension CheckpointFile {
    /// What the detector was fine-tuned with.
    var finetuning: FinetuneConfig {
        get throws {
            guard
                case .success(.finetune(let config)) = JobSpec.resolve(
                    kind: .detectorFinetune,
                    metadata.config,
                )
            else {
                throw RunError.badCheckpoint(
                    "\(url.lastPathComponent): its config is not a fine-tuning's"
                )
            }
            return config
        }
    }
}
