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
    private let statistics: Statistics
    private let batches: EvaluationBatches
    private let evaluator: CocoEvaluator
    private let vocEvaluator: VocEvaluator?
    private let categoryIDs: [Int64]

    /// Where a path's statistics come from, with what that needs.
    private enum Statistics {
        case exact([EvaluationBatches.Batch])
        case ema(TrainingBatches, StatisticsChoice.Average)
        case batch
        case inherited
    }

    /// - Parameters:
    ///   - batch: images that are evaluated together, and pooled together for exact statistics; with statistics of
    ///     the batch these say how many.
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
        maxBroken: Double = 0.05,
    ) throws {
        self.network = network
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
            let batches = TrainingBatches(
                context,
                calibration.set,
                image,
                batch: average.batch,
                device: device,
                maxBroken: maxBroken,
            )
            self.statistics = .ema(batches, average)
        case .batch: self.statistics = .batch
        case .inherited: self.statistics = .inherited
        }
    }

    /// How many images a score is made on.
    var imageCount: Int { batches.batches.reduce(0) { $0 + $1.targets.count } }

    /// VOC's average precision of what was found; nil where the images are not VOC's.
    func voc(_ result: Result) -> VocMetrics? { vocEvaluator?.metrics(result.detections) }

    /// - Throws: `TorchError` when the path cannot be run.
    func score(_ genome: Genome) throws -> Result {
        try withoutGradients {
            let mode = try mode(genome)
            var losses: [Double] = []
            var detections: [Detection] = []
            for batch in batches.batches {
                let (batchLosses, found) = try network.evaluate(
                    batch.images,
                    batch.targets.map(\.objects),
                    sizes: batch.targets.map(\.sides),
                    genome,
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
    private func mode(_ genome: Genome) throws -> Mode {
        switch statistics {
        case .exact(let batches):
            return .evaluation(
                try network.recalibrate(
                    batches.map(\.images),
                    sizes: batches.map { $0.targets.map(\.sides) },
                    genome,
                )
            )
        case .ema(let batches, let average):
            let statistics = NormStatistics()
            try batches.forEach(average.batches) { batch, seed in
                try network.average(
                    statistics,
                    momentum: average.momentum,
                    over: batch.images,
                    batch.targets.map(\.objects),
                    sizes: batch.targets.map(\.sides),
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

/// Training batches as a training of the same seed would read them, augmented; read anew for each path, as thousands of
/// images find no room.
///
/// Sendable: `warned` has its own lock, and nothing else is written after `init`.
private final class TrainingBatches: @unchecked Sendable {
    private let context: any RunContext
    private let source: DetectionSource
    private let device: Device
    private let maxBroken: Double
    private let warned = Mutex<Set<String>>([])

    init(
        _ context: any RunContext,
        _ set: DetectionSet,
        _ image: DetectionImage,
        batch: Int,
        device: Device,
        maxBroken: Double,
    ) {
        self.context = context
        self.device = device
        self.maxBroken = maxBroken
        source = DetectionSource(
            set,
            transform: DetectionTransform(image),
            batch: batch,
            reading: .training(seed: context.seed),
            cacheBytes: 512 << 20,
        )
    }

    /// Calls `body` with each of the first `count` batches and a seed of its own.
    func forEach(
        _ count: Int,
        _ body: (EvaluationBatches.Batch, UInt64) throws -> Void,
    ) throws {
        // On the caller's thread, which is bound to a core of its own.
        let loader = BatchLoader(source, threads: 0, maxBroken: maxBroken) { [self] in
            let file = $0.file
            if warned.withLock({ $0.insert(file).inserted }) { context.warnOfBroken($0) }
        }
        for step in 0..<count {
            guard let next = try loader.nextBatch() else { return }
            let batch = EvaluationBatches.Batch(
                images: try .images(
                    next.pixels,
                    count: next.count,
                    height: next.height,
                    width: next.width,
                    device,
                ),
                targets: next.images,
            )
            var random = CounterRandom(seed: context.seed, stream: "sampling", UInt64(step))
            try body(batch, random.next())
        }
    }
}

extension DetectionData {
    /// A seeded choice of `count` of the set's images, in their order.
    func sample(_ count: Int, seed: UInt64) throws -> DetectionSet {
        var random = CounterRandom(seed: seed, stream: "recalibration")
        let ids = set.items.map(\.imageID)
        let chosen = Set(random.permutation(ids.count).prefix(count).map { ids[$0] })
        do {
            return try DetectionSet(
                dataset: dataset.keeping { chosen.contains($0.id) },
                imageRoot: set.imageRoot,
                purpose: .training,
            )
        } catch {
            throw RunError.badData("\(error)")
        }
    }
}
