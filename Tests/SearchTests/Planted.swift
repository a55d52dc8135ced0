// A score whose best genome is known, and the loop that drives a strategy with it.

import Search
import SearchSpaces
import Testing

/// The share of positions that hold the planted letter, plus noise that is fixed for each genome.
struct Planted {
    let optimum: Genome
    /// Standard deviation of the noise, in positions.
    let noise: Double
    let seed: UInt64

    static let scale = Score.Scale(fidelity: "planted", images: "none", checkpoint: "none")

    func score(_ genome: Genome) -> Score {
        let hits = zip(genome.letters, optimum.letters).count { $0 == $1 }
        var random = CounterRandom(
            seed: seed,
            stream: "noise",
            CounterRandom.key(genome.description),
        )
        let value = Double(hits) + noise * random.normal()
        return Score(value: value / Double(optimum.letters.count), scale: Planted.scale)
    }
}

enum Spaces {
    static let mini = SearchSpace.named["detnas-mini"] ?? tiny
    static let small = SearchSpace.named["detnas-300m"] ?? tiny

    /// Four blocks with two choices: sixteen networks.
    static let tiny = SearchSpace(
        name: "tiny",
        stem: 8,
        stages: [16, 24, 32, 40].map { SearchSpace.Stage(width: $0, blocks: 1) },
        operations: [.shuffle3x3, .shuffle5x5],
    )
}

extension Strategy {
    /// Scores everything until the search ends; `evaluate` may throw, which becomes a failure.
    /// Returns the generations as they were asked.
    @discardableResult
    mutating func run(_ evaluate: (Candidate) throws -> Score) throws -> [[Candidate]] {
        var generations: [[Candidate]] = []
        while true {
            let asked = try ask()
            if asked.isEmpty { return generations }
            generations.append(asked)
            // Candidates finish in any order.
            for candidate in asked.reversed() where !candidate.isFinished {
                do {
                    try tell([candidate.scored(evaluate(candidate))])
                } catch let error as EvaluationError {
                    try tell([candidate.failed(error.reason)])
                }
            }
        }
    }
}

struct EvaluationError: Error {
    let reason: String
}
