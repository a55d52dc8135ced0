// Which candidates of a search no other one beats in both, and how much of the plane they cover.

/// The candidates of least cost and greatest value, the cheapest first.
package struct ParetoFront: Sendable {
    package var members: [Candidate] = []
    /// The share of the plane below the front, 0...1: between no cost and that of the dearest candidate, and between a
    /// value of 0 and of 1 (Zitzler and Thiele 1999: the hypervolume, with that corner as its reference).
    package var hypervolume = 0.0

    package enum Cost: String, CaseIterable, Sendable {
        case macs, params
    }

    package enum Value: String, CaseIterable, Sendable {
        case map, map50, top1, top5
    }

    /// - Parameter dearest: the cost at which nothing is covered; nil: that of the dearest candidate.
    package init(of candidates: [Candidate], _ cost: Cost, _ value: Value, dearest: Double? = nil) {
        let points = candidates.compactMap { candidate -> (Candidate, Double, Double)? in
            let y: Double? =
                switch value {
                case .map: candidate.map
                case .map50: candidate.map50
                case .top1: candidate.top1
                case .top5: candidate.top5
                }
            guard let y, y.isFinite else { return nil }
            return (candidate, Double(cost == .macs ? candidate.macs : candidate.params), y)
        }
        let corner = dearest ?? points.map(\.1).max() ?? 0
        let ordered = points.sorted {
            ($0.1, -$0.2, $0.0.number) < ($1.1, -$1.2, $1.0.number)
        }
        var best = 0.0
        for (candidate, x, y) in ordered where members.isEmpty || y > best {
            members.append(candidate)
            if corner > x { hypervolume += (corner - x) * Swift.max(0, y - best) }
            best = Swift.max(best, y)
        }
        if corner > 0 { hypervolume /= corner }
    }
}
