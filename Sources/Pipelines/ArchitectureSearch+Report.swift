// What a search tells: each candidate, each generation, and in the end the best of all.

import Configs
import Foundation
import Search
import SearchSpaces
import Torch

extension ArchitectureSearch {
    func report(_ generation: Int, _ archive: Archive, _ scorer: any PathScorer) {
        let scores = archive.candidates.filter { $0.generation == generation }
            .compactMap(\.score)
        let best = archive.ranked().first?.score
        var data: [String: JSONValue] = [
            "generation": .int(Int64(generation)), "evaluated": .int(Int64(archive.count)),
        ]
        if config.objective.isClassification {
            data["best"] = .double(best?.top1 ?? 0)
            data["bestTop5"] = .double(best?.top5 ?? 0)
            data["mean"] = .double(scores.compactMap(\.top1).mean)
        } else {
            data["best"] = .double(best?.ap ?? 0)
            data["bestMap50"] = .double(best?.ap50 ?? 0)
            data["mean"] = .double(scores.compactMap(\.ap).mean)
        }
        if let (asked, saved) = scorer.prefixes?.evaluations {
            // Of this attempt alone: what was met by chance on another core is not in it.
            data["savedBlocks"] = .double(Double(saved) / Double(max(asked, 1)))
        }
        context.emit("generation.finished", .object(data))
    }

    /// Tells of the candidates that no other one beats in both cost and score, when this generation changed them.
    func reportFront(_ generation: Int, _ archive: Archive) {
        func front(before limit: Int) -> [Candidate] {
            archive.front { $0.generation < limit }
        }
        let now = front(before: generation + 1)
        guard now.map(\.genome) != front(before: generation).map(\.genome) else { return }
        context.emit(
            "pareto.changed",
            [
                "generation": .int(Int64(generation)),
                "front": .array(
                    now.map { candidate in
                        [
                            "genome": .string(candidate.genome.description),
                            "macs": .int(Int64(candidate.cost.macs)),
                            "score": .double(candidate.score?.value ?? 0),
                        ]
                    }
                ),
            ],
        )
    }

    /// The best architectures with intervals over the images, and what random paths of the same limit reach.
    func result(_ archive: Archive, _ scorer: any PathScorer) throws -> RunResult {
        var result = RunResult()
        let convention: CostConvention =
            config.limit?.convention == .b ? .classifier : .backbone
        let best = archive.top(config.top, by: convention)
        guard !best.isEmpty else {
            let reasons = archive.failures.compactMap(\.failure).prefix(3).joined(separator: "; ")
            throw RunError.candidatesFailed("no candidate could be evaluated: \(reasons)")
        }
        try TorchLibrary.setThreads(1)
        var top: [JSONValue] = []
        for candidate in best {
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
            let report = try scorer.report(of: candidate.genome, seed: context.seed)
            top.append(.object(named.merging(report) { $1 }))
        }
        result.metrics = [
            "evaluated": .int(Int64(archive.count)),
            "failed": .int(Int64(archive.failures.count)),
            "images": .int(Int64(scorer.imageCount)), "top": .array(top),
            "randomPaths": randomPaths(archive),
        ]
        if config.halving != nil {
            result.metrics["halving"] = halvings(archive, images: scorer.imageCount)
        }
        if scorer.prefixes != nil { result.metrics["sharedBlocks"] = sharedBlocks(archive) }
        return result
    }

    private func randomPaths(_ archive: Archive) -> JSONValue {
        // Generation 0 is uniform under the limit in either strategy; a random search is nothing else.
        let random = archive.candidates.filter {
            $0.origin == .random && (config.strategy == .random || $0.generation == 0)
        }.compactMap(\.score)
        var data: [String: JSONValue] = ["count": .int(Int64(random.count))]
        if config.objective.isClassification {
            data["top1"] = spread(random.compactMap(\.top1))
            data["top5"] = spread(random.compactMap(\.top5))
        } else {
            data["map"] = spread(random.compactMap(\.ap))
            data["map50"] = spread(random.compactMap(\.ap50))
        }
        return .object(data)
    }

    /// Mean, standard deviation, and the normal 95 % interval of the mean.
    private func spread(_ values: [Double]) -> JSONValue {
        let half = 1.96 * values.standardError
        return [
            "mean": .double(values.mean), "sd": .double(values.deviation),
            "interval95": .array([.double(values.mean - half), .double(values.mean + half)]),
        ]
    }

    /// The share of the candidates' blocks that an earlier candidate had after the same letters: what the prefix cache
    /// saves with room for all of them and on one core.
    private func sharedBlocks(_ archive: Archive) -> JSONValue {
        let words = archive.candidates.map(\.genome.letters)
        // The last letter's block is never looked for.
        let distinct = Set(words.flatMap { word in word.indices.map { word[..<$0] } }).count
        let asked = words.reduce(0) { $0 + $1.count }
        // The empty beginning is the stem; each word has a last block of its own.
        let computed = distinct - min(1, words.count) + words.count
        return .double(1 - Double(computed) / Double(max(asked, 1)))
    }
}

extension Candidate {
    var event: JSONValue {
        var data: [String: JSONValue] = [
            "index": .int(Int64(index)), "generation": .int(Int64(generation)),
            "genome": .string(genome.description), "macs": .int(Int64(cost.macs)),
            "params": .int(Int64(cost.params)), "origin": .string(origin.name),
        ]
        data["map"] = score?.ap.map { .double($0) }
        data["map50"] = score?.ap50.map { .double($0) }
        data["top1"] = score?.top1.map { .double($0) }
        data["top5"] = score?.top5.map { .double($0) }
        data["loss"] = score?.loss.map { .double($0) }
        data["standardError"] = score?.standardError.map { .double($0) }
        data["failure"] = failure.map { .string($0) }
        data["halted"] = halted.map {
            [
                "images": .int(Int64($0.images)), "loss": .double($0.loss),
                "worseBy": .double($0.worseBy), "standardError": .double($0.standardError),
            ]
        }
        return .object(data)
    }
}

extension Origin {
    fileprivate var name: String {
        switch self {
        case .random: "random"
        case .seed: "seed"
        case .mutation: "mutation"
        case .crossover: "crossover"
        }
    }
}
