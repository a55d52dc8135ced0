// Steps 2 and 5 of DetNAS: a supernet, or one architecture, trained as a detector.

import Annotations
import Configs
import Datasets
import Detectors
import Evaluation
import Foundation
import NN
import SearchSpaces
import Torch

struct DetectorTraining {
    let context: any RunContext
    let plan: NetworkPlan
    let train: Configs.DetectionData
    let validation: Configs.DetectionData?
    let detector: DetectorConfig
    let image: DetectionImage
    let training: TrainingConfig
    let evaluation: PathEvaluation
    var stage: String?
    /// What the stages before this one measured, by stage.
    var earlierStages: JSONValue?
    /// See `Supernet.crippled`.
    var crippled: (operation: SearchSpaces.Operation, deviation: Double)?

    /// - Parameters:
    ///   - config: the resolved spec, kept in the checkpoints.
    ///   - pretrained: where the backbone's first weights come from; nil: from scratch.
    ///   - resuming: an earlier try's checkpoint of this very stage.
    func run(config: JSONValue, pretrained: CheckpointFile?, resuming file: CheckpointFile?) throws
        -> (checkpoint: StoredCheckpoint, metrics: [String: JSONValue])
    {
        let trainData = try DetectionData(context, train, for: .training)
        let validationData = try validation.map {
            try DetectionData(
                context,
                $0,
                for: .evaluation,
                classes: trainData.set.classNames,
            )
        }
        try validationData?.requireClasses(of: trainData, ("validation", "train"))
        try validationData?.requireDisjoint(from: trainData, ("validation", "train"))
        let classes = trainData.set.classNames
        var network = try plan.detector(detector, classes: classes.count, training)
        if let pretrained, file == nil {
            try network.backbone.parameters.load(from: pretrained)
        }
        let checkpoints = Checkpoints(
            parameters: network.parameters,
            metadata: CheckpointMetadata(
                kind: plan.only == nil ? "detector-supernet" : "detector",
                space: plan.space,
                shuffle: plan.shuffle,
                classes: classes,
                pixels: image.pixels.json,
                config: config,
                dataDigest: trainData.digest,
                genome: plan.only,
                detector: detector.json,
                stage: stage,
                earlierStages: earlierStages,
            ),
        )
        let loop = try TrainingLoop(context, training, stage: stage, checkpoints)
        let source = DetectionSource(
            trainData.set,
            transform: DetectionTransform(image),
            batch: training.batch,
            reading: .training(seed: context.seed),
            byAspect: image.groupByAspect,
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
                throw RunError.badData("no image of \(train.dataset) could be read")
            }
            let images = try Tensor.images(
                batch.pixels,
                count: batch.count,
                height: batch.height,
                width: batch.width,
                plan.device,
            )
            if let crippled {
                network.backbone.crippled = (
                    crippled.operation, crippled.deviation, UInt64(step) &* 0x1_0001,
                )
            }
            return TrainingLoop.Step(
                passes: plan.paths(step).enumerated().map { pass, path in
                    {
                        let loss = try network.loss(
                            images,
                            batch.images.map(\.objects),
                            sizes: batch.images.map(\.sides),
                            path,
                            .training,
                            seed: samplingSeed(step, pass),
                        )
                        return TrainingLoop.Pass(loss: loss.total, terms: loss.terms)
                    }
                },
                images: batch.images.map(\.fileName),
            )
        } afterStep: { done in
            if evaluation.everySteps > 0, done % evaluation.everySteps == 0, done < training.steps {
                _ = try loop.measured(nil) {
                    try evaluate(network, trainData, validationData, step: done)
                }
            }
        }
        return try loop.finish(resumed: file) {
            try evaluate(network, trainData, validationData, step: training.steps)
        }
    }

    private func samplingSeed(_ step: Int, _ pass: Int) -> UInt64 {
        var random = CounterRandom(
            seed: context.seed,
            stream: "sampling",
            UInt64(step),
            UInt64(pass),
        )
        return random.next()
    }

    /// The 12 COCO figures of the network, or their means over sampled paths, on the validation images;
    /// where these are VOC's, its average precision too.
    private func evaluate(
        _ network: Detector,
        _ train: DetectionData,
        _ validation: DetectionData?,
        step: Int,
    ) throws -> [String: JSONValue] {
        guard let validation, evaluation.paths > 0 else { return [:] }
        let scorer = try DetectorScorer(
            context,
            network,
            calibration: train,
            validation: validation,
            image: image,
            // A network that was trained alone has the statistics that it was trained with.
            statistics: plan.only == nil
                ? .exact(.init(images: evaluation.recalibrationImages)) : .inherited,
            batch: training.batch,
            device: plan.device,
            maxBroken: training.maxBadImages,
        )
        let count = plan.only == nil ? evaluation.paths : 1
        let progress = Progress(
            context,
            phase: "evaluating",
            unit: "paths",
            total: count,
            stage: stage,
        )
        var scored: [DetectorScorer.Result] = []
        for index in 0..<count {
            let genome =
                plan.only
                ?? PathSampler.uniform(space: plan.space, seed: context.seed ^ 0xe7a1, step: index)
            scored.append(try scorer.score(genome))
            progress.advance(to: index + 1)
        }
        var data = Self.summary(scored, step: step, images: validation.dataset.images.count)
        if plan.only != nil, let only = scored.first {
            data["interval95"] = only.intervals(seed: context.seed)
        }
        data["voc"] = VocMetrics.averaged(scored.compactMap(scorer.voc))?.json
        if let stage { data["stage"] = .string(stage) }
        context.emit("evaluation", .object(data))
        return data
    }

    private static func summary(_ scored: [DetectorScorer.Result], step: Int, images: Int)
        -> [String: JSONValue]
    {
        func mean(_ value: (CocoMetrics) -> Double) -> Double {
            scored.map { value($0.metrics) }.reduce(0, +) / Double(max(scored.count, 1))
        }
        let stats = Dictionary(
            uniqueKeysWithValues: CocoFigure.allCases.map { metric in
                (metric.rawValue, JSONValue.double(mean { $0[metric] }))
            }
        )
        return [
            "step": .int(Int64(step)), "map": .double(mean { $0[.ap] }),
            "map50": .double(mean { $0[.ap50] }), "map75": .double(mean { $0[.ap75] }),
            "stats": .object(stats), "images": .int(Int64(images)),
            "paths": .array(
                scored.map {
                    [
                        "genome": .string($0.genome.description), "map": .double($0.metrics[.ap]),
                        "map50": .double($0.metrics[.ap50]), "loss": .double($0.loss),
                    ]
                }
            ),
        ]
    }
}

extension VocMetrics {
    var json: JSONValue {
        [
            "map11": .double(map11), "map": .double(map),
            "perClass": .array(
                categories.map {
                    [
                        "class": .string($0.name), "objects": .int(Int64($0.objects)),
                        "ap11": .double($0.ap11), "ap": .double($0.ap),
                    ]
                }
            ),
        ]
    }
}
