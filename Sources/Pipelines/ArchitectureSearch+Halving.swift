// The lower rungs of a search: which candidates of a generation are worth all images.

import Configs
import Search

/// Scores paths on some of the search images.
struct Rung {
    var images: Int
    var scorer: any PathScorer
}

extension ArchitectureSearch {
    /// Those of a generation that go on to all images, in their order.
    ///
    /// All of `asked` are looked at, also those that an earlier try finished: who is halted depends on all.
    ///
    /// - Parameter finished: called with each that waited and is halted, or cannot be scored.
    /// - Throws: `RunError.stopped` where that was asked for.
    func survivors(
        of asked: [Candidate],
        _ rungs: [Rung],
        _ pool: CandidatePool,
        finished: (Candidate) throws -> Void,
    ) throws -> [Candidate] {
        var left = asked
        guard let rule = config.halving.map(Halving.init) else { return left }
        for rung in rungs {
            var seen: [(candidate: Candidate, losses: [Double])] = []
            let whole = try pool.evaluate(
                left,
                inOrderOf: rung.scorer.prefixes.map { _ in { $0.genome.letters } },
            ) { candidate -> (Candidate, Result<[Double], PathFault>) in
                do {
                    let figures = try rung.scorer.figures(
                        of: candidate.genome,
                        .loss,
                        seed: context.seed,
                    )
                    return figures.loss.isFinite
                        ? (candidate, .success(figures.losses))
                        : (candidate, .failure(PathFault("its loss or score is not finite")))
                } catch {
                    return (candidate, .failure(PathFault("\(error)")))
                }
            } finished: { candidate, outcome in
                switch outcome {
                case .success(let losses): seen.append((candidate, losses))
                case .failure(let fault):
                    if !candidate.isFinished { try finished(candidate.failed(fault.reason)) }
                }
            }
            guard whole else { throw RunError.stopped }
            left = []
            for (row, verdict) in zip(seen, rule.verdicts(seen.map(\.losses))) {
                guard let verdict else {
                    left.append(row.candidate)
                    continue
                }
                if !row.candidate.isFinished { try finished(row.candidate.halted(verdict)) }
            }
        }
        return left
    }

    /// How many candidates each rung halted, and what share of all candidates' images was scored at all.
    func halvings(_ archive: Archive, images: Int) -> JSONValue {
        guard let rule = config.halving.map(Halving.init) else { return .null }
        var left = archive.count
        var scored = 0
        let rungs = rule.rungs(of: images).map { rung -> JSONValue in
            let halted = archive.candidates.count { $0.halted?.images == rung }
            scored += left * rung
            defer { left -= halted }
            return [
                "images": .int(Int64(rung)), "candidates": .int(Int64(left)),
                "halted": .int(Int64(halted)),
            ]
        }
        scored += left * images
        return [
            "rungs": .array(rungs), "whole": .int(Int64(left)),
            "imagesScored": .double(Double(scored) / Double(max(archive.count * images, 1))),
        ]
    }
}

/// Why a path has no losses.
private struct PathFault: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

extension Halving {
    init(_ config: HalvingConfig) {
        self.init(images: config.images, factor: config.factor, z: config.z)
    }
}
