// One list of images as two: weights are trained on the one, architectures chosen on the other.
// An image's side depends on its file name and the seed alone, not on its place in the list.

extension CocoDataset {
    /// Splits by image into two sets that share no file.
    ///
    /// - Parameters:
    ///   - architectureShare: 0...1, of the images; what lies outside is taken as the nearer end.
    ///   - seed: another seed, another split.
    /// - Returns: Sets with all the categories, and images and annotations in the order of this one.
    ///   `architecture` holds `(architectureShare * images).rounded()` images, or a few more where
    ///   several images name one file: these stay together.
    package func split(
        architectureShare: Double,
        seed: UInt64,
    ) -> (weights: CocoDataset, architecture: CocoDataset) {
        let share = architectureShare.isNaN ? 0 : min(max(architectureShare, 0), 1)
        let wanted = Int((share * Double(images.count)).rounded())
        return split(architectureCount: wanted, seed: seed)
    }

    /// The same with the number of images that the architecture part gets, 0...`images.count`.
    package func split(
        architectureCount wanted: Int,
        seed: UInt64,
    ) -> (weights: CocoDataset, architecture: CocoDataset) {
        let sizes = Dictionary(images.lazy.map { ($0.key, 1) }, uniquingKeysWith: +)
        let ranked = sizes.keys
            .map {
                (rank: CounterHash.bits(seed: seed, counter: CounterHash.bits(of: $0)), key: $0)
            }
            .sorted { ($0.rank, $0.key) < ($1.rank, $1.key) }
        var chosen: Set<String> = []
        var count = 0
        for (_, key) in ranked where count < wanted {
            chosen.insert(key)
            count += sizes[key] ?? 0
        }
        return (keeping { !chosen.contains($0.key) }, keeping { chosen.contains($0.key) })
    }

    /// The images that fulfil a condition, with their annotations and all categories.
    package func keeping(_ isKept: (CocoImage) -> Bool) -> CocoDataset {
        let kept = images.filter(isKept)
        let ids = Set(kept.lazy.map(\.id))
        return CocoDataset(
            images: kept,
            categories: categories,
            annotations: annotations.filter { ids.contains($0.imageID) },
        )
    }

    /// The file names that both sets use, in order; an image without one goes by `#id`.
    package func overlap(with other: CocoDataset) -> [String] {
        Set(images.lazy.map(\.key)).intersection(other.images.lazy.map(\.key)).sorted()
    }
}
