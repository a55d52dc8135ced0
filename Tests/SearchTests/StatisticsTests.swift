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

    // Fixtures/make_tau.py, with scipy 1.17.1 and numpy 2.4.6.
    @Test func `tau-b and its bootstrap interval are SciPy's, over the same draws`() throws {
        let scores = [0.31, 0.29, 0.33, 0.30, 0.28, 0.35, 0.32, 0.30, 0.27, 0.34]
        let alone = [0.41, 0.42, 0.45, 0.40, 0.38, 0.44, 0.46, 0.41, 0.39, 0.43]
        #expect(abs(try #require(kendallTau(scores, alone)) - 0.5681818181818181) < 1e-12)
        let many = try #require(kendallTau([1, 2, 2, 2, 5, 6, 6], [7, 7, 3, 3, 3, 1, 1]))
        #expect(abs(many + 0.8488746876271654) < 1e-12)
        let interval = try #require(kendallTauInterval(scores, alone, resamples: 500, seed: 7))
        #expect(abs(interval.low - 0.1794871794871795) < 1e-12)
        #expect(abs(interval.high - 0.8555257587430848) < 1e-12)
        let wide = try #require(
            kendallTauInterval([1, 2, 3], [1, 3, 2], resamples: 200, seed: 1)
        )
        #expect(abs(wide.low + 1) < 1e-12 && abs(wide.high - 1) < 1e-12)
        #expect(kendallTauInterval([1, 1], [1, 2], resamples: 50, seed: 1) == nil)
        #expect(kendallTauInterval([], [], resamples: 50, seed: 1) == nil)
    }

    // scipy.stats.t.ppf(0.975, [2, 3, 9, 30]) -> 4.30265273, 3.18244631, 2.26215716, 2.04227246 (scipy 1.17.1)
    @Test func `Student's t is SciPy's to one in a hundred`() {
        let expected = [2: 4.30265273, 3: 3.18244631, 9: 2.26215716, 30: 2.04227246]
        for (degrees, value) in expected {
            #expect(abs(studentT(degrees: degrees) - value) < 0.01 * value)
        }
        #expect(abs(studentT(degrees: 9) - 2.26215716) < 1e-4)
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
