// Random numbers that are functions of a seed and a counter (splitmix64: Steele, Lea and Flood,
// "Fast splittable pseudorandom number generators", OOPSLA 2014): no state to save, no order to keep.

/// Bits drawn from `(seed, counter)` alone.
package enum CounterHash {
    /// The number that a splitmix64 generator seeded with `seed` gives after `counter` others.
    package static func bits(seed: UInt64, counter: UInt64) -> UInt64 {
        mixed(seed &+ (counter &+ 1) &* 0x9E37_79B9_7F4A_7C15)
    }

    /// An index in `0..<count`, drawn from `(seed, counter)`; `count` is at least 1.
    package static func index(below count: Int, seed: UInt64, counter: UInt64) -> Int {
        Int(bits(seed: seed, counter: counter).multipliedFullWidth(by: UInt64(count)).high)
    }

    /// The FNV-1a hash of a text's UTF-8 bytes, the same on every machine and in every run.
    package static func bits(of text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
