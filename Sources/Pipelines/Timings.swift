// What several rounds of measuring say: the middle and the ends, and how two sides compare round by round.

/// One number of each round, in their order; a round that failed is not in it.
package struct Timings: Sendable, Equatable {
    package var values: [Double]

    package init(_ values: [Double] = []) { self.values = values }

    /// The middle one, or the mean of the two in the middle; nil without values.
    package var median: Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2)
            ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }

    /// The smallest and the largest.
    package var range: ClosedRange<Double>? {
        guard let low = values.min(), let high = values.max() else { return nil }
        return low...high
    }

    /// How many times as long `other` took, round by round: what both sides of a round met, such as other load on
    /// the machine, cancels.
    package func ratios(of other: Timings) -> Timings {
        Timings(zip(values, other.values).filter { $0.0 > 0 }.map { $1 / $0 })
    }
}
