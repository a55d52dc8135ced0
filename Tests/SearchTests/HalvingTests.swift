// Who is halted, and who is not.

import Search
import SearchSpaces
import Testing

struct HalvingTests {
    @Test func `rungs grow by the factor and end before the whole`() {
        let rule = Halving(images: 16, factor: 2, z: 2)
        #expect(rule.rungs(of: 56) == [16, 32])
        #expect(rule.rungs(of: 64) == [16, 32])
        #expect(rule.rungs(of: 16).isEmpty && rule.rungs(of: 3).isEmpty)
        #expect(Halving(images: 10, factor: 4, z: 2).rungs(of: 1000) == [10, 40, 160, 640])
    }

    /// What makes an image hard for all is far larger than what tells candidates apart.
    private func losses(_ quality: [Double], images: Int, noise: Double, seed: UInt64) -> [[Double]]
    {
        var shared = CounterRandom(seed: seed, stream: "images")
        let hard = (0..<images).map { _ in 1 + shared.normal() }
        return quality.enumerated().map { index, quality in
            var random = CounterRandom(seed: seed, stream: "noise", UInt64(index))
            return hard.map { $0 + quality + noise * random.normal() }
        }
    }

    @Test func `half go on in any case, and others unless they are clearly worse`() throws {
        let rule = Halving(images: 32, factor: 2, z: 2)
        // Three alike at the end of the better half and beyond it, one far behind.
        let verdicts = rule.verdicts(
            losses([0, 0.1, 0.1, 5], images: 32, noise: 0.3, seed: 1)
        )
        #expect(verdicts.prefix(3).allSatisfy { $0 == nil })
        let last = try #require(verdicts[3])
        #expect(last.images == 32 && abs(last.worseBy - 4.9) < 0.5)
        #expect(last.worseBy > 2 * last.standardError)
        // Without any doubt asked for, all but half are halted.
        let strict = Halving(images: 32, factor: 2, z: 0)
            .verdicts(losses([3, 2, 1, 0, 4], images: 32, noise: 0.01, seed: 2))
        #expect(strict.map { $0 == nil } == [false, true, true, true, false])
        #expect(rule.verdicts([[1, 2]]) == [nil] && rule.verdicts([]).isEmpty)
    }

    @Test func `the same images for all tell apart what each alone could not`() {
        // 0.2 apart on images that differ by 1: four standard errors unpaired would need 400 images.
        let rule = Halving(images: 32, factor: 2, z: 2)
        let halted = (0..<50).count { seed in
            rule.verdicts(losses([0, 0.2], images: 32, noise: 0.1, seed: seed))[1] != nil
        }
        #expect(halted == 50)
    }

    @Test func `equals are halted as often as two standard errors say`() {
        // The worse of two equals is beyond 2 standard errors in one of 20, by Student's t of 31 degrees.
        let rule = Halving(images: 32, factor: 2, z: 2)
        let halted = (0..<1000).count { seed in
            rule.verdicts(losses([0, 0], images: 32, noise: 0.1, seed: UInt64(seed)))
                .contains { $0 != nil }
        }
        #expect((30...80).contains(halted), "\(halted)")
    }

    @Test func `of a generation the best goes on, at a share of the images`() {
        let rule = Halving(images: 32, factor: 4, z: 2)
        var (kept, scored) = (0, 0)
        for seed in 0..<10 {
            var random = CounterRandom(seed: UInt64(seed), stream: "quality")
            let quality = (0..<50).map { _ in 0.3 * random.normal() }
            let all = losses(quality, images: 256, noise: 0.3, seed: UInt64(seed))
            var left = Array(quality.indices)
            for rung in rule.rungs(of: 256) {
                scored += left.count * rung
                let verdicts = rule.verdicts(left.map { Array(all[$0].prefix(rung)) })
                left = zip(left, verdicts).compactMap { $1 == nil ? $0 : nil }
            }
            scored += left.count * 256
            let best = quality.indices.min { quality[$0] < quality[$1] }
            if let best, left.contains(best) { kept += 1 }
        }
        #expect(kept == 10)
        #expect(Double(scored) / Double(10 * 50 * 256) < 0.8, "\(scored)")
    }

    @Test func `a halted candidate is never a parent, nor proposed again`() throws {
        var settings = EvolutionSettings()
        settings.population = 8
        settings.generations = 6
        settings.parents = 4
        settings.mutation = 3
        settings.crossover = 3
        var search = try EvolutionStrategy(space: Spaces.mini, settings: settings)
        var halted: Set<Int> = []
        var seen: Set<Genome> = []
        while true {
            let asked = try search.ask()
            guard !asked.isEmpty else { break }
            for candidate in asked {
                #expect(seen.insert(candidate.genome).inserted)
                switch candidate.origin {
                case .mutation(let parent): #expect(!halted.contains(parent))
                case .crossover(let first, let second):
                    #expect(!halted.contains(first) && !halted.contains(second))
                case .random, .seed: break
                }
                if candidate.index.isMultiple(of: 2) {
                    halted.insert(candidate.index)
                    let verdict = try #require(
                        Halving(images: 2, factor: 2, z: 0).verdicts([[1, 1], [2, 2]])[1]
                    )
                    try search.tell([candidate.halted(verdict)])
                } else {
                    let value = Double(candidate.index)
                    try search.tell([candidate.scored(Score(value: value, scale: Planted.scale))])
                }
            }
        }
        #expect(search.archive.count == 48 && search.archive.ranked().count == 24)
        let read = try Archive.read(journal: search.archive.journal()).archive
        #expect(read == search.archive)
    }
}
