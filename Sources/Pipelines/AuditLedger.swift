// What an audit has found out so far, a line each: a try that was cut off is gone on with by reading them back.

import Configs
import Evaluation
import Foundation
import SearchSpaces

struct AuditLedger {
    /// In how many ways the search images are halved.
    static let halvings = 20

    /// What the search makes of an architecture.
    struct Scored: Codable {
        var genome: Genome
        /// Higher is better; nil where there is none.
        var value: Double?
        var standardError: Double?
        /// For each halving the value on either half, where that has objects to be found.
        var halves: [[Double?]] = []
        var failure: String?
    }

    /// What an architecture is alone.
    struct Trained: Codable {
        var genome: Genome
        var ap: Double?
        var ap50: Double?
        var loss: Double?
        /// Of `ap` and `ap50` over the images, 95 %, where they were drawn anew.
        var intervals: [String: [Double]]?
        var failure: String?

        /// Higher is better.
        func value(_ objective: SearchConfig.Objective) -> Double? {
            switch objective {
            case .ap: ap
            case .ap50: ap50
            case .loss: loss.map { -$0 }
            case .top1: nil
            }
        }
    }

    private struct Line: Codable {
        var scored: Scored?
        var trained: Trained?
    }

    private(set) var scores: [Genome: Scored] = [:]
    private(set) var trained: [Genome: Trained] = [:]
    private let context: any RunContext

    /// With what earlier tries left, up to the first line that cannot be read.
    init(_ context: any RunContext) throws {
        self.context = context
        let lines = try context.earlierCandidates()
        for (index, data) in lines.enumerated() {
            guard let line = try? JSONDecoder().decode(Line.self, from: data) else {
                context.warn(
                    "damaged_journal",
                    "what stands from line \(index + 1) of \(lines.count) on is done again",
                )
                break
            }
            try keep(line)
        }
    }

    mutating func keep(_ scored: Scored) throws { try keep(Line(scored: scored)) }

    mutating func keep(_ trained: Trained) throws { try keep(Line(trained: trained)) }

    private mutating func keep(_ line: Line) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try context.journal(encoder.encode(line) + Data("\n".utf8))
        if let scored = line.scored { scores[scored.genome] = scored }
        if let row = line.trained { trained[row.genome] = row }
    }
}

extension AuditLedger.Scored {
    /// - Parameter seed: of the halvings, the same for all architectures, and of the standard error.
    init(
        _ genome: Genome,
        _ scorer: DetectorScorer,
        _ objective: SearchConfig.Objective,
        seed: UInt64,
    ) {
        self.genome = genome
        do {
            let result = try scorer.score(genome)
            let figures = scorer.figures(of: result, objective, seed: seed)
            guard figures.value.isFinite, figures.loss.isFinite else {
                failure = "its loss or score is not finite"
                return
            }
            value = figures.value
            standardError = figures.standardError
            halves = (0..<AuditLedger.halvings).map { halving in
                var random = CounterRandom(seed: seed, stream: "halves", UInt64(halving))
                let order = random.permutation(scorer.imageIDs.count)
                let half = order.count / 2
                return [order[..<half], order[half...]].map {
                    result.value(objective, of: Array($0), scorer.imageIDs)
                }
            }
        } catch {
            failure = "\(error)"
        }
    }
}

extension DetectorScorer.Result {
    /// What is ranked, over some of the images alone: `places` in the order of the scorer.
    fileprivate func value(
        _ objective: SearchConfig.Objective,
        of places: [Int],
        _ imageIDs: [Int64],
    ) -> Double? {
        switch objective {
        case .loss: return places.isEmpty ? nil : -places.sorted().map { losses[$0] }.mean
        case .ap, .ap50:
            let ids = Set(places.map { imageIDs[$0] })
            return matches.value(of: objective == .ap ? .ap : .ap50) { ids.contains($0) }
        case .top1: return nil
        }
    }
}
