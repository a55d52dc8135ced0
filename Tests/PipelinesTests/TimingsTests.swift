// The arithmetic of a measurement's table.

import Pipelines
import Testing

@Suite struct TimingsTests {
    @Test func `the median is the middle value, or lies between the two`() {
        #expect(Timings([9, 1, 4]).median == 4)
        #expect(Timings([9, 1, 4, 6]).median == 5)
        #expect(Timings().median == nil)
        #expect(Timings([9, 1, 4]).range == 1...9)
    }

    /// Both sides are slow in the second round, and their ratio stays: that of the medians would be 3.
    @Test func `a ratio is taken within each round`() {
        let ours = Timings([10, 100, 10])
        let peer = Timings([20, 200, 30])
        #expect(ours.ratios(of: peer) == Timings([2, 2, 3]))
        #expect(ours.ratios(of: peer).median == 2)
    }

    @Test func `a round that took no time has no ratio`() {
        #expect(Timings([0, 2]).ratios(of: Timings([5, 5])) == Timings([2.5]))
    }

    @Test func `a measurement's paths differ from round to round and not from run to run`() {
        let first = Benchmark.pretrain.paths(round: 0)
        #expect(first.count == 2)
        #expect(first == Benchmark.pretrain.paths(round: 0))
        #expect(first != Benchmark.pretrain.paths(round: 1))
        #expect(Benchmark.coco.paths(round: 0).isEmpty)
    }
}
