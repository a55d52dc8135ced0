// What is said about a search: how each generation did, and how far two orders agree.

package import SearchSpaces

/// How one generation did.
package struct GenerationSummary: Hashable, Codable, Sendable {
    package let generation: Int
    /// Candidates with a score.
    package let evaluated: Int
    /// Candidates that could not be scored.
    package let failed: Int
    /// The highest value, and the mean of all; nil without a score.
    package let best: Double?
    package let mean: Double?
    /// The candidate with the highest value; of equals the first in the ranking.
    package let bestIndex: Int?
}

extension Archive {
    /// A summary of each generation that has candidates, the first generation first.
    package func summaries(by convention: CostConvention = .backbone) -> [GenerationSummary] {
        let failed = Dictionary(grouping: failures, by: \.generation)
        let scored = Dictionary(grouping: ranked(by: convention), by: \.generation)
        return Set(failed.keys).union(scored.keys).sorted().map { generation in
            let ranked = scored[generation] ?? []
            // Summed in the order of the indices, so that the order of evaluation changes nothing.
            let sum = ranked.sorted { $0.index < $1.index }
                .reduce(0) { $0 + ($1.score?.value ?? 0) }
            return GenerationSummary(
                generation: generation,
                evaluated: ranked.count,
                failed: failed[generation]?.count ?? 0,
                best: ranked.first?.score?.value,
                mean: ranked.isEmpty ? nil : sum / Double(ranked.count),
                bestIndex: ranked.first?.index,
            )
        }
    }
}

/// Kendall's rank correlation tau-b of two lists of equal length, in -1...1 (Kendall 1945): the pairs
/// in the same order less those in opposite order, corrected for ties. Nil when either list has
/// fewer than two different values. Values that are not numbers count as tied with all.
package func kendallTau(_ first: [Double], _ second: [Double]) -> Double? {
    var (agreement, untiedFirst, untiedSecond) = (0, 0, 0)
    func order(_ left: Double, _ right: Double) -> Int {
        left < right ? -1 : left > right ? 1 : 0
    }
    let count = min(first.count, second.count)
    for left in 0..<count {
        for right in (left + 1)..<max(left + 1, count) {
            let orders = (
                order(first[left], first[right]), order(second[left], second[right]),
            )
            agreement += orders.0 * orders.1
            untiedFirst += abs(orders.0)
            untiedSecond += abs(orders.1)
        }
    }
    guard untiedFirst > 0, untiedSecond > 0 else { return nil }
    return Double(agreement) / (Double(untiedFirst) * Double(untiedSecond)).squareRoot()
}
