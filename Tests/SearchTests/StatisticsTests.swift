import Search
import SearchSpaces
import Testing

struct StatisticsTests {
    // def tau(a, b):
    //     s = lambda x: (x > 0) - (x < 0)
    //     p = [(s(a[i] - a[j]), s(b[i] - b[j])) for i, j in combinations(range(len(a)), 2)]
    //     return sum(x * y for x, y in p) / sqrt(sum(x * x for x, _ in p) * sum(y * y for _, y in p))
    // tau([1, 2, 3, 4, 5], [3, 1, 2, 5, 4]), tau([1, 1, 2, 3, 3, 4], [2, 1, 1, 3, 4, 4])
    // -> 0.4, 0.6923076923076923
    @Test func `tau-b counts ties as the definition does`() throws {
        #expect(kendallTau([1, 2, 3], [10, 20, 30]) == 1)
        #expect(kendallTau([1, 2, 3], [3, 2, 1]) == -1)
        #expect(kendallTau([1, 2, 3, 4, 5], [3, 1, 2, 5, 4]) == 0.4)
        let tied = try #require(kendallTau([1, 1, 2, 3, 3, 4], [2, 1, 1, 3, 4, 4]))
        #expect(abs(tied - 0.6923076923076923) < 1e-15)
        #expect(kendallTau([1, 1], [1, 2]) == nil)
        #expect(kendallTau([], []) == nil)
        #expect(kendallTau([1], [1]) == nil)
    }

    @Test func `a generation's best and mean leave failures out`() throws {
        let settings = {
            var settings = EvolutionSettings()
            settings.population = 4
            settings.generations = 2
            settings.mutation = 1
            settings.crossover = 1
            return settings
        }()
        var search = try EvolutionStrategy(space: Spaces.mini, settings: settings)
        try search.run { candidate in
            if candidate.index == 1 || candidate.generation == 1 {
                throw EvaluationError(reason: "broken")
            }
            return Score(value: Double(candidate.index), scale: Planted.scale)
        }
        let summaries = search.archive.summaries()
        #expect(summaries.map(\.generation) == [0, 1])
        #expect(summaries.map(\.evaluated) == [3, 0])
        #expect(summaries.map(\.failed) == [1, 4])
        #expect(summaries.map(\.best) == [3, nil])
        #expect(summaries.map(\.mean) == [5.0 / 3, nil])
        #expect(summaries.map(\.bestIndex) == [3, nil])
        #expect(Archive().summaries().isEmpty)
    }
}
