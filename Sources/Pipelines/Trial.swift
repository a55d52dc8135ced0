// What a run will take: it is begun on its real data, stopped after a few steps or candidates, and what these took is
// multiplied by how many there are. Nothing is left of it.

package import Configs
import Datasets
import Detectors
package import Foundation
import SearchSpaces
import Torch

/// The trial of one job, in a process that does nothing else.
package struct Trial {
    private let inputs: RunInputs
    private let seed: UInt64
    private let cores: [Int]
    private let device: String
    private let datasetRoots: [URL]
    private let folder: URL
    private let seconds: Double
    private let bind: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - folder: for what the run writes; whoever gives it removes it.
    ///   - seconds: how long each part is measured, after its first unit of work.
    ///   - bind: binds the calling thread to a core.
    package init(
        _ inputs: RunInputs,
        seed: UInt64,
        cores: [Int],
        device: String,
        datasetRoots: [URL],
        folder: URL,
        seconds: Double = 5,
        bind: @escaping @Sendable (Int) -> Void = { _ in },
    ) {
        self.inputs = inputs
        self.seed = seed
        self.cores = cores
        self.device = device
        self.datasetRoots = datasetRoots
        self.folder = folder
        self.seconds = seconds
        self.bind = bind
    }

    /// What `spec` will take.
    ///
    /// - Returns: `parts`, each with its unit of work and what one takes; `seconds` of all together; `checkpointBytes`
    ///   and `diskBytes`, where there are checkpoints; `parameters` and `macs` of the network.
    /// - Throws: `RunError`, as the run itself would.
    package func run(_ spec: JobSpec) throws -> [String: JSONValue] {
        var report: [String: JSONValue] = [:]
        var parts: [JSONValue] = []
        var (total, disk) = (0.0, 0)
        for part in try self.parts(of: spec) {
            let measured = try measure(part)
            let count = part.total ?? measured.total
            var seconds = measured.perUnit * Double(count) + measured.start
            let evaluation = try evaluation(part.spec, perStep: measured.perUnit)
            seconds += evaluation ?? 0
            var row: [String: JSONValue] = [
                "name": .string(part.name), "unit": .string(measured.unit),
                "total": .int(Int64(count)), "measured": .int(Int64(measured.count)),
                "secondsPerUnit": .double(measured.perUnit), "seconds": .double(seconds),
            ]
            row["evaluationSeconds"] = evaluation.map { .double($0) }
            parts.append(.object(row))
            total += seconds
            if let training = part.training, let bytes = try measured.checkpoint.map(size) {
                let policy = training.checkpoint
                let kept =
                    1 + (policy.everySteps > 0 ? (training.steps - 1) / policy.everySteps : 0)
                    + (policy.everySeconds > 0 ? Int(seconds) / policy.everySeconds : 0)
                disk += kept * bytes * part.repetitions
                report["checkpointBytes"] = .int(Int64(bytes))
            }
            let made = part.training == nil ? nil : measured.checkpoint
            let network = try network(part.spec, made)
            report.merge(network ?? [:]) { $1 }
        }
        report["parts"] = .array(parts)
        report["seconds"] = .double(total)
        report["diskBytes"] = .int(Int64(disk))
        return report
    }
}

extension Trial {
    /// A run of its own, of which a few units are enough.
    private struct Part {
        var name: String
        var spec: JobSpec
        var inputs: RunInputs
        /// Units in the whole job; nil: those that the run itself tells of.
        var total: Int?
        var training: TrainingConfig?
        /// How often the job does this.
        var repetitions = 1
    }

    private func parts(of spec: JobSpec) throws -> [Part] {
        switch spec {
        case .pretrain(let config):
            return [part("training", spec, config.training)]
        case .finetune(let config):
            return [part("training", spec, config.training)]
        case .retrain(let config):
            var parts: [Part] = []
            if let classification = config.classification {
                var alone = config
                alone.detection = nil
                parts.append(part("classification", .retrain(alone), classification.training))
            }
            if let detection = config.detection {
                var alone = config
                alone.classification = nil
                parts.append(part("detection", .retrain(alone), detection.training))
            }
            return parts
        case .search(var config):
            // With the cache candidates end many at a time.
            config.cacheMegabytes = 0
            let total = config.population * config.generations
            return [
                Part(name: "searching", spec: .search(config), inputs: inputs, total: total)
            ]
        case .audit(let config):
            let (scored, trained) = config.architectures.counts
            let scoring = Part(name: "scoring", spec: spec, inputs: inputs, total: scored)
            guard let checkpoint = try inputs.checkpoint.map({ try CheckpointFile($0) }) else {
                return [scoring]
            }
            let tuned = try checkpoint.finetuning
            var detection = RetrainConfig.Detection(train: config.train, training: config.training)
            detection.detector = tuned.detector
            detection.image = tuned.image
            var alone = RetrainConfig(architecture: .reference(.id("arch_0000000000000000")))
            alone.detection = detection
            var training = part(
                "detection",
                .retrain(alone),
                config.training,
                repetitions: trained,
            )
            // Any of its architectures will do.
            let space = checkpoint.metadata.space
            training.inputs = RunInputs(architecture: (space, space.costTable().cheapest))
            return [scoring, training]
        case .predict, .evaluate:
            return [Part(name: "detecting", spec: spec, inputs: inputs)]
        case .check:
            // `JobKind.hasTrial` keeps it away.
            return []
        }
    }

    private func part(
        _ name: String,
        _ spec: JobSpec,
        _ training: TrainingConfig,
        repetitions: Int = 1,
    ) -> Part {
        Part(
            name: name,
            spec: spec,
            inputs: inputs,
            total: training.steps * repetitions,
            training: training,
            repetitions: repetitions,
        )
    }

    private struct Measured {
        var unit: String
        var total: Int
        var count: Int
        var perUnit: Double
        /// Before the first unit.
        var start: Double
        var checkpoint: URL?
    }

    private func measure(_ part: Part) throws -> Measured {
        let clock = TrialClock(seconds: seconds)
        let run = try context(part.name, clock)
        do {
            _ = try Pipeline.run(part.spec, part.inputs, run)
        } catch RunError.stopped {}
        guard let found = clock.figures else {
            throw RunError.badData("\(part.name): the trial did not get to its first unit of work")
        }
        return Measured(
            unit: found.unit,
            total: found.total,
            count: found.count,
            perUnit: found.perUnit,
            start: found.start,
            checkpoint: try run.resumable(),
        )
    }

    /// The process around a part, whose files lie in a folder of its own.
    private func context(_ name: String, _ clock: TrialClock) throws -> FolderRun {
        try FolderRun(
            folder: folder.appending(path: name),
            seed: seed,
            cores: cores,
            device: device,
            datasetRoots: datasetRoots,
            progressInterval: .zero,
            shouldStop: { clock.hasSeenEnough },
            bind: bind,
            report: { type, data in clock.note(type, data) },
        )
    }

    private func size(of file: URL) throws -> Int {
        try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
    }
}

extension Trial {
    /// What the measuring of sampled paths adds, by arithmetic: a forward pass is a third of a training step.
    private func evaluation(_ spec: JobSpec, perStep: Double) throws -> Double? {
        func seconds(
            _ evaluation: PathEvaluation?,
            _ training: TrainingConfig,
            images: Int,
        ) -> Double {
            let times = evaluation.map {
                $0.everySteps > 0 ? (training.steps - 1) / $0.everySteps + 1 : 1
            }
            let seen = (evaluation?.recalibrationImages ?? 0) + images
            let batches = (Double(seen) / Double(training.batch)).rounded(.up)
            return Double((times ?? 1) * (evaluation?.paths ?? 1)) * batches * perStep / 3
        }
        func images(_ data: Configs.DetectionData) throws -> Int {
            let context = try context("lists", TrialClock(seconds: 0))
            return try DetectionData(context, data, for: .evaluation).set.items.count
        }
        switch spec {
        case .pretrain(let config):
            guard config.data.val != nil else { return nil }
            return seconds(config.evaluation, config.training, images: config.evaluation.images)
        case .finetune(let config):
            return try config.validation.map {
                seconds(config.evaluation, config.training, images: try images($0))
            }
        case .retrain(let config):
            guard let detection = config.detection, let data = detection.validation else {
                return nil
            }
            return seconds(nil, detection.training, images: try images(data))
        case .search, .audit, .predict, .evaluate, .check:
            return nil
        }
    }

    /// Parameters and multiply-adds of what is trained, or of what is used.
    private func network(_ spec: JobSpec, _ made: URL?) throws -> [String: JSONValue]? {
        guard let url = made ?? inputs.checkpoint else { return nil }
        let metadata = try CheckpointFile(url).metadata
        let plan = NetworkPlan(
            space: metadata.space,
            shuffle: metadata.shuffle,
            only: metadata.genome,
            seed: 0,
            device: .cpu,
        )
        var (height, width, heads): (Int, Int, Int?)
        let parameters: Int
        if metadata.detector != nil {
            let (config, image) = try metadata.recipe(url.lastPathComponent)
            let network = try plan.detector(config, classes: metadata.classes.count)
            func padded(_ side: Int) -> Int { (side + 31) / 32 * 32 }
            (height, width) = (padded(image.shortSide), padded(image.longSide))
            heads = network.headMacs(height: height, width: width)
            parameters = network.trainedParameters
        } else {
            let network = try plan.classifier(classes: metadata.classes.count, dropout: 0)
            let side = spec.classifierSide ?? 224
            (height, width, heads) = (side, side, nil)
            parameters = network.parameters.reduce(0) {
                $0 + ($1.role == .buffer ? 0 : $1.value.count)
            }
        }
        let table = metadata.space.costTable(
            .macs(heads == nil ? .classifier : .backbone),
            height: height,
            width: width,
            classes: metadata.classes.count,
        )
        func whole(_ backbone: Double) -> JSONValue { .double(backbone + Double(heads ?? 0)) }
        var macs: [String: JSONValue] = [
            "height": .int(Int64(height)), "width": .int(Int64(width)),
            "counted": .string(
                heads == nil ? "the whole classifier" : "backbone, pyramid and heads, as evaluated"
            ),
        ]
        if let genome = metadata.genome {
            macs["architecture"] = whole(Double(table.cost(of: genome)))
        } else {
            macs["cheapest"] = whole(Double(table.minimum))
            macs["mean"] = whole(table.mean)
            macs["dearest"] = whole(Double(table.maximum))
        }
        return ["parameters": .int(Int64(parameters)), "macs": .object(macs)]
    }
}

extension JobSpec {
    /// The side of a classifier's images.
    fileprivate var classifierSide: Int? {
        switch self {
        case .pretrain(let config): config.image.size
        case .retrain(let config): config.classification?.image.size
        default: nil
        }
    }
}

extension AuditChoice {
    /// How many architectures are scored, and how many of them are trained.
    fileprivate var counts: (scored: Int, trained: Int) {
        switch self {
        case .spread(let spread): (spread.sample, min(spread.count, spread.sample))
        case .genomes(let choice): (choice.genomes.count, choice.genomes.count)
        case .references(let choice): (choice.ids.count, choice.ids.count)
        case .baseline(let baseline): (baseline.random + 1, baseline.random + 1)
        }
    }
}
