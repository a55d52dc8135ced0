// Everything a search has evaluated, once each. Its lines are a journal: a search that was killed is
// resumed by reading them back, and the parents, the results and the listing all come from here.

package import Foundation
package import SearchSpaces

/// Why a candidate or a line was not taken. Nothing was changed.
package enum ArchiveError: Error, Hashable, CustomStringConvertible {
    case unfinished(index: Int)
    case notFinite(index: Int, value: String)
    case repeated(index: Int, earlier: Int)
    case incomparable(index: Int, expected: Score.Scale, found: Score.Scale)
    case line(number: Int, reason: String)

    package var description: String {
        switch self {
        case .unfinished(let index):
            "candidate \(index) needs exactly one of a score, a failure and a reason why it was halted"
        case .notFinite(let index, let value):
            "candidate \(index) has \(value) in its score; only finite numbers can be ranked"
        case .repeated(let index, let earlier):
            "candidate \(index) repeats the genome or the index of candidate \(earlier)"
        case .incomparable(let index, let expected, let found):
            "candidate \(index) was scored with \(found); the archive has \(expected)"
        case .line(let number, let reason):
            "line \(number): \(reason)"
        }
    }
}

/// The finished candidates of one search: no genome twice, all scores on one scale.
package struct Archive: Hashable, Sendable {
    /// In the order in which they were added.
    package private(set) var candidates: [Candidate] = []
    private var places: [Genome: Int] = [:]
    private var indices: [Int: Int] = [:]
    /// What all scores share; nil before the first one.
    package private(set) var scale: Score.Scale?

    package init() {}

    package var count: Int { candidates.count }

    /// What is known of `genome`.
    package subscript(genome: Genome) -> Candidate? { places[genome].map { candidates[$0] } }

    /// Adds a candidate that is finished.
    package mutating func append(_ candidate: Candidate) throws(ArchiveError) {
        let index = candidate.index
        let ends = [candidate.score != nil, candidate.failure != nil, candidate.halted != nil]
        guard ends.count(where: \.self) == 1 else { throw .unfinished(index: index) }
        if let earlier = places[candidate.genome] ?? indices[index] {
            throw .repeated(index: index, earlier: candidates[earlier].index)
        }
        if let halted = candidate.halted {
            for number in [halted.loss, halted.worseBy, halted.standardError]
            where !number.isFinite { throw .notFinite(index: index, value: "\(number)") }
        }
        if let score = candidate.score {
            let numbers = [
                score.value, score.ap, score.ap50, score.top1, score.top5, score.loss,
                score.standardError,
            ]
            for number in numbers.compactMap(\.self) where !number.isFinite {
                throw .notFinite(index: index, value: "\(number)")
            }
            if let scale, scale != score.scale {
                throw .incomparable(index: index, expected: scale, found: score.scale)
            }
            scale = score.scale
        }
        places[candidate.genome] = candidates.count
        indices[index] = candidates.count
        candidates.append(candidate)
    }

    /// The candidates that have a score, the best first: by value, then by lower cost under
    /// `convention`, then by word. No two are equal in all three.
    package func ranked(
        by convention: CostConvention = .backbone,
        before generation: Int = .max,
    ) -> [Candidate] {
        candidates.filter { $0.generation < generation && $0.score != nil }
            .sorted { Archive.isBetter($0, than: $1, convention) }
    }

    /// The best `count` candidates.
    package func top(_ count: Int, by convention: CostConvention = .backbone) -> [Candidate] {
        Array(ranked(by: convention).prefix(max(0, count)))
    }

    /// The scored ones of those that `isWanted` that no other one of them beats in both value and cost, the cheapest
    /// first.
    package func front(where isWanted: (Candidate) -> Bool) -> [Candidate] {
        var front: [Candidate] = []
        let scored = candidates.filter { $0.score != nil && isWanted($0) }
        for candidate in scored.sorted(by: Archive.isCheaper) {
            let value = candidate.score?.value ?? -.infinity
            if front.last?.score.map({ value > $0.value }) ?? true { front.append(candidate) }
        }
        return front
    }

    private static func isCheaper(_ first: Candidate, than second: Candidate) -> Bool {
        first.cost.macs == second.cost.macs
            ? isBetter(first, than: second, .backbone) : first.cost.macs < second.cost.macs
    }

    /// The candidates that could not be scored; each says why.
    package var failures: [Candidate] { candidates.filter { $0.failure != nil } }

    private static func isBetter(
        _ first: Candidate,
        than second: Candidate,
        _ convention: CostConvention,
    ) -> Bool {
        let values = (first.score?.value ?? -.infinity, second.score?.value ?? -.infinity)
        if values.0 != values.1 { return values.0 > values.1 }
        let costs = (first.cost.macs(convention), second.cost.macs(convention))
        if costs.0 != costs.1 { return costs.0 < costs.1 }
        return first.genome.letters.lexicographicallyPrecedes(second.genome.letters)
    }
}

extension Archive {
    /// What a journal held.
    package struct Journal: Sendable {
        package let archive: Archive
        /// The bytes of its whole lines. A writer that was killed may have left part of a line after
        /// them: cut the file to this length before adding to it.
        package let length: Int
    }

    /// One line of the journal, its line feed included: JSON with sorted keys.
    package static func line(_ candidate: Candidate) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(candidate) + Data("\n".utf8)
    }

    /// All lines, in the order of the candidates.
    package func journal() throws -> Data {
        try candidates.reduce(into: Data()) { $0 += try Archive.line($1) }
    }

    /// Reads a journal. What follows the last line feed is left out.
    ///
    /// - Throws: `ArchiveError.line` with the number of the first bad line, from 1.
    package static func read(journal: Data) throws(ArchiveError) -> Journal {
        var archive = Archive()
        let decoder = JSONDecoder()
        let whole = journal.lastIndex(of: UInt8(ascii: "\n")).map { journal[...$0] } ?? Data()
        let lines = whole.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .dropLast()
        for (number, line) in lines.enumerated() {
            do {
                try archive.append(try decoder.decode(Candidate.self, from: line))
            } catch {
                throw .line(number: number + 1, reason: "\(error)")
            }
        }
        return Journal(archive: archive, length: whole.count)
    }
}
