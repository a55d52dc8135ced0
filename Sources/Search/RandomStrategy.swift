// Random search: what every other strategy has to beat at the same budget.

package import SearchSpaces

/// Distinct random genomes within a cost limit, in generations like the evolution's.
///
/// With the same seed its first generation is the evolution's.
package struct RandomStrategy: Strategy {
    private var search: EvolutionStrategy

    /// As many candidates as the evolution of these settings would evaluate; its settings for
    /// children are not used.
    package init(
        space: SearchSpace,
        settings: EvolutionSettings,
        replaying archive: Archive = Archive(),
    ) throws(SearchError) {
        var settings = settings
        settings.mutation = 0
        settings.crossover = 0
        search = try EvolutionStrategy(space: space, settings: settings, replaying: archive)
    }

    package var archive: Archive { search.archive }

    package mutating func ask() -> [Candidate] { search.ask() }

    package mutating func ask(seeds: (Int) throws -> [Genome]) rethrows -> [Candidate] {
        try search.ask(seeds: seeds)
    }

    package mutating func tell(_ candidates: [Candidate]) throws { try search.tell(candidates) }
}
