// Random numbers that are a function of a key and a counter. Data order, augmentation, sampled
// paths and children of a search each have a key (seed, stream, step, ...), so a run that was cut
// anywhere goes on with the same numbers and no generator state is ever saved.
//
// The key is absorbed word by word with the finalizer of SplitMix64 (Steele, Lea, Flood 2014); draw
// n is that generator's output n from there. Not for secrets.

import Foundation

/// A generator that is a pure function of its key and of how many numbers were drawn.
package struct CounterRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The stream of `keys` (a step, an index, ...) under `seed`. The order and the number of keys
    /// matter.
    package init(seed: UInt64, _ keys: UInt64...) { self.init(seed: seed, keys: keys) }

    /// The stream of `name` and `keys` under `seed`.
    package init(seed: UInt64, stream name: String, _ keys: UInt64...) {
        self.init(seed: seed, keys: [CounterRandom.key(name)] + keys)
    }

    package init(seed: UInt64, keys: [UInt64]) {
        var state = CounterRandom.mix(seed &+ CounterRandom.step)
        for key in keys {
            state = CounterRandom.mix((state ^ CounterRandom.mix(key)) &+ CounterRandom.step)
        }
        self.state = state
    }

    /// A name as a key: FNV-1a over its UTF-8.
    package static func key(_ name: String) -> UInt64 {
        name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0100_0000_01B3 }
    }

    package mutating func next() -> UInt64 {
        state &+= CounterRandom.step
        return CounterRandom.mix(state)
    }

    /// Uniform in `0..<1`, a multiple of 2^-53.
    package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Uniform in `range`, whose ends are finite.
    package mutating func uniform(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// Uniform in `0..<count` for a positive `count`, without bias (Lemire 2019,
    /// arXiv:1805.10941).
    package mutating func below(_ count: Int) -> Int {
        let bound = UInt64(count)
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller 1958); takes two draws.
    package mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * .pi * uniform())
    }

    /// The numbers `0..<count` in a random order (Fisher and Yates).
    package mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<max(0, count))
        for last in order.indices.dropFirst().reversed() { order.swapAt(last, below(last + 1)) }
        return order
    }

    /// `count` different ones of the numbers `0..<total`, ascending; all of them when there are no more.
    package mutating func choice(_ count: Int, of total: Int) -> [Int] {
        guard count < total else { return Array(0..<max(0, total)) }
        // The first `count` places of a permutation, of which only what was moved is kept.
        var moved: [Int: Int] = [:]
        return (0..<max(0, count)).map { place in
            let other = place + below(total - place)
            let chosen = moved[other] ?? other
            moved[other] = moved[place] ?? place
            return chosen
        }.sorted()
    }

    private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
