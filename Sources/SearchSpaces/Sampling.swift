// Random genomes: for training, where each step gets one path, and for search, where a limit holds.

/// Which paths of the supernet a training step takes; pure functions of the space, the seed and the step.
package enum PathSampler: Sendable {
    /// One uniform path (DetNAS, section 3.2).
    case uniform
    /// One path of a cost bin, the bin uniform: the official ImageNet code. It lifts the rare ends of the space.
    case binned(CostBins)
    /// As many paths as there are operations, so that each operation of each position is in just one of them
    /// (strict fairness: FairNAS, arXiv:1907.01845). Their gradients are added up into one update.
    case fair

    package func paths(of space: SearchSpace, seed: UInt64, step: Int) -> [Genome] {
        let step = UInt64(bitPattern: Int64(step))
        switch self {
        case .uniform:
            var random = CounterRandom(seed: seed, stream: "path", step)
            return [space.uniform(using: &random)]
        case .binned(let bins):
            var random = CounterRandom(seed: seed, stream: "binned path", step)
            return [bins.path(of: space, using: &random)]
        case .fair:
            var random = CounterRandom(seed: seed, stream: "fair paths", step)
            let orders = (0..<space.length).map { _ in
                random.permutation(space.operations.count)
            }
            return space.operations.indices.map { path in Genome(orders.map { UInt8($0[path]) }) }
        }
    }

    /// One uniform path, for what is measured on the way.
    package static func uniform(space: SearchSpace, seed: UInt64, step: Int) -> Genome {
        uniform.paths(of: space, seed: seed, step: step)[0]
    }
}

/// Equal bins of cost, of which each is as likely as the others.
package struct CostBins: Sendable {
    package let table: CostTable
    /// Where the first bin begins, and how wide each is.
    package let start: Int
    package let width: Int
    package let count: Int

    /// How many uniform paths are tried before any path is taken. Source: the official code.
    private static let tries = 500

    /// - Precondition: `width` and `count` are positive.
    package init(table: CostTable, start: Int, width: Int, count: Int) {
        precondition(width > 0 && count > 0)
        self.table = table
        self.start = start
        self.width = width
        self.count = count
    }

    func path(of space: SearchSpace, using random: inout CounterRandom) -> Genome {
        let low = start + width * random.below(count)
        for _ in 0..<CostBins.tries {
            let genome = space.uniform(using: &random)
            if (low...low + width).contains(table.cost(of: genome)) { return genome }
        }
        return space.uniform(using: &random)
    }
}

extension SearchSpace {
    /// A genome in which every letter is uniform.
    package func uniform(using random: inout CounterRandom) -> Genome {
        Genome((0..<length).map { _ in UInt8(random.below(operations.count)) })
    }
}

extension CostTable {
    /// How many uniform genomes are tried before letters are masked.
    private static let uniformTries = 200

    /// A genome in which every letter is uniform.
    package func uniform(using random: inout CounterRandom) -> Genome {
        Genome(rows.map { UInt8(random.below($0.count)) })
    }

    /// A genome that costs at most `limit`, or nil when there is none.
    ///
    /// Uniform over all such genomes as long as they are not rarer than about one in a hundred: then
    /// a uniform genome that fits turns up. Else letters are drawn from left to right among those
    /// after which the word can still end within the limit, which always succeeds and is not quite
    /// uniform.
    package func uniform(within limit: Int, using random: inout CounterRandom) -> Genome? {
        guard minimum <= limit else { return nil }
        for _ in 0..<CostTable.uniformTries {
            let genome = uniform(using: &random)
            if cost(of: genome) <= limit { return genome }
        }
        return masked(within: limit, using: &random)
    }

    /// A genome drawn letter by letter among those that still fit, or nil when none does.
    package func masked(within limit: Int, using random: inout CounterRandom) -> Genome? {
        guard minimum <= limit else { return nil }
        var (word, spent): ([UInt8], Int) = ([], constant)
        for position in rows.indices {
            let allowed = letters(at: position, spent: spent, within: limit)
            let letter = allowed[random.below(allowed.count)]
            word.append(letter)
            spent += rows[position][Int(letter)]
        }
        return Genome(word)
    }
}
