// What one path of a detector is worth: batch-norm statistics of its own, then loss and COCO figures.

import Annotations
import Configs
import Datasets
import Detectors
import Evaluation
import Foundation
import NN
import SearchSpaces
import Synchronization
import Torch

/// Scores paths of one detector on one list of images. Everything in it is shared and only read, so several
/// threads may score at once; a path's result depends on nothing but the path.
///
/// Sendable: no member is written after `init`.
final class DetectorScorer: @unchecked Sendable {
    struct Result {
        var genome: Genome
        /// Of each image alone, in the order of the scorer.
        var losses: [Double]
        /// The mean of `losses`.
        var loss: Double { losses.reduce(0, +) / Double(max(losses.count, 1)) }
        var metrics: CocoMetrics
        var matches: CocoMatches
        var detections: [Detection]

        /// 95 % bootstrap intervals over the images.
        func intervals(seed: UInt64) -> JSONValue {
            var intervals: [String: JSONValue] = [:]
            for (name, figure) in [("map", CocoFigure.ap), ("map50", .ap50)] {
                guard let interval = matches.bootstrap(figure, resamples: 1000, seed: seed) else {
                    continue
                }
                intervals[name] = .array([.double(interval.low), .double(interval.high)])
            }
            return .object(intervals)
        }
    }

    private let network: Detector
    private let device: Device
    private let statistics: Statistics
    /// Where paths go on from what earlier ones left.
    private let runs: BackboneRuns?
    var prefixes: PrefixCache? { runs?.cache }
    private let batches: EvaluationBatches
    private let evaluator: CocoEvaluator
    private let vocEvaluator: VocEvaluator?
    private let categoryIDs: [Int64]

    /// Where a path's statistics come from, with what that needs.
    fileprivate enum Statistics {
        case exact([EvaluationBatches.Batch])
        case ema(TrainingBatches<DetectionSource>, StatisticsChoice.Average)
        case batch
        case inherited
    }

    /// - Parameters:
    ///   - batch: images that are evaluated together, and pooled together for exact statistics; with statistics of
    ///     the batch these say how many.
    ///   - cacheBytes: memory for what paths with the same first letters have in common.
    ///   - maxBroken: the share of either list's images, 0...1, that may be unreadable.
    init(
        _ context: any RunContext,
        _ network: Detector,
        calibration: DetectionData,
        validation: DetectionData,
        image: DetectionImage,
        statistics: StatisticsChoice,
        batch: Int,
        device: Device,
        cacheBytes: Int = 0,
        maxBroken: Double = 0.05,
    ) throws {
        self.network = network
        self.device = device
        self.categoryIDs = validation.set.categoryIDs
        evaluator = CocoEvaluator(groundTruth: validation.dataset)
        vocEvaluator = validation.isVoc ? VocEvaluator(groundTruth: validation.dataset) : nil
        var together = batch
        if case .batch(let batch) = statistics { together = batch.size }
        batches = try EvaluationBatches(
            context,
            validation.set,
            image,
            batch: together,
            device: device,
            maxBroken: maxBroken,
        )
        switch statistics {
        case .exact(let exact):
            self.statistics = .exact(
                try EvaluationBatches(
                    context,
                    calibration.sample(exact.images, seed: context.seed),
                    image,
                    batch: batch,
                    device: device,
                    maxBroken: maxBroken,
                    of: calibration.set.items.count,
                ).batches
            )
        case .ema(let average):
            let source = DetectionSource(
                calibration.set,
                transform: DetectionTransform(image),
                batch: average.batch,
                reading: .training(seed: context.seed),
                cacheBytes: 512 << 20,
            )
            self.statistics = .ema(
                TrainingBatches(context, source, maxBroken: maxBroken),
                average,
            )
        case .batch: self.statistics = .batch
        case .inherited: self.statistics = .inherited
        }
        runs = self.statistics.runs(network.backbone, batches, limit: cacheBytes)
    }

    /// The images in the order of a result's losses.
    var imageIDs: [Int64] { batches.batches.flatMap { $0.targets.map(\.imageID) } }

    /// How many images a score is made on.
    var imageCount: Int { batches.batches.reduce(0) { $0 + $1.targets.count } }

    /// VOC's average precision of what was found; nil where the images are not VOC's.
    func voc(_ result: Result) -> VocMetrics? { vocEvaluator?.metrics(result.detections) }

    /// - Throws: `TorchError` when the path cannot be run.
    func score(_ genome: Genome) throws -> Result {
        try withoutGradients {
            let run = try runs?.run(genome)
            let mode = try mode(genome, run)
            var losses: [Double] = []
            var detections: [Detection] = []
            for (index, batch) in batches.batches.enumerated() {
                let stages =
                    try run?.validation.map { $0[index] }
                    ?? network.backbone([batch.images], genome, mode).map { $0[0] }
                let (batchLosses, found) = try network.evaluate(
                    stages: stages,
                    batch.targets.map(\.objects),
                    sizes: batch.targets.map(\.sides),
                    mode,
                )
                losses += batchLosses
                for (target, boxes) in zip(batch.targets, found) {
                    detections += boxes.map { box in
                        Detection(
                            imageID: target.imageID,
                            categoryID: categoryIDs[box.label],
                            box: target.original(
                                SIMD4(box.box[0], box.box[1], box.box[2], box.box[3])
                            ),
                            score: Double(box.score),
                        )
                    }
                }
            }
            let matches = evaluator.match(detections)
            return Result(
                genome: genome,
                losses: losses,
                metrics: matches.metrics(),
                matches: matches,
                detections: detections,
            )
        }
    }
}

extension DetectorScorer {
    /// How a path is evaluated: with statistics of its own, or with the batch's.
    private func mode(_ genome: Genome, _ run: BackboneRuns.Run?) throws -> Mode {
        switch statistics {
        case .exact(let batches):
            let sizes = batches.map { $0.targets.map(\.sides) }
            guard let run else {
                return .evaluation(
                    try network.recalibrate(batches.map(\.images), sizes: sizes, genome)
                )
            }
            try network.recalibrate(
                stages: run.calibration,
                sizes: sizes,
                into: run.statistics,
            )
            return .evaluation(run.statistics)
        case .ema(let batches, let average):
            let statistics = NormStatistics()
            try batches.forEach(average.batches) { batch, seed in
                try network.average(
                    statistics,
                    momentum: average.momentum,
                    over: .images(
                        batch.pixels,
                        count: batch.count,
                        height: batch.height,
                        width: batch.width,
                        device,
                    ),
                    batch.images.map(\.objects),
                    sizes: batch.images.map(\.sides),
                    genome,
                    seed: seed,
                )
            }
            return .evaluation(statistics)
        case .batch: return .batch
        case .inherited: return .evaluation(nil)
        }
    }
}

extension DetectorScorer.Statistics {
    /// Nil for averages: their thousands of batches are not kept.
    fileprivate func runs(_ backbone: Supernet, _ batches: EvaluationBatches, limit: Int)
        -> BackboneRuns?
    {
        // The noise of a spoilt operation is drawn for each call.
        guard backbone.crippled == nil else { return nil }
        func runs(_ calibration: [Tensor], _ mode: @escaping (NormStatistics) -> Mode)
            -> BackboneRuns?
        {
            BackboneRuns(
                backbone,
                calibration: calibration,
                validation: batches.batches.map(\.images),
                limit: limit,
                mode: mode,
            )
        }
        switch self {
        case .exact(let calibration):
            return runs(calibration.map(\.images)) { .evaluation($0) }
        case .batch: return runs([]) { _ in .batch }
        case .inherited: return runs([]) { _ in .evaluation(nil) }
        case .ema: return nil
        }
    }
}

/// Training batches as a training of the same seed would read them, augmented; read anew for each path, as thousands of
/// images find no room.
///
/// Sendable: `warned` has its own lock, and nothing else is written after `init`.
final class TrainingBatches<Source: BatchSource>: @unchecked Sendable {
    private let context: any RunContext
    private let source: Source
    private let maxBroken: Double
    private let warned = Mutex<Set<String>>([])

    init(_ context: any RunContext, _ source: Source, maxBroken: Double) {
        self.context = context
        self.source = source
        self.maxBroken = maxBroken
    }

    /// Calls `body` with each of the first `count` batches and a seed of its own.
    func forEach(_ count: Int, _ body: (Source.Batch, UInt64) throws -> Void) throws {
        // On the caller's thread, which is bound to a core of its own.
        let loader = BatchLoader(source, threads: 0, maxBroken: maxBroken) { [self] in
            let file = $0.file
            if warned.withLock({ $0.insert(file).inserted }) { context.warnOfBroken($0) }
        }
        for step in 0..<count {
            guard let batch = try loader.nextBatch() else { return }
            var random = CounterRandom(seed: context.seed, stream: "sampling", UInt64(step))
            try body(batch, random.next())
        }
    }
}

extension DetectionData {
    /// A seeded choice of `count` of the set's images, in their order.
    func sample(_ count: Int, seed: UInt64) throws -> DetectionSet {
        do {
            return try DetectionSet(
                dataset: choice(of: count, seed: seed, stream: "recalibration"),
                imageRoot: set.imageRoot,
                purpose: .training,
            )
        } catch {
            throw RunError.badData("\(error)")
        }
    }
}
