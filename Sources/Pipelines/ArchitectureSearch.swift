// Step 3 of DetNAS: paths of a supernet are proposed, measured and remembered.

import Configs
import Detectors
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
        let kind = config.objective.isClassification ? "supernet" : "detector-supernet"
        try checkpoint.check(kinds: [kind], space: nil, shuffle: nil)
        var strategy = try strategy()
        let (scorer, rungs, images) = try scorers()
        let scale = Score.Scale(
            fidelity: "supernet-\(config.objective.rawValue)/\(config.statistics.name)",
            images: images,
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
            let asked = try strategy.ask(seeds: joining)
            guard let generation = asked.first?.generation else { break }
            func keep(_ candidate: Candidate) throws {
                try strategy.tell([candidate])
                try context.journal(Archive.line(candidate))
                context.emit("candidate.evaluated", candidate.event)
                progress.advance(to: strategy.archive.count)
            }
            let waiting = try survivors(of: asked, rungs, pool, finished: keep)
                .filter { !$0.isFinished }
            let whole = try pool.evaluate(
                waiting,
                inOrderOf: scorer.prefixes.map { _ in { $0.genome.letters } },
            ) {
                measured($0, scorer, scale)
            } finished: {
                try keep($0)
            }
            guard whole else { throw RunError.stopped }
            report(generation, strategy.archive, scorer)
            reportFront(generation, strategy.archive)
            try checkFailures(strategy.archive)
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
        settings.seeds = try config.seeds.map { text in
            do {
                return try Genome(parsing: text, in: space)
            } catch {
                throw RunError.badArchitecture("the seed \"\(text)\": \(error)")
            }
        }
        settings.laterSeeds = try context.joined().mapValues { $0.compactMap(genome) }
        do {
            return try strategy(space, settings, earlier())
        } catch let error as SearchError {
            switch error {
            case .impossibleLimit: throw RunError.impossibleLimit("\(error)")
            case .seedOverLimit, .setting: throw RunError.badArchitecture("\(error)")
            default: throw error
            }
        }
    }

    /// The architectures that were handed in since the last generation.
    private func joining(_ generation: Int) throws -> [Genome] {
        let genomes = try context.join(generation, most: config.population).compactMap(genome)
        if !genomes.isEmpty {
            context.emit(
                "candidates.joined",
                [
                    "generation": .int(Int64(generation)),
                    "genomes": .array(genomes.map { .string($0.description) }),
                ],
            )
        }
        return genomes
    }

    private func genome(_ text: String) -> Genome? {
        try? Genome(parsing: text, in: checkpoint.metadata.space)
    }

    /// What earlier tries evaluated within the generations that the search has by now.
    private func earlier() throws -> Archive {
        let all = try journaled()
        var archive = Archive()
        for candidate in all.candidates where candidate.generation < config.generations {
            try archive.append(candidate)
        }
        return archive
    }

    /// What earlier tries evaluated, up to the first line that cannot be read; what follows is evaluated again.
    private func journaled() throws -> Archive {
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

    private func measured(
        _ candidate: Candidate,
        _ scorer: any PathScorer,
        _ scale: Score.Scale,
    ) -> Candidate {
        do {
            let figures = try scorer.figures(
                of: candidate.genome,
                config.objective,
                seed: context.seed,
            )
            guard figures.value.isFinite, figures.loss.isFinite else {
                return candidate.failed("its loss or score is not finite")
            }
            return candidate.scored(
                Score(
                    value: figures.value,
                    ap: figures.ap,
                    ap50: figures.ap50,
                    top1: figures.top1,
                    top5: figures.top5,
                    loss: figures.loss,
                    standardError: figures.standardError,
                    scale: scale,
                )
            )
        } catch {
            return candidate.failed("\(error)")
        }
    }

    /// Fails when more candidates have failed than may.
    private func checkFailures(_ archive: Archive) throws {
        let failures = archive.failures
        guard Double(failures.count) > config.maxFailed * Double(archive.count) else { return }
        let reasons = Dictionary(grouping: failures, by: { $0.failure ?? "" })
            .mapValues(\.count).sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        throw RunError.candidatesFailed(
            "\(failures.count) of \(archive.count) candidates could not be scored; allowed is a share "
                + "of \(config.maxFailed): "
                + reasons.prefix(3).map { "\($0.value) times \"\($0.key)\"" }.joined(
                    separator: "; "
                )
        )
    }
}
