// Is a search's ranking worth anything? A few of a supernet's paths are trained alone, all in the same way, and the two
// orders are compared, beside what multiply-adds alone would tell and what so few search images can tell at most.

import Configs
import Datasets
import Detectors
import Foundation
import Search
import SearchSpaces
import Torch

struct RankingAudit {
    let context: any RunContext
    let config: AuditConfig
    /// The resolved spec, kept in the checkpoints.
    let spec: JSONValue
    let checkpoint: CheckpointFile
    let checkpointDigest: String
    /// What the spec's references stand for.
    let given: [(space: SearchSpace, genome: Genome)]

    func run() throws -> RunResult {
        try checkpoint.check(kinds: ["detector-supernet"], space: nil, shuffle: nil)
        let tuned = try checkpoint.finetuning
        let classes = checkpoint.metadata.classes
        let genomes = try genomes()
        let train = try DetectionData(context, config.train, for: .training, classes: classes)
        let search = try DetectionData(context, config.search, for: .evaluation, classes: classes)
        try search.requireDisjoint(from: train, ("search", "train"))
        if let test = config.test {
            let test = try DetectionData(context, test, for: .evaluation, classes: classes)
            try test.requireDisjoint(from: train, ("test", "train"))
        }
        var ledger = try AuditLedger(context)
        try score(genomes, train, search, tuned, &ledger)
        let chosen = chosen(of: genomes, ledger)
        guard chosen.count >= 3 else {
            let reasons = ledger.scores.values.compactMap(\.failure).sorted().prefix(3)
            throw RunError.candidatesFailed(
                "\(chosen.count) of \(genomes.count) architectures have a score; at least 3 are "
                    + "needed: \(reasons.joined(separator: "; "))"
            )
        }
        try TorchLibrary.setThreads(max(1, context.cores.count))
        for (index, genome) in chosen.enumerated() where ledger.trained[genome] == nil {
            let row = try trained(genome, index, of: chosen.count, tuned)
            try ledger.keep(row)
            context.emit("audit.trained", self.row(row, ledger))
        }
        return try result(chosen, ledger, images: search.dataset.images.count)
    }

    private var space: SearchSpace { checkpoint.metadata.space }

    /// What is asked for, or a random sample; each once.
    private func genomes() throws -> [Genome] {
        var genomes: [Genome] = []
        switch config.architectures {
        case .genomes(let choice):
            genomes = try choice.genomes.map { text in
                do {
                    return try Genome(parsing: text, in: space)
                } catch {
                    throw RunError.badArchitecture("the architecture \"\(text)\": \(error)")
                }
            }
        case .references: genomes = try givenGenomes()
        case .baseline(let baseline):
            genomes = try givenGenomes()
            for winner in genomes { genomes += try peers(of: winner, baseline) }
        case .spread(let spread):
            var settings = EvolutionSettings()
            settings.population = spread.sample
            settings.generations = 1
            settings.seed = context.seed
            if let limit = config.limit {
                settings.limit = limit.macs
                settings.convention = limit.convention == .a ? .backbone : .classifier
                settings.imageSize = limit.imageSize
            }
            do {
                var sample = try RandomStrategy(space: space, settings: settings)
                genomes = sample.ask().map(\.genome)
            } catch {
                throw RunError.impossibleLimit("\(error)")
            }
        }
        var seen: Set<Genome> = []
        return genomes.filter { seen.insert($0).inserted }
    }

    private func givenGenomes() throws -> [Genome] {
        try given.map { other, genome in
            guard other == space else {
                throw RunError.badArchitecture(
                    "\(genome) is of the space \(other.name); the supernet's is \(space.name)"
                )
            }
            return genome
        }
    }

    /// Random genomes of nearly the cost of `winner`, uniform over these.
    private func peers(of winner: Genome, _ baseline: AuditChoice.Baseline) throws -> [Genome] {
        let side = config.limit?.imageSize ?? 224
        let convention: CostConvention = config.limit?.convention == .b ? .classifier : .backbone
        let table = space.costTable(.macs(convention), height: side, width: side)
        let cost = Double(table.cost(of: winner))
        let most = cost * baseline.tolerance
        var random = CounterRandom(seed: context.seed, stream: "baseline")
        var peers: [Genome] = []
        var known: Set<Genome> = [winner]
        for _ in 0..<(baseline.random * Self.triesPerPeer) where peers.count < baseline.random {
            let genome = table.uniform(using: &random)
            if abs(Double(table.cost(of: genome)) - cost) <= most, known.insert(genome).inserted {
                peers.append(genome)
            }
        }
        guard peers.count == baseline.random else {
            throw RunError.badArchitecture(
                "\(baseline.random * Self.triesPerPeer) random architectures held only \(peers.count) "
                    + "whose cost is within \(baseline.tolerance) of that of \(winner), \(Int(cost)) "
                    + "MACs; \(baseline.random) were asked for"
            )
        }
        return peers
    }

    /// How many uniform genomes are tried for each that is wanted.
    private static let triesPerPeer = 10_000

    /// Scores those that have no score yet, as the search would.
    private func score(
        _ genomes: [Genome],
        _ train: DetectionData,
        _ search: DetectionData,
        _ tuned: FinetuneConfig,
        _ ledger: inout AuditLedger,
    ) throws {
        let waiting = genomes.filter { ledger.scores[$0] == nil }
        let progress = Progress(
            context,
            phase: "scoring",
            unit: "candidates",
            from: genomes.count - waiting.count,
            total: genomes.count,
        )
        guard !waiting.isEmpty else { return }
        let device = try Device(parsing: context.device)
        let plan = NetworkPlan(
            space: space,
            shuffle: checkpoint.metadata.shuffle,
            seed: 0,
            device: device,
        )
        let network = try plan.detector(
            tuned.detector,
            classes: checkpoint.metadata.classes.count,
        )
        try network.parameters.load(from: checkpoint)
        let scorer = try DetectorScorer(
            context,
            network,
            calibration: train,
            validation: search,
            image: tuned.image,
            statistics: config.statistics,
            batch: config.evaluationBatch,
            device: device,
        )
        let whole = try CandidatePool(context).evaluate(waiting) { genome in
            AuditLedger.Scored(genome, scorer, config.objective, seed: context.seed)
        } finished: { scored in
            try ledger.keep(scored)
            progress.advance(to: genomes.count(where: { ledger.scores[$0] != nil }))
        }
        guard whole else { throw RunError.stopped }
    }

    /// All that have a score; of a random sample as many as asked, their scores as evenly spread as they can be.
    private func chosen(of genomes: [Genome], _ ledger: AuditLedger) -> [Genome] {
        let scored = genomes.compactMap { genome in
            ledger.scores[genome]?.value.map { (genome: genome, value: $0) }
        }
        guard case .spread(let spread) = config.architectures, spread.count < scored.count else {
            return scored.map(\.genome)
        }
        let values = scored.map(\.value)
        let (low, high) = (values.min() ?? 0, values.max() ?? 0)
        var left = scored
        return (0..<spread.count).compactMap { step in
            let wanted = low + (high - low) * Double(step) / Double(spread.count - 1)
            let nearest = left.indices.min {
                abs(left[$0].value - wanted) < abs(left[$1].value - wanted)
            }
            return nearest.map { left.remove(at: $0).genome }
        }
    }

    /// Trains one architecture alone, or goes on where an earlier try was cut off.
    private func trained(
        _ genome: Genome,
        _ index: Int,
        of count: Int,
        _ tuned: FinetuneConfig,
    ) throws -> AuditLedger.Trained {
        let stage = "architecture-\(index + 1)-of-\(count)"
        let training = DetectorTraining(
            context: context,
            plan: NetworkPlan(
                space: space,
                shuffle: checkpoint.metadata.shuffle,
                only: genome,
                seed: context.seed,
                device: try Device(parsing: context.device),
            ),
            train: config.train,
            validation: config.test ?? config.search,
            detector: tuned.detector,
            image: tuned.image,
            training: config.training,
            evaluation: PathEvaluation(),
            stage: stage,
        )
        let earlier = try context.resumable().map { try CheckpointFile($0) }
        let own = earlier.flatMap {
            $0.metadata.stage == stage && $0.metadata.genome == genome ? $0 : nil
        }
        do {
            let (_, metrics) = try training.run(config: spec, pretrained: nil, resuming: own)
            return AuditLedger.Trained(
                genome: genome,
                ap: metrics["map"]?.double,
                ap50: metrics["map50"]?.double,
                loss: metrics["paths"]?.array?.first?["loss"]?.double,
                intervals: metrics["interval95"]?.object?.compactMapValues {
                    $0.array?.compactMap(\.double)
                },
            )
        } catch RunError.notFinite(let step, _) {
            return AuditLedger.Trained(
                genome: genome,
                failure: "the loss of step \(step) is not finite",
            )
        }
    }
}

extension RankingAudit {
    /// One architecture: what the search makes of it, and what it is alone.
    private func row(_ trained: AuditLedger.Trained, _ ledger: AuditLedger) -> JSONValue {
        let cost = space.cost(of: trained.genome)
        var row: [String: JSONValue] = [
            "genome": .string(trained.genome.description), "macs": .int(Int64(cost.macs)),
            "params": .int(Int64(cost.params)),
        ]
        let scored = ledger.scores[trained.genome]
        row["score"] = scored?.value.map { .double($0) }
        row["standardError"] = scored?.standardError.map { .double($0) }
        row["map"] = trained.ap.map { .double($0) }
        row["map50"] = trained.ap50.map { .double($0) }
        row["loss"] = trained.loss.map { .double($0) }
        row["interval95"] = trained.intervals.map { intervals in
            .object(intervals.mapValues { .array($0.map { .double($0) }) })
        }
        row["failure"] = trained.failure.map { .string($0) }
        return .object(row)
    }

    private func result(_ chosen: [Genome], _ ledger: AuditLedger, images: Int) throws -> RunResult
    {
        let rows = chosen.compactMap { ledger.trained[$0] }
        let pairs = rows.compactMap { row -> (score: AuditLedger.Scored, alone: Double)? in
            guard let alone = row.value(config.objective), let score = ledger.scores[row.genome]
            else { return nil }
            return (score, alone)
        }
        let alone = pairs.map(\.alone)
        let scores = pairs.compactMap(\.score.value)
        let macs = pairs.map { Double(space.cost(of: $0.score.genome).macs) }
        func told(_ first: [Double]) -> JSONValue {
            let tau = kendallTau(first, alone)
            let interval = kendallTauInterval(
                first,
                alone,
                resamples: config.resamples,
                seed: context.seed,
            )
            return [
                "tau": tau.map { .double($0) } ?? .null,
                "interval95": interval.map { .array([.double($0.low), .double($0.high)]) }
                    ?? .null,
            ]
        }
        // Both halves of the search images, for one way of halving them after the other.
        let halvings = (0..<AuditLedger.halvings).compactMap { halving -> Double? in
            let halves = pairs.compactMap { pair -> [Double]? in
                let both = pair.score.halves[halving].compactMap(\.self)
                return both.count == 2 ? both : nil
            }
            return halves.count == pairs.count
                ? kendallTau(halves.map { $0[0] }, halves.map { $0[1] }) : nil
        }
        var result = RunResult()
        result.metrics = [
            "rows": .array(rows.map { row($0, ledger) }), "search": told(scores),
            "macs": told(macs), "compared": .int(Int64(pairs.count)),
            "searchImages": .int(Int64(images)),
            "splitHalf": [
                "tau": halvings.isEmpty ? .null : .double(halvings.mean),
                "halvings": .int(Int64(halvings.count)),
            ],
        ]
        if case .baseline = config.architectures, let winner = chosen.first {
            result.metrics["baseline"] = comparison(
                winner,
                with: chosen.dropFirst().compactMap { ledger.trained[$0] },
                ledger,
            )
        }
        return result
    }

    /// A winner trained alone beside random architectures of its cost, trained alone in the same way.
    private func comparison(
        _ winner: Genome,
        with random: [AuditLedger.Trained],
        _ ledger: AuditLedger,
    ) -> JSONValue {
        let values = random.compactMap { $0.value(config.objective) }
        guard let won = ledger.trained[winner]?.value(config.objective), values.count >= 2 else {
            return .null
        }
        let t = studentT(degrees: values.count - 1)
        // Of the random ones' mean; and of one more draw less that mean.
        let (mean, difference) = (values.mean, won - values.mean)
        let half = t * values.standardError
        let reach = t * values.deviation * (1 + 1 / Double(values.count)).squareRoot()
        return [
            "winner": .double(won),
            "random": [
                "count": .int(Int64(values.count)), "mean": .double(mean),
                "sd": .double(values.deviation),
                "interval95": [.double(mean - half), .double(mean + half)],
            ],
            "difference": .double(difference),
            // Holds 0 where a random architecture is as good often enough.
            "interval95": [.double(difference - reach), .double(difference + reach)],
            "beaten": .int(Int64(values.count { $0 < won })),
        ]
    }
}
