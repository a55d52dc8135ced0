import Search
import SearchSpaces
import Testing

/// DetNAS's settings, 1000 evaluations, on a score with a known best genome and noise.
struct PlantedOptimumTests {
    private struct Outcome {
        var evolution = 0
        var random = 0
    }

    private func found(_ strategy: inout some Strategy, _ planted: Planted) throws -> Bool {
        try strategy.run { planted.score($0.genome) }
        #expect(strategy.archive.count == 1000)
        return strategy.archive.top(1).first?.genome == planted.optimum
    }

    /// How often each strategy reports the planted genome as the best, over ten seeds.
    private func outcome(
        _ space: SearchSpace,
        limit: Int?,
        imageSize: Int,
        noise: Double,
    ) throws -> Outcome {
        var outcome = Outcome()
        for seed in UInt64(0)..<10 {
            var settings = EvolutionSettings()
            settings.seed = seed
            settings.limit = limit
            settings.imageSize = imageSize
            var random = CounterRandom(seed: seed, stream: "optimum")
            let table = space.costTable(height: imageSize, width: imageSize)
            let planted = Planted(
                optimum: try #require(table.uniform(within: limit ?? .max, using: &random)),
                noise: noise,
                seed: seed,
            )
            var evolution = try EvolutionStrategy(space: space, settings: settings)
            if try found(&evolution, planted) { outcome.evolution += 1 }
            var baseline = try RandomStrategy(space: space, settings: settings)
            if try found(&baseline, planted) { outcome.random += 1 }
            if let limit {
                for candidate in evolution.archive.candidates + baseline.archive.candidates {
                    #expect(candidate.cost.macs <= limit)
                }
            }
        }
        return outcome
    }

    @Test func `evolution finds the planted genome among 17 million where random search does not`()
        throws
    {
        let outcome = try outcome(Spaces.mini, limit: nil, imageSize: 192, noise: 0.2)
        #expect(outcome.evolution >= 9)
        #expect(outcome.random <= 1)
    }

    @Test func `evolution finds it under a limit that three of four networks miss`() throws {
        let (side, limit) = (176, 18_000_000)
        let table = Spaces.mini.costTable(height: side, width: side)
        var random = CounterRandom(seed: 0)
        let fitting = (0..<1000).count { _ in
            table.cost(of: table.uniform(using: &random)) <= limit
        }
        #expect(fitting < 250)
        let outcome = try outcome(Spaces.mini, limit: limit, imageSize: side, noise: 0.2)
        #expect(outcome.evolution >= 9)
        #expect(outcome.random <= 1)
    }

    @Test func `evolution finds it among a million million networks under 300 million`() throws {
        let outcome = try outcome(Spaces.small, limit: 300_000_000, imageSize: 224, noise: 0.2)
        #expect(outcome.evolution >= 9)
        #expect(outcome.random <= 1)
    }
}
