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

/// The interval of `kendallTau` over pairs drawn with replacement (the percentile bootstrap: Efron and Tibshirani 1993,
/// chapter 13).
///
/// - Parameters:
///   - resamples: how many sets are drawn, each as large as the lists.
///   - level: the share of resamples in the interval, 0...1, as much left out below as above.
/// - Returns: nil where no resample has a tau; those without one, all pairs of which are alike, are left out.
package func kendallTauInterval(
    _ first: [Double],
    _ second: [Double],
    resamples: Int,
    seed: UInt64,
    level: Double = 0.95,
) -> (low: Double, high: Double)? {
    let count = min(first.count, second.count)
    guard count > 0 else { return nil }
    let taus = (0..<max(resamples, 0)).compactMap { resample in
        var random = CounterRandom(seed: seed, stream: "bootstrap", UInt64(resample))
        let drawn = (0..<count).map { _ in random.below(count) }
        return kendallTau(drawn.map { first[$0] }, drawn.map { second[$0] })
    }.sorted()
    guard !taus.isEmpty else { return nil }
    /// Between neighbours in proportion.
    func quantile(_ share: Double) -> Double {
        let place = share * Double(taus.count - 1)
        let below = Int(place.rounded(.down))
        let above = min(below + 1, taus.count - 1)
        return taus[below] + (taus[above] - taus[below]) * (place - Double(below))
    }
    let tail = (1 - min(max(level, 0), 1)) / 2
    return (quantile(tail), quantile(1 - tail))
}

/// Student's t: 95 % of its distribution lie between its negative and it, to about one in a hundred from 2 degrees of
/// freedom on.
///
/// Source: the expansion about the normal quantile, Abramowitz and Stegun 1964, 26.7.5.
package func studentT(degrees: Int) -> Double {
    let (z, n) = (1.959_963_985, Double(degrees))
    func power(_ exponent: Int) -> Double { (0..<exponent).reduce(1) { value, _ in value * z } }
    let first = (power(3) + z) / 4
    let second = (5 * power(5) + 16 * power(3) + 3 * z) / 96
    let third = (3 * power(7) + 19 * power(5) + 17 * power(3) - 15 * z) / 384
    let fourth =
        (79 * power(9) + 776 * power(7) + 1482 * power(5) - 1920 * power(3) - 945 * z) / 92160
    return z + first / n + second / (n * n) + third / (n * n * n) + fourth / (n * n * n * n)
}
