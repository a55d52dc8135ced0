// The images of a class folder as two parts, as lists with boxes are split: on which side an image is depends on its name
// and the seed alone.

import Annotations

extension ImageFolder {
    /// The samples of both parts, ascending; `architecture` holds `(architectureShare * count).rounded()`.
    ///
    /// - Parameters:
    ///   - architectureShare: 0...1; what lies outside is taken as the nearer end.
    ///   - seed: another seed, another split.
    package func split(architectureShare: Double, seed: UInt64) -> (
        weights: [Int], architecture: [Int]
    ) {
        let share = architectureShare.isNaN ? 0 : min(max(architectureShare, 0), 1)
        let ranked = (0..<count).map { sample in
            let name = CounterHash.bits(of: name(of: sample))
            return (rank: CounterHash.bits(seed: seed, counter: name), sample: sample)
        }.sorted { ($0.rank, $0.sample) < ($1.rank, $1.sample) }.map(\.sample)
        let wanted = Int((share * Double(count)).rounded())
        return (ranked.dropFirst(wanted).sorted(), ranked.prefix(wanted).sorted())
    }
}
