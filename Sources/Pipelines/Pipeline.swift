// The kinds of runs: from a resolved spec to a result.

package import Configs
package import Foundation
package import SearchSpaces
import Torch

/// What other jobs made for a run.
package struct RunInputs: Sendable {
    package var checkpoint: URL?
    package var checkpointDigest: String?
    package var architecture: (space: SearchSpace, genome: Genome)?
    /// Of a run that names several, in the order of its spec.
    package var architectures: [(space: SearchSpace, genome: Genome)] = []

    package init(
        checkpoint: URL? = nil,
        checkpointDigest: String? = nil,
        architecture: (space: SearchSpace, genome: Genome)? = nil,
    ) {
        self.checkpoint = checkpoint
        self.checkpointDigest = checkpointDigest
        self.architecture = architecture
    }
}

package enum Pipeline {
    /// Does what `spec` says, going on from what an earlier try left.
    ///
    /// Loads libtorch and sets its threads: one for each of the context's cores in training; a search uses one thread
    /// for each candidate instead.
    /// - Throws: `RunError`, or what a library threw.
    package static func run(_ spec: JobSpec, _ inputs: RunInputs, _ context: any RunContext) throws
        -> RunResult
    {
        // A check needs no tensor: it loads no libtorch.
        if spec.kind != .datasetCheck {
            try TorchLibrary.setThreads(max(1, context.cores.count))
            try TorchLibrary.flushDenormals()
        }
        switch spec {
        case .pretrain(let config): return try pretrain(config, spec, context)
        case .finetune(let config): return try finetune(config, spec, inputs, context)
        case .search(let config):
            guard let url = inputs.checkpoint, let digest = inputs.checkpointDigest else {
                throw RunError.badCheckpoint("the search was given no checkpoint")
            }
            return try ArchitectureSearch(
                context: context,
                config: config,
                checkpoint: CheckpointFile(url),
                checkpointDigest: digest,
            ).run()
        case .audit(let config):
            guard let url = inputs.checkpoint, let digest = inputs.checkpointDigest else {
                throw RunError.badCheckpoint("the audit was given no checkpoint")
            }
            return try RankingAudit(
                context: context,
                config: config,
                spec: spec.json,
                checkpoint: CheckpointFile(url),
                checkpointDigest: digest,
                given: inputs.architectures,
            ).run()
        case .retrain(let config): return try retrain(config, spec, inputs, context)
        case .predict(let config):
            return try Prediction(config, inputs, context).run()
        case .evaluate(let config):
            return try DetectorEvaluation(config, inputs, context).run()
        case .check(let config):
            return try DatasetExamination(config, context).run()
        }
    }

    private static func pretrain(
        _ config: PretrainConfig,
        _ spec: JobSpec,
        _ context: any RunContext,
    ) throws -> RunResult {
        let space = try config.space.resolved()
        let training = ClassifierTraining(
            context: context,
            plan: NetworkPlan(
                space: space,
                shuffle: config.shuffle,
                sampler: config.sampler.sampler(of: space),
                seed: context.seed,
                device: try Device(parsing: context.device),
            ),
            data: config.data,
            training: config.training,
            image: config.image,
            labelSmoothing: config.labelSmoothing,
            dropout: config.dropout,
            evaluation: config.evaluation,
        )
        let earlier = try context.resumable().map { try CheckpointFile($0) }
        var result = RunResult()
        (result.checkpoint, result.metrics) = try training.run(
            config: spec.json,
            resuming: earlier,
        )
        return result
    }

    private static func finetune(
        _ config: FinetuneConfig,
        _ spec: JobSpec,
        _ inputs: RunInputs,
        _ context: any RunContext,
    ) throws -> RunResult {
        let pretrained = try inputs.checkpoint.map { try CheckpointFile($0) }
        let asked = try config.space?.resolved()
        try pretrained?.check(kinds: ["supernet"], space: asked, shuffle: config.shuffle)
        if let pretrained, pretrained.metadata.pixels != config.image.pixels.json {
            throw RunError.badCheckpoint(
                """
                \(pretrained.url.lastPathComponent) was trained on pixels \
                \(pretrained.metadata.pixels.canonical); asked for is \
                \(config.image.pixels.json.canonical)
                """
            )
        }
        guard let space = pretrained?.metadata.space ?? asked else {
            throw RunError.badCheckpoint("neither a checkpoint nor a space was given")
        }
        let training = DetectorTraining(
            context: context,
            plan: NetworkPlan(
                space: space,
                shuffle: pretrained?.metadata.shuffle ?? config.shuffle ?? 1,
                sampler: config.sampler.sampler(of: space),
                seed: context.seed,
                device: try Device(parsing: context.device),
            ),
            train: config.train,
            validation: config.validation,
            detector: config.detector,
            image: config.image,
            training: config.training,
            evaluation: config.evaluation,
        )
        let earlier = try context.resumable().map { try CheckpointFile($0) }
        var result = RunResult()
        (result.checkpoint, result.metrics) = try training.run(
            config: spec.json,
            pretrained: pretrained,
            resuming: earlier,
        )
        return result
    }

    /// First a classifier, then a detector on its backbone; either may be left out.
    private static func retrain(
        _ config: RetrainConfig,
        _ spec: JobSpec,
        _ inputs: RunInputs,
        _ context: any RunContext,
    ) throws -> RunResult {
        let (space, genome) = try config.architecture.resolved(inputs)
        let plan = NetworkPlan(
            space: space,
            shuffle: config.shuffle,
            only: genome,
            seed: context.seed,
            device: try Device(parsing: context.device),
        )
        let earlier = try context.resumable().map { try CheckpointFile($0) }
        func left(by stage: String) -> CheckpointFile? {
            earlier?.metadata.stage == stage ? earlier : nil
        }
        var result = RunResult()
        result.metrics = left(by: "detection")?.metadata.earlierStages?.object ?? [:]
        var backbone: CheckpointFile?
        if let classification = config.classification, left(by: "detection") == nil {
            let training = ClassifierTraining(
                context: context,
                plan: plan,
                data: classification.data,
                training: classification.training,
                image: classification.image,
                labelSmoothing: classification.labelSmoothing,
                dropout: classification.dropout,
                evaluation: PathEvaluation(),
                stage: "classification",
            )
            let (checkpoint, metrics) = try training.run(
                config: spec.json,
                resuming: left(by: "classification"),
            )
            backbone = try CheckpointFile(checkpoint.url)
            result.checkpoint = checkpoint
            result.metrics["classification"] = .object(metrics)
        }
        if let detection = config.detection {
            let training = DetectorTraining(
                context: context,
                plan: plan,
                train: detection.train,
                validation: detection.validation,
                detector: detection.detector,
                image: detection.image,
                training: detection.training,
                evaluation: PathEvaluation(),
                stage: "detection",
                earlierStages: .object(result.metrics),
            )
            let (checkpoint, metrics) = try training.run(
                config: spec.json,
                pretrained: backbone,
                resuming: left(by: "detection"),
            )
            result.checkpoint = checkpoint
            result.metrics["detection"] = .object(metrics)
        }
        let architecture = try Architecture(space: space, genome: genome)
        result.architectures = [
            [
                "hash": .string(architecture.hash), "genome": .string(genome.description),
                "space": try JSONValue(parsing: JSONEncoder().encode(space)),
                "macs": .int(Int64(architecture.cost.macs)),
                "params": .int(Int64(architecture.cost.params)),
            ]
        ]
        return result
    }
}

extension SpaceChoice {
    func resolved() throws -> SearchSpace {
        guard let space else { throw RunError.badCheckpoint("there is no search space \(self)") }
        return space
    }
}

extension ArchitectureChoice {
    fileprivate func resolved(_ inputs: RunInputs) throws -> (SearchSpace, Genome) {
        switch self {
        case .genome(let text, let choice):
            let space = try choice.resolved()
            return (space, try Genome(parsing: text, in: space))
        case .reference:
            guard let given = inputs.architecture else {
                throw RunError.badCheckpoint("the retraining was given no architecture")
            }
            return given
        }
    }
}
