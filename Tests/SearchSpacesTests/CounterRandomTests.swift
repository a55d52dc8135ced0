import SearchSpaces
import Testing

struct CounterRandomTests {
    // M = 2**64 - 1; S = 0x9E3779B97F4A7C15
    // def mix(z): z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & M
    //             z = ((z ^ z >> 27) * 0x94D049BB133111EB) & M; return z ^ z >> 31
    // def gen(seed, *keys):
    //     s = mix((seed + S) & M)
    //     for k in keys: s = mix(((s ^ mix(k)) + S) & M)
    //     while True: s = (s + S) & M; yield mix(s)
    @Test func `draws are those of the reference in Python`() {
        var plain = CounterRandom(seed: 0)
        #expect(
            (0..<3).map { _ in plain.next() } == [
                0xA706_DD2F_4D19_7E6F, 0xB382_A305_F441_4F5E, 0x631A_9154_FBAB_F717,
            ]
        )
        var keyed = CounterRandom(seed: 7, 1, 2)
        #expect(
            (0..<3).map { _ in keyed.next() } == [
                0x182D_3EF0_83E6_29CC, 0x2BF5_07E2_4BEE_0145, 0x786E_84B1_7997_AD01,
            ]
        )
    }

    @Test func `every part of the key matters, and so does the order`() {
        var generators = [
            CounterRandom(seed: 1), CounterRandom(seed: 2), CounterRandom(seed: 1, 0),
            CounterRandom(seed: 1, 0, 0), CounterRandom(seed: 1, 1, 2),
            CounterRandom(seed: 1, 2, 1), CounterRandom(seed: 1, stream: "a"),
            CounterRandom(seed: 1, stream: "b"), CounterRandom(seed: 1, stream: "a", 0),
        ]
        #expect(Set(generators.indices.map { generators[$0].next() }).count == generators.count)
    }

    @Test func `uniform numbers fill the unit interval evenly and independently of the key`() {
        var bins = [Int](repeating: 0, count: 20)
        for index in 0..<2000 {
            var random = CounterRandom(seed: 11, UInt64(index))
            for _ in 0..<5 {
                let value = random.uniform()
                #expect(value >= 0 && value < 1)
                bins[Int(value * 20)] += 1
            }
        }
        // Chi-squared with 19 degrees of freedom stays below 43.8 in 99.9 of 100 cases.
        let chi = bins.reduce(0) { $0 + ($1 - 500) * ($1 - 500) }
        #expect(Double(chi) / 500 < 43.8)
    }

    @Test func `numbers below a count are unbiased and stay below it`() {
        var random = CounterRandom(seed: 3)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<7000 { counts[random.below(7)] += 1 }
        let chi = counts.reduce(0) { $0 + ($1 - 1000) * ($1 - 1000) }
        #expect(Double(chi) / 1000 < 22.5)
        #expect((0..<100).allSatisfy { _ in random.below(1) == 0 })
        let huge = Int.max / 3 * 2
        #expect((0..<100).allSatisfy { _ in (0..<huge).contains(random.below(huge)) })
    }

    @Test func `normal numbers have mean 0, deviation 1 and the normal's tails`() {
        var random = CounterRandom(seed: 8)
        let values = (0..<10_000).map { _ in random.normal() }
        let mean = values.reduce(0, +) / 10_000
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 10_000
        #expect(abs(mean) < 0.05)
        #expect(abs(variance - 1) < 0.07)
        #expect(abs(Double(values.count { abs($0) > 1.96 }) / 10_000 - 0.05) < 0.011)
        #expect(values.allSatisfy { $0.isFinite })
    }

    @Test func `a permutation holds every number once and differs by key`() {
        var first = CounterRandom(seed: 1, stream: "order", 0)
        var second = CounterRandom(seed: 1, stream: "order", 1)
        let order = first.permutation(100)
        #expect(order.sorted() == Array(0..<100))
        #expect(order != second.permutation(100))
        #expect(first.permutation(0).isEmpty && first.permutation(1) == [0])
    }

    @Test func `a choice is that many different numbers in order, each as likely as the others`() {
        var counts = [Int](repeating: 0, count: 10)
        for key in 0..<20_000 as Range<UInt64> {
            var random = CounterRandom(seed: 1, key)
            let chosen = random.choice(3, of: 10)
            #expect(chosen.count == 3 && Set(chosen).count == 3 && chosen == chosen.sorted())
            for number in chosen { counts[number] += 1 }
        }
        // 6,000 each; the deviation of a count is 65.
        #expect(counts.allSatisfy { abs($0 - 6000) < 330 })
        var random = CounterRandom(seed: 1)
        #expect(random.choice(12, of: 10) == Array(0..<10))
        #expect(random.choice(0, of: 10).isEmpty && random.choice(2, of: 0).isEmpty)
    }
}
