// What a search reads before it starts: the supernet, and both sides' images.

import Configs
import Datasets
import Detectors
import Foundation
import Search
import SearchSpaces
import Torch

extension ArchitectureSearch {
    /// What scores paths, and a digest of the images that it scores them on.
    func scorer() throws -> (scorer: any PathScorer, images: String) {
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
            return (try detectorScorer(train, search), search.digest)
        case (.folder(let train), .folder(let search)):
            let train = try FolderSide(context, train)
            let search = try FolderSide(context, search)
            try search.requireDisjoint(from: train, ("search", "train"))
            return (try classifierScorer(train, search), search.digest)
        default:
            throw RunError.badData("`train` and `search` must both have boxes, or class folders")
        }
    }

    private var cacheBytes: Int { config.cacheMegabytes << 20 }

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

    private func detectorScorer(_ train: DetectionData, _ search: DetectionData) throws
        -> DetectorScorer
    {
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
            statistics: config.statistics,
            batch: config.evaluationBatch,
            device: device,
            cacheBytes: cacheBytes,
        )
    }

    private func classifierScorer(_ train: FolderSide, _ search: FolderSide) throws
        -> ClassifierScorer
    {
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
            statistics: config.statistics,
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
