// The making of one generation: new genomes within the limit, and a bound on every loop.

import SearchSpaces

/// Gathers the members of a generation.
struct Brood {
    let costs: CostTable
    let limit: Int
    /// Genomes that may not come again: of earlier generations and of this one.
    private(set) var taken: Set<Genome>
    private(set) var members: [(genome: Genome, origin: Origin)] = []
    private var random: CounterRandom
    /// Whether random genomes were known ones again and again.
    private var isScarce = false

    /// How many tries each wanted child has on average; every try counts (official: on success).
    private static let triesPerChild = 10
    /// How many random genomes may be known ones in a row before the rest is listed in order.
    private static let randomTries = 100

    init(costs: CostTable, limit: Int, taken: Set<Genome>, random: CounterRandom) {
        self.costs = costs
        self.limit = limit
        self.taken = taken
        self.random = random
    }

    /// Adds the genomes that somebody asked for, in their order, each once.
    mutating func addSeeds(_ genomes: [Genome]) {
        for genome in genomes where !taken.contains(genome) { add(genome, .seed) }
    }

    /// Adds up to `children` genomes: a parent in which each letter is drawn anew with
    /// `probability`.
    mutating func mutate(_ parents: [Candidate], children: Int, probability: Double) {
        let choices = costs.rows.map(\.count)
        add(children) { random in
            let parent = parents[random.below(parents.count)]
            let letters = zip(parent.genome.letters, choices).map { letter, count in
                random.uniform() < probability ? UInt8(random.below(count)) : letter
            }
            return (Genome(letters), .mutation(of: parent.index))
        }
    }

    /// Adds up to `children` genomes: each letter from either of two parents, which may be the same.
    mutating func cross(_ parents: [Candidate], children: Int) {
        add(children) { random in
            let first = parents[random.below(parents.count)]
            let second = parents[random.below(parents.count)]
            let letters = zip(first.genome.letters, second.genome.letters).map { pair in
                random.below(2) == 0 ? pair.0 : pair.1
            }
            return (Genome(letters), .crossover(of: first.index, and: second.index))
        }
    }

    /// Fills up to `count` members with random genomes; with fewer when no more exist.
    mutating func addRandom(upTo count: Int) {
        while members.count < count, let genome = newRandom() { add(genome, .random) }
    }

    /// A genome that is not taken: uniform over those within the limit; when hardly any is left, the
    /// next free one in the order of words after a random start. Nil when all are taken.
    private mutating func newRandom() -> Genome? {
        for _ in 0..<(isScarce ? 0 : Brood.randomTries) {
            guard let genome = costs.uniform(within: limit, using: &random) else { return nil }
            if !taken.contains(genome) { return genome }
        }
        isScarce = true
        let start = costs.masked(within: limit, using: &random)
        var genome = start
        // Each step but the last meets a taken genome, so there are at most `taken.count` + 1.
        repeat {
            genome =
                costs.successor(of: genome, within: limit)
                ?? costs.successor(of: nil, within: limit)
            if let genome, !taken.contains(genome) { return genome }
        } while genome != start
        return nil
    }

    private mutating func add(
        _ wanted: Int,
        _ make: (inout CounterRandom) -> (Genome, Origin),
    ) {
        let goal = members.count + wanted
        for _ in 0..<(wanted * Brood.triesPerChild) where members.count < goal {
            let (genome, origin) = make(&random)
            if costs.cost(of: genome) <= limit, !taken.contains(genome) { add(genome, origin) }
        }
    }

    private mutating func add(_ genome: Genome, _ origin: Origin) {
        taken.insert(genome)
        members.append((genome, origin))
    }
}
