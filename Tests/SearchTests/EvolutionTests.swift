import Foundation
import Search
import SearchSpaces
import Testing

struct EvolutionTests {
    private let planted = Planted(
        optimum: Genome([2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3]),
        noise: 0.3,
        seed: 1,
    )

    private func settings(
        population: Int,
        generations: Int,
        parents: Int,
        mutation: Int,
        crossover: Int,
        limit: Int? = nil,
        seed: UInt64 = 1,
    ) -> EvolutionSettings {
        var settings = EvolutionSettings()
        settings.population = population
        settings.generations = generations
        settings.parents = parents
        settings.mutation = mutation
        settings.crossover = crossover
        settings.limit = limit
        settings.imageSize = 64
        settings.seed = seed
        return settings
    }

    private var few: EvolutionSettings {
        settings(population: 6, generations: 4, parents: 3, mutation: 2, crossover: 2)
    }

    @Test func `the defaults are the paper's`() {
        let settings = EvolutionSettings()
        #expect(settings.population == 50 && settings.generations == 20)
        #expect(settings.parents == 10 && settings.mutation == 20 && settings.crossover == 20)
        #expect(settings.mutationProbability == 0.1 && settings.convention == .backbone)
    }

    @Test func `a generation is twenty mutations, twenty crossings and ten newcomers`() throws {
        var search = try EvolutionStrategy(space: Spaces.mini, settings: EvolutionSettings())
        let generations = try search.run { planted.score($0.genome) }
        #expect(generations.count == 20)
        #expect(generations[0].allSatisfy { $0.origin == .random })
        #expect(generations.joined().map(\.index) == Array(0..<1000))
        for generation in generations.dropFirst(1).prefix(3) {
            var counts = [0, 0, 0]
            for candidate in generation {
                switch candidate.origin {
                case .mutation: counts[0] += 1
                case .crossover: counts[1] += 1
                case .random, .seed: counts[2] += 1
                }
            }
            #expect(counts == [20, 20, 10])
        }
    }

    @Test func `architectures that join are in one generation, and a replay is the same`() throws {
        var search = try EvolutionStrategy(space: Spaces.mini, settings: few)
        let joining = Genome([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3])
        let foreign = Genome([9])
        var asked: [Int] = []
        var generations: [[Candidate]] = []
        while true {
            let candidates = try search.ask { generation in
                asked.append(generation)
                return generation == 2 ? [joining, foreign, joining] : []
            }
            if candidates.isEmpty { break }
            generations.append(candidates)
            for candidate in candidates {
                try search.tell([candidate.scored(planted.score(candidate.genome))])
            }
        }
        #expect(asked == [1, 2, 3])
        #expect(generations.map(\.count) == [6, 6, 6, 6])
        #expect(generations[2].filter { $0.origin == .seed }.map(\.genome) == [joining])
        #expect(generations.joined().filter { $0.genome == joining }.count == 1)
        var settings = few
        #expect(throws: SearchError.self) {
            try EvolutionStrategy(
                space: Spaces.mini,
                settings: settings,
                replaying: search.archive,
            )
        }
        settings.laterSeeds = [2: [joining, foreign, joining]]
        var again = try EvolutionStrategy(
            space: Spaces.mini,
            settings: settings,
            replaying: search.archive,
        )
        #expect(try again.ask().isEmpty)
        // A whole generation of them leaves no room for children.
        let many = (0..<6).map { Genome([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, UInt8($0 % 4)]) }
        settings.laterSeeds = [1: many + [joining]]
        var full = try EvolutionStrategy(space: Spaces.mini, settings: settings)
        #expect(try full.run { planted.score($0.genome) }.map(\.count) == [6, 6, 6, 6])
    }

    @Test func `no genome is evaluated twice, within or across generations`() throws {
        var search = try EvolutionStrategy(space: Spaces.mini, settings: EvolutionSettings())
        var evaluations = 0
        let generations = try search.run {
            evaluations += 1
            return planted.score($0.genome)
        }
        #expect(evaluations == 1000)
        #expect(Set(generations.joined().map(\.genome)).count == evaluations)
        #expect(search.archive.count == evaluations)
    }

    @Test func `children come from the best of all generations before, and inherit their letters`()
        throws
    {
        let settings = few
        var search = try EvolutionStrategy(space: Spaces.mini, settings: settings)
        let generations = try search.run { planted.score($0.genome) }
        let archive = search.archive
        let byIndex = Dictionary(
            uniqueKeysWithValues: archive.candidates.map { ($0.index, $0) }
        )
        for (number, generation) in generations.enumerated().dropFirst() {
            let best = archive.ranked(before: number).prefix(settings.parents)
            #expect(Set(best.map(\.genome)).count == settings.parents)
            for child in generation {
                switch child.origin {
                case .random, .seed:
                    break
                case .mutation(let parent):
                    #expect(best.contains { $0.index == parent })
                case .crossover(let first, let second):
                    #expect(best.contains { $0.index == first })
                    #expect(best.contains { $0.index == second })
                    let parents = try [first, second].map { try #require(byIndex[$0]) }
                    for (place, letter) in child.genome.letters.enumerated() {
                        #expect(parents.contains { $0.genome.letters[place] == letter })
                    }
                }
            }
        }
    }

    @Test(arguments: [CostConvention.backbone, .classifier], [0.0, 0.02, 0.3])
    func `no candidate is above the limit, however tight it is`(
        convention: CostConvention,
        room: Double,
    ) throws {
        let table = Spaces.mini.costTable(.macs(convention), height: 64, width: 64)
        let limit = table.minimum + Int(room * Double(table.maximum - table.minimum))
        var settings = few
        settings.convention = convention
        settings.limit = limit
        for search in [
            try EvolutionStrategy(space: Spaces.mini, settings: settings) as any Strategy,
            try RandomStrategy(space: Spaces.mini, settings: settings),
        ] {
            var search = search
            let asked = try search.run { planted.score($0.genome) }.joined()
            #expect(!asked.isEmpty)
            for candidate in asked {
                #expect(candidate.cost.macs(convention) <= limit)
                #expect(table.cost(of: candidate.genome) == candidate.cost.macs(convention))
            }
        }
    }

    @Test func `an impossible limit is refused at once, with the cheapest cost`() throws {
        let cheapest = Spaces.small.costTable().minimum
        var settings = EvolutionSettings()
        settings.limit = cheapest - 1
        let duration = ContinuousClock().measure {
            #expect(
                throws: SearchError.impossibleLimit(
                    limit: cheapest - 1,
                    cheapest: 237_222_720,
                    convention: .backbone,
                )
            ) { try EvolutionStrategy(space: Spaces.small, settings: settings) }
        }
        #expect(duration < .seconds(1))
        settings.limit = cheapest
        var search = try EvolutionStrategy(space: Spaces.small, settings: settings)
        let asked = try search.run { _ in Score(value: 0, scale: Planted.scale) }
        #expect(asked.map { $0.map(\.cost.macs) } == [[cheapest]])
    }

    @Test func `a space that is used up ends the search with every network once`() throws {
        for mutation in [0, 4, 10] {
            var search = try EvolutionStrategy(
                space: Spaces.tiny,
                settings: settings(
                    population: 10,
                    generations: 20,
                    parents: 2,
                    mutation: mutation,
                    crossover: 10 - mutation,
                ),
            )
            let generations = try search.run { _ in Score(value: 1, scale: Planted.scale) }
            #expect(generations.map(\.count) == [10, 6])
            #expect(search.archive.count == 16)
            #expect(search.ask().isEmpty)
        }
    }

    @Test func `a search that fails on some genomes goes on without them`() throws {
        let settings = few
        var search = try EvolutionStrategy(space: Spaces.mini, settings: settings)
        try search.run { candidate in
            if candidate.index % 3 == 0 { throw EvaluationError(reason: "no statistics") }
            return planted.score(candidate.genome)
        }
        #expect(search.archive.count == 24)
        #expect(search.archive.failures.map(\.index).sorted() == [0, 3, 6, 9, 12, 15, 18, 21])
        #expect(search.archive.failures.allSatisfy { $0.failure == "no statistics" })
        #expect(Set(search.archive.candidates.map(\.genome)).count == 24)
        let parents = search.archive.ranked().map(\.index)
        for case .mutation(let parent) in search.archive.candidates.map(\.origin) {
            #expect(parents.contains(parent))
        }
    }

    @Test func `a search in which everything fails ends after its budget`() throws {
        var search = try EvolutionStrategy(space: Spaces.mini, settings: few)
        try search.run { _ in throw EvaluationError(reason: "broken") }
        #expect(search.archive.count == 24 && search.archive.ranked().isEmpty)
    }

    @Test func `a search resumed after any candidate goes on as if it had not stopped`() throws {
        for limit in [nil, 3_500_000] {
            var settings = few
            settings.limit = limit
            var whole = try EvolutionStrategy(space: Spaces.mini, settings: settings)
            func evaluate(_ candidate: Candidate) throws -> Score {
                if candidate.index == 8 { throw EvaluationError(reason: "broken") }
                return planted.score(candidate.genome)
            }
            let generations = try whole.run(evaluate)
            let lines = try whole.archive.journal()
            for cut in 0...whole.archive.count {
                var prefix = Archive()
                for candidate in whole.archive.candidates.prefix(cut) {
                    try prefix.append(candidate)
                }
                var resumed = try EvolutionStrategy(
                    space: Spaces.mini,
                    settings: settings,
                    replaying: prefix,
                )
                let asked = resumed.ask()
                #expect(asked.filter(\.isFinished).allSatisfy { prefix[$0.genome] == $0 })
                let rest = try resumed.run(evaluate)
                #expect(try resumed.archive.journal() == lines)
                // The generation that was cut is asked for again as a whole.
                let started = cut / settings.population
                #expect(
                    rest.map { $0.map(\.genome) }
                        == generations.dropFirst(started).map { $0.map(\.genome) }
                )
            }
        }
    }

    @Test func `asking again changes nothing until every candidate is told`() throws {
        var search = try EvolutionStrategy(space: Spaces.mini, settings: few)
        let first = search.ask()
        #expect(search.ask() == first)
        try search.tell([first[2].scored(planted.score(first[2].genome))])
        let again = search.ask()
        #expect(again.map(\.genome) == first.map(\.genome))
        #expect(again.map(\.isFinished) == [false, false, true, false, false, false])
        try search.tell([again[2]])
        #expect(search.archive.count == 1)
    }

    @Test func `what was not asked for, or was told otherwise before, is refused`() throws {
        var search = try EvolutionStrategy(space: Spaces.mini, settings: few)
        let first = search.ask()[0]
        let score = planted.score(first.genome)
        let stranger = Candidate(
            index: 0,
            generation: 0,
            genome: planted.optimum,
            cost: first.cost,
            origin: .random,
            score: score,
        )
        #expect(throws: SearchError.notAsked(index: 0, genome: planted.optimum)) {
            try search.tell([stranger])
        }
        try search.tell([first.scored(score)])
        #expect(throws: ArchiveError.repeated(index: 0, earlier: 0)) {
            try search.tell([first.failed("changed its mind")])
        }
    }

    @Test func `the journal of another seed is refused`() throws {
        var search = try EvolutionStrategy(space: Spaces.mini, settings: few)
        try search.run { planted.score($0.genome) }
        var other = few
        other.seed = 2
        #expect(throws: SearchError.self) {
            try EvolutionStrategy(
                space: Spaces.mini,
                settings: other,
                replaying: search.archive,
            )
        }
        var shorter = few
        shorter.generations = 3
        #expect(throws: SearchError.self) {
            try EvolutionStrategy(
                space: Spaces.mini,
                settings: shorter,
                replaying: search.archive,
            )
        }
        var longer = few
        longer.generations = 5
        var extended = try EvolutionStrategy(
            space: Spaces.mini,
            settings: longer,
            replaying: search.archive,
        )
        #expect(extended.ask().map(\.generation) == [4, 4, 4, 4, 4, 4])
    }

    @Test func `seeds come first, each once, in evolution and in random search`() throws {
        var settings = few
        let genomes = [[0], [1], [2]].map { letter in
            Genome([UInt8](repeating: letter[0], count: Spaces.mini.length))
        }
        settings.seeds = [genomes[1], genomes[0], genomes[1], genomes[2]]
        for search in [
            try EvolutionStrategy(space: Spaces.mini, settings: settings) as any Strategy,
            try RandomStrategy(space: Spaces.mini, settings: settings),
        ] {
            var search = search
            let generations = try search.run { planted.score($0.genome) }
            let first = generations[0]
            #expect(first.prefix(3).map(\.genome) == [genomes[1], genomes[0], genomes[2]])
            #expect(first.map(\.origin) == [.seed, .seed, .seed, .random, .random, .random])
            #expect(search.archive.candidates.count { $0.origin == .seed } == 3)
            let again = try Archive.read(journal: search.archive.journal()).archive
            #expect(again == search.archive)
        }
    }

    @Test func `a seed over the limit, of another space, or one too many is refused by name`() {
        let table = Spaces.mini.costTable(height: 64, width: 64)
        let dearest = Genome([UInt8](repeating: 2, count: Spaces.mini.length))
        let cost = table.cost(of: dearest)
        func refusal(_ change: (inout EvolutionSettings) -> Void) -> SearchError? {
            var settings = few
            change(&settings)
            do throws(SearchError) {
                _ = try EvolutionStrategy(space: Spaces.mini, settings: settings)
                return nil
            } catch { return error }
        }
        #expect(
            refusal {
                $0.seeds = [dearest]
                $0.limit = cost - 1
            }
                == .seedOverLimit(
                    genome: dearest,
                    cost: cost,
                    limit: cost - 1,
                    convention: .backbone,
                )
        )
        #expect(
            refusal {
                $0.seeds = [dearest]
                $0.limit = cost
            } == nil
        )
        let seven = (0..<7).map { index in
            Genome((0..<Spaces.mini.length).map { UInt8($0 == index ? 1 : 0) })
        }
        for error in [refusal { $0.seeds = seven }, refusal { $0.seeds = [Genome([0, 1])] }] {
            guard case .setting(name: "seeds", _, _) = error else {
                Issue.record("\(error.debugDescription)")
                continue
            }
        }
        #expect(refusal { $0.seeds = Array(seven.prefix(6)) + [seven[0]] } == nil)
    }

    @Test func `random search starts like the evolution of its seed and spends the same budget`()
        throws
    {
        var evolution = try EvolutionStrategy(space: Spaces.mini, settings: few)
        var random = try RandomStrategy(space: Spaces.mini, settings: few)
        let first = evolution.ask()
        #expect(random.ask() == first)
        try random.run { planted.score($0.genome) }
        #expect(random.archive.count == 24)
        #expect(random.archive.candidates.allSatisfy { $0.origin == .random })
        let resumed = try RandomStrategy(
            space: Spaces.mini,
            settings: few,
            replaying: random.archive,
        )
        #expect(resumed.archive == random.archive)
    }

    @Test func `settings that cannot be are refused by name`() {
        func name(_ change: (inout EvolutionSettings) -> Void) -> String {
            var settings = EvolutionSettings()
            change(&settings)
            do throws(SearchError) {
                _ = try EvolutionStrategy(space: Spaces.mini, settings: settings)
                return "accepted"
            } catch {
                if case .setting(let name, _, _) = error { return name }
                return "\(error)"
            }
        }
        #expect(name { $0.population = 0 } == "population")
        #expect(name { $0.generations = 0 } == "generations")
        #expect(name { $0.parents = 0 } == "parents")
        #expect(name { $0.mutation = 51 } == "mutation")
        #expect(name { $0.crossover = 31 } == "crossover")
        #expect(name { $0.mutation = -1 } == "mutation")
        #expect(name { $0.mutationProbability = .nan } == "mutationProbability")
        #expect(name { $0.imageSize = 0 } == "imageSize")
        let space = SearchSpace(name: "s", stem: 8, stages: [])
        #expect(throws: SearchError.self) {
            try EvolutionStrategy(space: space, settings: EvolutionSettings())
        }
    }
}
