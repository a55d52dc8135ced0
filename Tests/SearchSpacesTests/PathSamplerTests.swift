// Which paths training takes.

import Testing

@testable import SearchSpaces

struct PathSamplerTests {
    private func space(_ name: String = "detnas-300m") throws -> SearchSpace {
        try #require(SearchSpace.named[name])
    }

    /// The official code's bins: 290 to 360 million multiply-adds of the whole classifier.
    private func bins(_ space: SearchSpace) -> CostBins {
        CostBins(
            table: space.costTable(.macs(.classifier), height: 224, width: 224),
            start: 290_000_000,
            width: 10_000_000,
            count: 7,
        )
    }

    @Test
    func `a fair step has each operation of each position just once, in another order each step`()
        throws
    {
        let space = try space("detnas-mini")
        var seen: Set<[Genome]> = []
        for step in 0..<50 {
            let paths = PathSampler.fair.paths(of: space, seed: 3, step: step)
            #expect(paths.count == 4)
            for position in 0..<space.length {
                #expect(Set(paths.map { $0.letters[position] }) == [0, 1, 2, 3])
            }
            seen.insert(paths)
        }
        #expect(seen.count == 50)
    }

    @Test func `binned paths lie in all seven bins alike, where uniform ones crowd the middle`()
        throws
    {
        let space = try space()
        let bins = bins(space)
        func shares(_ sampler: PathSampler) -> [Double] {
            var counts = [Int](repeating: 0, count: 7)
            for step in 0..<2000 {
                let path = sampler.paths(of: space, seed: 1, step: step)[0]
                let bin = (bins.table.cost(of: path) - 290_000_000) / 10_000_000
                if counts.indices.contains(bin) { counts[bin] += 1 }
            }
            return counts.map { Double($0) / 2000 }
        }
        // Each bin 1/7, but for the first and the last, whose paths are not always met in 500 draws:
        // 0.0109 and 0.0227 of all paths are theirs.
        #expect(shares(.binned(bins)).allSatisfy { abs($0 - 1 / 7.0) < 0.03 })
        // The exact shares of detnas-numbers.json, natural_flops_histogram.
        let exact = [0.0109, 0.0644, 0.1950, 0.3181, 0.2716, 0.1145, 0.0227]
        for (found, share) in zip(shares(.uniform), exact) { #expect(abs(found - share) < 0.03) }
    }

    @Test func `paths are a function of seed and step alone`() throws {
        let space = try space()
        for sampler in [PathSampler.uniform, .binned(bins(space)), .fair] {
            let once = sampler.paths(of: space, seed: 9, step: 41)
            #expect(sampler.paths(of: space, seed: 9, step: 41) == once)
            #expect(sampler.paths(of: space, seed: 9, step: 42) != once)
            #expect(sampler.paths(of: space, seed: 10, step: 41) != once)
        }
    }
}
