// Steps 1 and 4 of DetNAS: a supernet, or one architecture, trained as a classifier.

import Configs
import Datasets
import Detectors
import Foundation
import NN
import SearchSpaces
import Torch

/// Trains a classifier; with a supernet each step takes one uniform path.
struct ClassifierTraining {
    let context: any RunContext
    let plan: NetworkPlan
    let data: ClassificationData
    let training: TrainingConfig
    let image: ClassificationImage
    let labelSmoothing: Double
    let dropout: Double
    let evaluation: PathEvaluation
    var stage: String?

    /// - Parameters:
    ///   - config: the resolved spec, kept in the checkpoints.
    ///   - resuming: an earlier try's checkpoint of this very stage.
    /// - Returns: the final checkpoint and the figures of the last evaluation.
    func run(config: JSONValue, resuming file: CheckpointFile?) throws -> (
        checkpoint: StoredCheckpoint, metrics: [String: JSONValue]
    ) {
        let sets = try ClassificationSets(context, data)
        let classes = sets.train.classes
        let network = try plan.classifier(
            classes: classes.count,
            dropout: dropout,
            training,
        )
        let checkpoints = Checkpoints(
            parameters: network.parameters,
            metadata: CheckpointMetadata(
                kind: plan.only == nil ? "supernet" : "subnet",
                space: plan.space,
                shuffle: plan.shuffle,
                classes: classes,
                pixels: image.pixels.json,
                config: config,
                dataDigest: sets.digest,
                genome: plan.only,
                stage: stage,
            ),
        )
        let loop = try TrainingLoop(context, training, stage: stage, checkpoints)
        let source = ClassificationSource(
            sets.train,
            transform: ClassificationTransform(image),
            batch: training.batch,
            reading: .training(seed: context.seed),
            cacheBytes: 512 << 20,
        )
        let loader = BatchLoader(
            source,
            from: file?.step ?? 0,
            threads: training.loaderThreads,
            maxBroken: training.maxBadImages,
        ) { context.warnOfBroken($0) }
        defer { loader.close() }

        try loop.run(resuming: file) { step in
            guard let batch = try loader.nextBatch() else {
                throw RunError.badData("no image of \(data.dataset)/\(data.train) could be read")
            }
            let images = try Tensor.images(
                batch.pixels,
                count: batch.count,
                height: batch.height,
                width: batch.width,
                plan.device,
            )
            let labels = try Tensor(batch.labels, shape: [batch.count], device: plan.device)
            return TrainingLoop.Step(
                passes: plan.paths(step).enumerated().map { pass, path in
                    {
                        let logits = try network(
                            [images],
                            path,
                            .training,
                            dropoutSeed: dropoutSeed(step, pass),
                        )[0]
                        return TrainingLoop.Pass(
                            loss: try logits.crossEntropy(
                                labels: labels,
                                smoothing: labelSmoothing,
                            )
                        )
                    }
                },
                images: batch.names,
            )
        } afterStep: { done in
            if evaluation.everySteps > 0, done % evaluation.everySteps == 0, done < training.steps {
                _ = try loop.measured(nil) { try evaluate(network, sets, step: done) }
            }
        }
        return try loop.finish(resumed: file) {
            try evaluate(network, sets, step: training.steps)
        }
    }

    private func dropoutSeed(_ step: Int, _ pass: Int) -> UInt64 {
        var random = CounterRandom(
            seed: context.seed,
            stream: "dropout",
            UInt64(step),
            UInt64(pass),
        )
        return random.next()
    }

    /// Top-1 and top-5 of sampled paths, each with its own exact batch-norm statistics.
    private func evaluate(_ network: Classifier, _ sets: ClassificationSets, step: Int) throws
        -> [String: JSONValue]
    {
        guard let val = sets.val, evaluation.paths > 0 else { return [:] }
        // A network that was trained alone has the statistics that it was trained with.
        let calibration = try batches(
            sets.train,
            limit: plan.only == nil ? evaluation.recalibrationImages : 0,
        ).map(\.0)
        let validation = try batches(val, limit: evaluation.images)
        let progress = Progress(
            context,
            phase: "evaluating",
            unit: "paths",
            total: evaluation.paths,
            stage: stage,
        )
        var rows: [(top1: Double, top5: Double)] = []
        for index in 0..<(plan.only == nil ? evaluation.paths : 1) {
            let genome =
                plan.only
                ?? PathSampler.uniform(
                    space: plan.space,
                    seed: context.seed ^ 0xe7a1,
                    step: index,
                )
            rows.append(try score(network, genome, calibration, validation))
            progress.advance(to: index + 1)
        }
        let top1 = rows.map(\.top1).reduce(0, +) / Double(rows.count)
        let top5 = rows.map(\.top5).reduce(0, +) / Double(rows.count)
        var data: [String: JSONValue] = [
            "step": .int(Int64(step)), "top1": .double(top1), "top5": .double(top5),
            "paths": .int(Int64(rows.count)),
            "images": .int(Int64(validation.reduce(0) { $0 + $1.1.count })),
        ]
        if let stage { data["stage"] = .string(stage) }
        context.emit("evaluation", .object(data))
        return data
    }

    private func score(
        _ network: Classifier,
        _ genome: Genome,
        _ calibration: [Tensor],
        _ validation: [(Tensor, [Int64])],
    ) throws -> (top1: Double, top5: Double) {
        try withoutGradients {
            var mode = Mode.evaluation(nil)
            if !calibration.isEmpty {
                let statistics = NormStatistics()
                _ = try network(calibration, genome, .calibration(statistics))
                mode = .evaluation(statistics)
            }
            var right = (one: 0, five: 0, all: 0)
            for (images, labels) in validation {
                let logits = try network([images], genome, mode)[0]
                let best = min(5, logits.shape[1])
                let ranked = try logits.topk(best).indices.integers()
                for (row, label) in labels.enumerated() {
                    let guesses = ranked[row * best..<(row + 1) * best]
                    right.one += guesses.first == label ? 1 : 0
                    right.five += guesses.contains(label) ? 1 : 0
                    right.all += 1
                }
            }
            let all = Double(max(right.all, 1))
            return (Double(right.one) / all, Double(right.five) / all)
        }
    }

    private func batches(_ folder: ImageFolder, limit: Int) throws -> [(Tensor, [Int64])] {
        guard limit > 0 else { return [] }
        let source = ClassificationSource(
            folder,
            transform: ClassificationTransform(image),
            batch: training.batch,
            reading: .evaluation,
            limit: limit,
        )
        let loader = BatchLoader(source, maxBroken: training.maxBadImages, of: folder.count) {
            context.warnOfBroken($0)
        }
        defer { loader.close() }
        var batches: [(Tensor, [Int64])] = []
        while let batch = try loader.nextBatch() {
            batches.append(
                (
                    try .images(
                        batch.pixels,
                        count: batch.count,
                        height: batch.height,
                        width: batch.width,
                        plan.device,
                    ), batch.labels,
                )
            )
        }
        return batches
    }
}

extension BatchLoader {
    /// `next()`, with its error as a run's.
    func nextBatch() throws -> Source.Batch? {
        do {
            return try next()
        } catch {
            throw RunError.badData("\(error)")
        }
    }
}
