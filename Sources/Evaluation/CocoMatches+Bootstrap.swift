// How far a figure can be trusted: the bootstrap over images (Efron and Tibshirani 1993, chapter 13).
// Whole images are drawn, as the objects of one image are not independent.

import Annotations

/// Where a figure would lie with other images of the same kind.
package struct BootstrapInterval: Codable, Hashable, Sendable {
    package let low: Double
    package let high: Double
    /// The standard deviation over resamples.
    package let standardError: Double
    /// The share of resamples between `low` and `high`.
    package let level: Double
    /// Those in which the figure was defined.
    package let resamples: Int
}

extension CocoMatches {
    /// The interval of a figure over images drawn with replacement.
    ///
    /// - Parameters:
    ///   - resamples: How many sets are drawn, each as large as the set of images.
    ///   - seed: The same seed draws the same images, whatever the detector.
    ///   - level: The share of resamples in the interval, 0...1, as much left out below as above.
    /// - Returns: Nil where no resample has objects to be found.
    package func bootstrap(
        _ figure: CocoFigure = .ap,
        resamples: Int = 1000,
        seed: UInt64,
        level: Double = 0.95,
    ) -> BootstrapInterval? {
        interval(resamples, seed, level) { weights in
            let value = Tally(self, weights: weights).value(of: figure)
            return value > -1 ? value : nil
        }
    }

    /// The interval of this detector's figure less another's, both over the same drawn images.
    ///
    /// One that holds 0 says that the images do not tell which detector is better.
    ///
    /// - Returns: Nil where no resample has objects to be found, or the two were not matched with
    ///   the same images.
    package func bootstrapDifference(
        from other: CocoMatches,
        _ figure: CocoFigure = .ap,
        resamples: Int = 1000,
        seed: UInt64,
        level: Double = 0.95,
    ) -> BootstrapInterval? {
        guard evaluator.imageIDs == other.evaluator.imageIDs else { return nil }
        return interval(resamples, seed, level) { weights in
            let here = Tally(self, weights: weights).value(of: figure)
            let there = Tally(other, weights: weights).value(of: figure)
            return here > -1 && there > -1 ? here - there : nil
        }
    }

    private func interval(
        _ resamples: Int,
        _ seed: UInt64,
        _ level: Double,
        _ value: ([Int32]) -> Double?,
    ) -> BootstrapInterval? {
        let values = (0..<max(resamples, 0)).compactMap { value(drawn($0, seed)) }.sorted()
        guard !values.isEmpty else { return nil }
        let tail = (1 - min(max(level, 0), 1)) / 2
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return BootstrapInterval(
            low: quantile(values, tail),
            high: quantile(values, 1 - tail),
            standardError: (squares / Double(max(values.count - 1, 1))).squareRoot(),
            level: level,
            resamples: values.count,
        )
    }

    /// How often each image is drawn in one resample: a function of `(seed, resample)`.
    private func drawn(_ resample: Int, _ seed: UInt64) -> [Int32] {
        let count = evaluator.imageIDs.count
        var weights = [Int32](repeating: 0, count: count)
        for draw in 0..<count {
            let counter = UInt64(resample) &* UInt64(count) &+ UInt64(draw)
            weights[CounterHash.index(below: count, seed: seed, counter: counter)] += 1
        }
        return weights
    }
}

/// The quantile of sorted values, between neighbours in proportion (NumPy's default).
private func quantile(_ sorted: [Double], _ share: Double) -> Double {
    let place = share * Double(sorted.count - 1)
    let below = Int(place.rounded(.down))
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
}

extension CocoMatches {
    /// A figure over some of the images; nil where these have no objects to be found.
    package func value(of figure: CocoFigure, over isIn: (_ imageID: Int64) -> Bool) -> Double? {
        let value = Tally(self, weights: evaluator.imageIDs.map { isIn($0) ? 1 : 0 })
            .value(of: figure)
        return value > -1 ? value : nil
    }
}
