// What one path of a detector is worth: exact batch-norm statistics, then loss and COCO figures.

import Annotations
import Configs
import Datasets
import Detectors
import Evaluation
import Foundation
import NN
import SearchSpaces
import Torch

/// Scores paths of one detector on one list of images. Everything in it is shared and only read, so several
/// threads may score at once; a path's result depends on nothing but the path.
///
/// Sendable: no member is written after `init`.
final class DetectorScorer: @unchecked Sendable {
    struct Result {
        var genome: Genome
        /// The mean of the batches' losses, each weighted by its images.
        var loss: Double
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
    private let calibration: [EvaluationBatches.Batch]
    private let batches: EvaluationBatches
    private let evaluator: CocoEvaluator
    private let vocEvaluator: VocEvaluator?
    private let categoryIDs: [Int64]

    /// - Parameters:
    ///   - recalibrationImages: how many training images set the statistics: a seeded choice, without
    ///     augmentation; 0 keeps the network's own running statistics.
    ///   - maxBroken: the share of either list's images, 0...1, that may be unreadable.
    init(
        _ context: any RunContext,
        _ network: Detector,
        calibration: DetectionData,
        validation: DetectionData,
        image: DetectionImage,
        recalibrationImages: Int,
        batch: Int,
        device: Device,
        maxBroken: Double = 0.05,
    ) throws {
        self.network = network
        self.categoryIDs = validation.set.categoryIDs
        evaluator = CocoEvaluator(groundTruth: validation.dataset)
        vocEvaluator = validation.isVoc ? VocEvaluator(groundTruth: validation.dataset) : nil
        batches = try EvaluationBatches(
            context,
            validation.set,
            image,
            batch: batch,
            device: device,
            maxBroken: maxBroken,
        )
        let chosen = try calibration.sample(recalibrationImages, seed: context.seed)
        self.calibration =
            try chosen.map {
                try EvaluationBatches(
                    context,
                    $0,
                    image,
                    batch: batch,
                    device: device,
                    maxBroken: maxBroken,
                    of: calibration.set.items.count,
                ).batches
            } ?? []
    }

    /// Digest-like name of the images that a score is made on, with their number.
    var imageCount: Int { batches.batches.reduce(0) { $0 + $1.targets.count } }

    /// VOC's average precision of what was found; nil where the images are not VOC's.
    func voc(_ result: Result) -> VocMetrics? { vocEvaluator?.metrics(result.detections) }

    /// - Throws: `TorchError` when the path cannot be run.
    func score(_ genome: Genome) throws -> Result {
        try withoutGradients {
            let statistics =
                calibration.isEmpty
                ? nil
                : try network.recalibrate(
                    calibration.map(\.images),
                    sizes: calibration.map { $0.targets.map(\.sides) },
                    genome,
                )
            var loss = 0.0
            var detections: [Detection] = []
            for batch in batches.batches {
                let (batchLoss, found) = try network.evaluate(
                    batch.images,
                    batch.targets.map(\.objects),
                    sizes: batch.targets.map(\.sides),
                    genome,
                    .evaluation(statistics),
                )
                loss += batchLoss * Double(batch.targets.count)
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
                loss: loss / Double(max(imageCount, 1)),
                metrics: matches.metrics(),
                matches: matches,
                detections: detections,
            )
        }
    }
}

extension DetectionData {
    /// A seeded choice of `count` of the set's images, in their order; nil for none.
    func sample(_ count: Int, seed: UInt64) throws -> DetectionSet? {
        guard count > 0 else { return nil }
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
