// Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943) of what is proposed: few images say of most
// candidates that others are better. All are compared on the same images, so that what makes an image hard for everyone
// cancels.

/// Why a candidate was not evaluated in full.
package struct Halted: Hashable, Codable, Sendable {
    /// On how many images it was seen last.
    package let images: Int
    /// Its mean loss on them.
    package let loss: Double
    /// By how much that is above the loss of the worst that had to go on.
    package let worseBy: Double
    /// Of that difference, over the images.
    package let standardError: Double
}

/// The rule by which candidates go on to more images.
package struct Halving: Hashable, Sendable {
    /// On how many images candidates are seen first.
    package let images: Int
    /// One in so many goes on in any case, and the next rung has so many times the images.
    package let factor: Int
    /// How many standard errors another must be worse than the last of these to be halted.
    package let z: Double

    /// - Precondition: `images` and `factor - 1` are positive.
    package init(images: Int, factor: Int, z: Double) {
        precondition(images > 0 && factor > 1)
        self.images = images
        self.factor = factor
        self.z = z
    }

    /// The numbers of images before the whole `count`.
    package func rungs(of count: Int) -> [Int] {
        var rungs: [Int] = []
        var next = images
        while next < count {
            rungs.append(next)
            next *= factor
        }
        return rungs
    }

    /// Who is halted.
    ///
    /// - Parameter losses: for each candidate those of the images, the same images in the same order for all.
    /// - Returns: for each candidate why it is halted; nil: it goes on.
    package func verdicts(_ losses: [[Double]]) -> [Halted?] {
        func mean(_ values: [Double]) -> Double {
            values.reduce(0, +) / Double(max(values.count, 1))
        }
        let means = losses.map(mean)
        let order = losses.indices.sorted { (means[$0], $0) < (means[$1], $1) }
        let kept = (losses.count + factor - 1) / factor
        guard kept < losses.count, let last = order.prefix(kept).last else {
            return losses.map { _ in nil }
        }
        var verdicts = [Halted?](repeating: nil, count: losses.count)
        for candidate in order.dropFirst(kept) {
            let differences = zip(losses[candidate], losses[last]).map { $0 - $1 }
            let difference = mean(differences)
            let squares = differences.reduce(0) { $0 + ($1 - difference) * ($1 - difference) }
            let count = Double(differences.count)
            let error = (squares / max(count - 1, 1) / max(count, 1)).squareRoot()
            guard difference > z * error else { continue }
            verdicts[candidate] = Halted(
                images: differences.count,
                loss: means[candidate],
                worseBy: difference,
                standardError: error,
            )
        }
        return verdicts
    }
}
