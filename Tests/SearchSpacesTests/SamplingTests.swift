import SearchSpaces
import Testing

struct SamplingTests {
    @Test func `a training path depends on seed and step alone`() throws {
        let space = try Fixture.space("detnas-300m")
        let paths = (0..<200).map { PathSampler.uniform(space: space, seed: 5, step: $0) }
        #expect(
            paths.reversed()
                == (0..<200).reversed().map {
                    PathSampler.uniform(space: space, seed: 5, step: $0)
                }
        )
        #expect(Set(paths).count == 200)
        #expect(paths[0] != PathSampler.uniform(space: space, seed: 6, step: 0))
    }

    @Test func `every letter is equally frequent at every position`() throws {
        let space = try Fixture.space("detnas-mini")
        let steps = 8000
        var counts = [[Int]](repeating: [0, 0, 0, 0], count: space.length)
        for step in 0..<steps {
            let genome = PathSampler.uniform(space: space, seed: 0, step: step)
            for (position, letter) in genome.letters.enumerated() {
                counts[position][Int(letter)] += 1
            }
        }
        // Five standard deviations of a binomial with p = 1/4.
        let tolerance = 5 * (Double(steps) * 0.25 * 0.75).squareRoot()
        for count in counts.joined() {
            #expect(abs(Double(count) - Double(steps) / 4) < tolerance)
        }
    }

    @Test func `the share of paths within a limit is the published share`() throws {
        let table = try Fixture.space("detnas-300m").costTable()
        var random = CounterRandom(seed: 2)
        let costs = (0..<4000).map { _ in table.cost(of: table.uniform(using: &random)) }
        for (limit, share) in try #require(Published.all.get().sharesWithin["detnas-300m"]) {
            let limit = try #require(Int(limit))
            let found = Double(costs.count { $0 <= limit }) / Double(costs.count)
            #expect(abs(found - share) < 5 * (share * (1 - share) / 4000).squareRoot() + 1e-9)
        }
    }

    @Test func `under any possible limit a genome within it is found`() throws {
        let table = try Fixture.space("detnas-300m").costTable()
        var random = CounterRandom(seed: 4)
        for limit in [table.minimum, table.minimum + 1, 240_000_000, 300_000_000, table.maximum] {
            for _ in 0..<3 {
                let genome = try #require(table.uniform(within: limit, using: &random))
                #expect(table.cost(of: genome) <= limit)
                let masked = try #require(table.masked(within: limit, using: &random))
                #expect(table.cost(of: masked) <= limit)
            }
        }
        #expect(table.uniform(within: table.minimum - 1, using: &random) == nil)
        #expect(table.masked(within: table.minimum - 1, using: &random) == nil)
        #expect(table.uniform(within: table.minimum, using: &random) == table.cheapest)
    }

    @Test func `genomes within a limit are drawn uniformly`() throws {
        // Two letters at four positions: the words that cost at most 5 are known.
        let table = CostTable(constant: 1, rows: [[0, 1], [1, 0], [0, 2], [0, 4]])
        let feasible = words(of: table).filter { table.cost(of: $0) <= 5 }
        var random = CounterRandom(seed: 9)
        var counts: [Genome: Int] = [:]
        for _ in 0..<(feasible.count * 400) {
            counts[try #require(table.uniform(within: 5, using: &random)), default: 0] += 1
        }
        #expect(Set(counts.keys) == Set(feasible))
        #expect(counts.values.allSatisfy { abs($0 - 400) < 100 })
    }

    @Test(arguments: [-1, 1, 2, 4, 5, 8, 100])
    func `successors list every word within the limit once, in order`(limit: Int) {
        let table = CostTable(constant: 1, rows: [[0, 1], [1, 0], [0, 2, 1], [0, 4]])
        var listed: [Genome] = []
        var last: Genome?
        while let next = table.successor(of: last, within: limit), listed.count < 100 {
            listed.append(next)
            last = next
        }
        #expect(listed == words(of: table).filter { table.cost(of: $0) <= limit })
    }

    /// All words in order, by plain counting.
    private func words(of table: CostTable) -> [Genome] {
        table.rows.reduce([[]]) { words, row in
            words.flatMap { word in row.indices.map { word + [UInt8($0)] } }
        }.map { Genome($0) }
    }
}
