// Step 3 of DetNAS: paths of a detector supernet are proposed, measured and remembered.

import Configs
import Datasets
import Detectors
import Evaluation
import Foundation
import Search
import SearchSpaces
import Torch

struct ArchitectureSearch {
    let context: any RunContext
    let config: SearchConfig
    let checkpoint: CheckpointFile
    let checkpointDigest: String
    /// See `Supernet.crippled`.
    var crippled: (operation: SearchSpaces.Operation, deviation: Double)?

    func run() throws -> RunResult {
        try checkpoint.check(kinds: ["detector-supernet"], space: nil, shuffle: nil)
        var strategy = try strategy()
        let classes = checkpoint.metadata.classes
        let train = try DetectionData(context, config.train, for: .training, classes: classes)
        let search = try DetectionData(context, config.search, for: .evaluation, classes: classes)
        try search.requireDisjoint(from: train, ("search", "train"))
        let scorer = try scorer(train, search)
        let scale = Score.Scale(
            fidelity: "supernet-\(config.objective.rawValue)/\(config.statistics.name)",
            images: search.digest,
            checkpoint: checkpointDigest,
        )

        for candidate in strategy.archive.candidates {
            try context.journal(Archive.line(candidate))
        }
        // An earlier try may have ended between the journal and the event.
        if let last = strategy.archive.candidates.last {
            context.emit("candidate.evaluated", last.event)
        }
        let total = config.population * config.generations
        let progress = Progress(
            context,
            phase: "searching",
            unit: "candidates",
            from: strategy.archive.count,
            total: total,
        )
        progress.advance(to: strategy.archive.count)
        let pool = CandidatePool(context)
        while true {
            let asked = try strategy.ask()
            guard let generation = asked.first?.generation else { break }
            let waiting = asked.filter { !$0.isFinished }
            let whole = try pool.evaluate(waiting) { candidate in
                measured(candidate, scorer, scale)
            } finished: { candidate in
                try strategy.tell([candidate])
                try context.journal(Archive.line(candidate))
                context.emit("candidate.evaluated", candidate.event)
                progress.advance(to: strategy.archive.count)
            }
            guard whole else { throw RunError.stopped }
            report(generation, strategy.archive)
        }
        progress.advance(to: total)
        return try result(strategy.archive, scorer)
    }

    /// The strategy with what earlier tries evaluated; an impossible limit is refused here, before any work.
    private func strategy() throws -> any Strategy {
        var settings = EvolutionSettings()
        settings.population = config.population
        settings.generations = config.generations
        settings.parents = config.parents
        settings.mutation = config.mutation
        settings.crossover = config.crossover
        settings.mutationProbability = config.mutationProbability
        settings.seed = context.seed
        if let limit = config.limit {
            settings.limit = limit.macs
            settings.convention = limit.convention == .a ? .backbone : .classifier
            settings.imageSize = limit.imageSize
        }
        let space = checkpoint.metadata.space
        do {
            return try strategy(space, settings, earlier())
        } catch let error as SearchError {
            guard case .impossibleLimit = error else { throw error }
            throw RunError.impossibleLimit("\(error)")
        }
    }

    /// What earlier tries evaluated, up to the first line that cannot be read; what follows is evaluated again.
    private func earlier() throws -> Archive {
        let lines = try context.earlierCandidates()
        func read(_ count: Int) throws(ArchiveError) -> Archive {
            try Archive.read(journal: lines.prefix(count).reduce(into: Data()) { $0 += $1 + [10] })
                .archive
        }
        do {
            return try read(lines.count)
        } catch ArchiveError.line(let number, let reason) {
            context.warn(
                "damaged_journal",
                "candidates from line \(number) of \(lines.count) on are evaluated again: \(reason)",
            )
            return try read(number - 1)
        }
    }

    private func strategy(
        _ space: SearchSpace,
        _ settings: EvolutionSettings,
        _ earlier: Archive,
    ) throws -> any Strategy {
        switch config.strategy {
        case .evolution:
            try EvolutionStrategy(space: space, settings: settings, replaying: earlier)
        case .random:
            try RandomStrategy(space: space, settings: settings, replaying: earlier)
        }
    }

    private func scorer(_ train: DetectionData, _ search: DetectionData) throws -> DetectorScorer {
        let metadata = checkpoint.metadata
        guard
            case .success(.finetune(let tuned)) = JobSpec.resolve(
                kind: .detectorFinetune,
                metadata.config,
            )
        else {
            throw RunError.badCheckpoint(
                "\(checkpoint.url.lastPathComponent): its config is not a fine-tuning's"
            )
        }
        guard metadata.classes == search.set.classNames else {
            throw RunError.badCheckpoint(
                """
                \(checkpoint.url.lastPathComponent) was trained for the classes \
                \(metadata.classes.joined(separator: ", ")); the search images have \
                \(search.set.classNames.joined(separator: ", "))
                """
            )
        }
        let device = try Device(parsing: context.device)
        let plan = NetworkPlan(
            space: metadata.space,
            shuffle: metadata.shuffle,
            seed: 0,
            device: device,
        )
        var network = try plan.detector(tuned.detector, classes: metadata.classes.count)
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
        )
    }

    private func measured(_ candidate: Candidate, _ scorer: DetectorScorer, _ scale: Score.Scale)
        -> Candidate
    {
        do {
            let result = try scorer.score(candidate.genome)
            let value =
                switch config.objective {
                case .ap: result.metrics.ap
                case .ap50: result.metrics.ap50
                case .loss: -result.loss
                }
            guard value.isFinite, result.loss.isFinite else {
                return candidate.failed("its loss or score is not finite")
            }
            return candidate.scored(
                Score(
                    value: value,
                    ap: result.metrics.ap,
                    ap50: result.metrics.ap50,
                    loss: result.loss,
                    standardError: standardError(of: result),
                    scale: scale,
                )
            )
        } catch {
            return candidate.failed("\(error)")
        }
    }

    /// Of the average precision that is ranked, over the images; a loss has none yet.
    private func standardError(of result: DetectorScorer.Result) -> Double? {
        let figure: CocoFigure
        switch config.objective {
        case .ap: figure = .ap
        case .ap50: figure = .ap50
        case .loss: return nil
        }
        return result.matches.bootstrap(figure, resamples: 50, seed: context.seed)?.standardError
    }

    private func report(_ generation: Int, _ archive: Archive) {
        let scores = archive.candidates.filter { $0.generation == generation }
            .compactMap(\.score)
        let best = archive.ranked().first?.score
        let aps = scores.compactMap(\.ap)
        context.emit(
            "generation.finished",
            [
                "generation": .int(Int64(generation)), "evaluated": .int(Int64(archive.count)),
                "best": .double(best?.ap ?? 0), "bestMap50": .double(best?.ap50 ?? 0),
                "mean": .double(aps.reduce(0, +) / Double(max(aps.count, 1))),
            ],
        )
    }

    /// The best architectures with intervals over the images, and what random paths of the same limit reach.
    private func result(_ archive: Archive, _ scorer: DetectorScorer) throws -> RunResult {
        var result = RunResult()
        let convention: CostConvention =
            config.limit?.convention == .b ? .classifier : .backbone
        let best = archive.top(config.top, by: convention)
        guard !best.isEmpty else {
            let reasons = archive.failures.compactMap(\.failure).prefix(3).joined(separator: "; ")
            throw RunError.badCheckpoint("no candidate could be evaluated: \(reasons)")
        }
        try TorchLibrary.setThreads(1)
        var top: [JSONValue] = []
        for candidate in best {
            let again = try scorer.score(candidate.genome)
            let architecture = try Architecture(
                space: checkpoint.metadata.space,
                genome: candidate.genome,
            )
            let named: [String: JSONValue] = [
                "hash": .string(architecture.hash),
                "genome": .string(candidate.genome.description),
                "macs": .int(Int64(candidate.cost.macs)),
                "params": .int(Int64(candidate.cost.params)),
            ]
            var found = named
            found["space"] = try JSONValue(parsing: JSONEncoder().encode(architecture.space))
            found["score"] = .double(candidate.score?.value ?? 0)
            result.architectures.append(.object(found))
            var measured = named
            measured["map"] = .double(again.metrics.ap)
            measured["map50"] = .double(again.metrics.ap50)
            measured["loss"] = .double(again.loss)
            measured["interval95"] = again.intervals(seed: context.seed)
            top.append(.object(measured))
        }
        // Generation 0 is uniform under the limit in either strategy; a random search is nothing else.
        let random = archive.candidates.filter {
            $0.origin == .random && (config.strategy == .random || $0.generation == 0)
        }.compactMap(\.score)
        result.metrics = [
            "evaluated": .int(Int64(archive.count)),
            "failed": .int(Int64(archive.failures.count)),
            "images": .int(Int64(scorer.imageCount)), "top": .array(top),
            "randomPaths": [
                "count": .int(Int64(random.count)),
                "map": Spread(random.compactMap(\.ap)).json,
                "map50": Spread(random.compactMap(\.ap50)).json,
            ],
        ]
        return result
    }
}

/// Mean, standard deviation, and the normal 95 % interval of the mean.
private struct Spread {
    var json: JSONValue

    init(_ values: [Double]) {
        let count = Double(max(values.count, 1))
        let mean = values.reduce(0, +) / count
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let deviation = (squares / max(count - 1, 1)).squareRoot()
        let half = 1.96 * deviation / count.squareRoot()
        json = [
            "mean": .double(mean), "sd": .double(deviation),
            "interval95": .array([.double(mean - half), .double(mean + half)]),
        ]
    }
}

extension Candidate {
    fileprivate var event: JSONValue {
        var data: [String: JSONValue] = [
            "index": .int(Int64(index)), "generation": .int(Int64(generation)),
            "genome": .string(genome.description), "macs": .int(Int64(cost.macs)),
            "params": .int(Int64(cost.params)),
        ]
        data["map"] = score?.ap.map { .double($0) }
        data["map50"] = score?.ap50.map { .double($0) }
        data["loss"] = score?.loss.map { .double($0) }
        data["standardError"] = score?.standardError.map { .double($0) }
        data["failure"] = failure.map { .string($0) }
        return .object(data)
    }
}
