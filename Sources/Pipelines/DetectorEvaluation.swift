// How good a detector is: COCO's figures with their intervals, and VOC's average precision of VOC's images.

import Annotations
import Configs
import Datasets
import Evaluation
import Foundation
import SearchSpaces
import Torch

struct DetectorEvaluation {
    private let context: any RunContext
    private let config: EvaluateConfig
    private let choice: DetectorChoice

    init(_ config: EvaluateConfig, _ inputs: RunInputs, _ context: any RunContext) throws {
        self.config = config
        self.context = context
        choice = DetectorChoice(
            checkpoint: try inputs.checkpointFile(),
            path: try .init(config.architecture, inputs),
            train: try config.train.map(context.lists),
            recalibrationImages: config.recalibrationImages,
            batch: config.batch,
            maxBroken: config.maxBadImages,
        )
    }

    /// Leaves `detections.json`.
    func run() throws -> RunResult {
        let detector = try TrainedDetector(context, choice)
        let data = try DetectionData(
            context,
            config.list,
            for: .evaluation,
            classes: detector.classes,
        )
        try detector.requireClasses(of: data.set)
        if let train = detector.train { try data.requireDisjoint(from: train, ("list", "train")) }
        var detections: [Detection] = []
        var seen = 0
        try detector.detect(in: data.set) { findings in
            seen += findings.count
            for finding in findings {
                detections += finding.boxes.map {
                    Detection($0, in: finding.target, categoryIDs: data.set.categoryIDs)
                }
            }
        }
        var result = RunResult()
        result.files = [
            try context.keep("detections.json") { try Detection.write(detections, to: $0) }
        ]
        let matches = CocoEvaluator(groundTruth: data.dataset).match(detections)
        let metrics = matches.metrics()
        result.metrics = [
            "genome": .string(detector.genome.description),
            "macs": .int(Int64(detector.space.cost(of: detector.genome).macs)),
            "images": .int(Int64(data.set.items.count)),
            "skipped": .int(Int64(data.set.items.count - seen)),
            "detections": .int(Int64(detections.count)), "map": .double(metrics.ap),
            "map50": .double(metrics.ap50), "map75": .double(metrics.ap75),
            "stats": .object(metrics.stats.mapValues { .double($0) }),
            "intervals95": .object(try intervals(matches)),
            "perClass": .array(
                metrics.categories.map {
                    [
                        "class": .string($0.name), "objects": .int(Int64($0.objects)),
                        "map": .double($0.ap), "map50": .double($0.ap50), "map75": .double($0.ap75),
                    ]
                }
            ),
        ]
        if data.isVoc {
            result.metrics["voc"] = VocEvaluator(groundTruth: data.dataset).metrics(detections).json
        }
        context.emit("evaluation", .object(result.metrics))
        return result
    }

    /// Where each figure would lie with other images of the same kind; none for a figure that no image has.
    private func intervals(_ matches: CocoMatches) throws -> [String: JSONValue] {
        guard config.resamples > 0 else { return [:] }
        var intervals: [String: JSONValue] = [:]
        let figures = CocoFigure.allCases
        let progress = Progress(
            context,
            phase: "resampling",
            unit: "figures",
            total: figures.count,
        )
        for (index, figure) in figures.enumerated() {
            guard !context.stopRequested else { throw RunError.stopped }
            let interval = matches.bootstrap(
                figure,
                resamples: config.resamples,
                seed: context.seed,
            )
            if let interval {
                intervals[figure.rawValue] = [.double(interval.low), .double(interval.high)]
            }
            progress.advance(to: index + 1)
        }
        return intervals
    }
}
