// DetNAS's evolution (arXiv:1903.10979, section 3.3): the best of all generations are parents; a
// generation is children by mutation, children by crossover and random newcomers. Unlike in the
// official code no genome is ever evaluated twice, every try counts against the cap, and when the
// space under the limit is used up the search ends instead of looping.

package import SearchSpaces

/// Evolution over genomes within a cost limit.
///
/// Generation `k` is a pure function of the seed, of `k` and of the candidates of generations
/// before it.
package struct EvolutionStrategy: Strategy {
    package let space: SearchSpace
    package private(set) var settings: EvolutionSettings
    package private(set) var archive: Archive
    private let costs: CostTable
    private var generation = 0
    /// The current generation as it was proposed; nil until it is asked for.
    private var proposed: [Candidate]?

    /// A search that goes on from the candidates in `archive`, which may end anywhere within a
    /// generation.
    ///
    /// - Throws: `SearchError` when the settings or the space cannot be, no genome fits under the
    ///   limit, or the archive is not of this search.
    package init(
        space: SearchSpace,
        settings: EvolutionSettings,
        replaying archive: Archive = Archive(),
    ) throws(SearchError) {
        if let problem = settings.problem { throw problem }
        let problems = space.validate()
        guard problems.isEmpty else { throw .space(problems.map(\.description)) }
        self.space = space
        self.settings = settings
        self.archive = archive
        costs = space.costTable(
            .macs(settings.convention),
            height: settings.imageSize,
            width: settings.imageSize,
        )
        if let limit = settings.limit, limit < costs.minimum {
            throw .impossibleLimit(
                limit: limit,
                cheapest: costs.minimum,
                convention: settings.convention,
            )
        }
        try checkSeeds()
        try replay()
    }

    /// Fails unless all seeds are of the space, within the limit, and fit into a generation.
    private func checkSeeds() throws(SearchError) {
        for genome in settings.seeds {
            do {
                try genome.check(in: space)
            } catch {
                throw .setting(name: "seeds", value: "\(genome)", allowed: "\(error)")
            }
            let cost = costs.cost(of: genome)
            if let limit = settings.limit, cost > limit {
                throw .seedOverLimit(
                    genome: genome,
                    cost: cost,
                    limit: limit,
                    convention: settings.convention,
                )
            }
        }
        let count = Set(settings.seeds).count
        guard count <= settings.population else {
            throw .setting(
                name: "seeds",
                value: "\(count) architectures",
                allowed: "at most the population, \(settings.population)",
            )
        }
    }

    package mutating func ask() -> [Candidate] { ask { _ in [] } }

    package mutating func ask(seeds: (Int) throws -> [Genome]) rethrows -> [Candidate] {
        while generation < settings.generations {
            if proposed == nil, generation > 0, settings.laterSeeds[generation] == nil,
                !archive.candidates.contains(where: { $0.generation == generation })
            {
                settings.laterSeeds[generation] = try seeds(generation)
            }
            let candidates = proposed ?? propose(generation)
            proposed = candidates
            let known = candidates.map { archive[$0.genome] ?? $0 }
            if known.isEmpty || !known.allSatisfy(\.isFinished) { return known }
            generation += 1
            proposed = nil
        }
        return []
    }

    package mutating func tell(_ candidates: [Candidate]) throws {
        for candidate in candidates where archive[candidate.genome] != candidate {
            guard let asked = proposed?.first(where: { $0.genome == candidate.genome }),
                asked.isSameProposal(as: candidate)
            else { throw SearchError.notAsked(index: candidate.index, genome: candidate.genome) }
            try archive.append(candidate)
        }
    }

    /// Walks through the generations that the archive holds, and refuses it unless each of its
    /// candidates is one that this search proposes.
    private mutating func replay() throws(SearchError) {
        var known: Set<Genome> = []
        for number in 0..<settings.generations where known.count < archive.count {
            let candidates = propose(number)
            if candidates.isEmpty { break }
            for candidate in candidates {
                guard let archived = archive[candidate.genome] else { continue }
                guard candidate.isSameProposal(as: archived) else {
                    throw .otherJournal(index: archived.index, genome: archived.genome)
                }
                known.insert(candidate.genome)
            }
            // The generations after an unfinished one were never proposed.
            if !candidates.allSatisfy({ archive[$0.genome] != nil }) { break }
        }
        if let stranger = archive.candidates.first(where: { !known.contains($0.genome) }) {
            throw .otherJournal(index: stranger.index, genome: stranger.genome)
        }
    }

    /// Those that are of the space and within the limit, at most a generation.
    private func laterSeeds(of number: Int) -> [Genome] {
        let fitting = (settings.laterSeeds[number] ?? []).filter { genome in
            guard (try? genome.check(in: space)) != nil else { return false }
            return costs.cost(of: genome) <= settings.limit ?? .max
        }
        return Array(fitting.prefix(settings.population))
    }

    /// Generation `number`, from the candidates of the generations before it.
    private func propose(_ number: Int) -> [Candidate] {
        var brood = Brood(
            costs: costs,
            limit: settings.limit ?? .max,
            taken: Set(archive.candidates.lazy.filter { $0.generation < number }.map(\.genome)),
            random: CounterRandom(seed: settings.seed, stream: "evolution", UInt64(number)),
        )
        let first = brood.taken.count
        let parents = Array(
            archive.ranked(by: settings.convention, before: number).prefix(settings.parents)
        )
        brood.addSeeds(number == 0 ? settings.seeds : laterSeeds(of: number))
        if !parents.isEmpty {
            brood.mutate(
                parents,
                children: min(settings.mutation, settings.population - brood.members.count),
                probability: settings.mutationProbability,
            )
            brood.cross(
                parents,
                children: min(settings.crossover, settings.population - brood.members.count),
            )
        }
        brood.addRandom(upTo: settings.population)
        return brood.members.enumerated().map { place, member in
            Candidate(
                index: first + place,
                generation: number,
                genome: member.genome,
                cost: space.cost(
                    of: member.genome,
                    height: settings.imageSize,
                    width: settings.imageSize,
                ),
                origin: member.origin,
            )
        }
    }
}

extension Candidate {
    /// Whether both are the same proposal, whatever came of it.
    fileprivate func isSameProposal(as other: Candidate) -> Bool {
        index == other.index && generation == other.generation && genome == other.genome
            && cost == other.cost && origin == other.origin
    }
}
