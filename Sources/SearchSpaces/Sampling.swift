// Random genomes: for training, where each step gets one path, and for search, where a limit holds.

/// Which path of the supernet a training step takes.
package enum PathSampler {
    /// A uniform path (DetNAS, section 3.2); a pure function of its arguments.
    package static func uniform(space: SearchSpace, seed: UInt64, step: Int) -> Genome {
        var random = CounterRandom(
            seed: seed,
            stream: "path",
            UInt64(bitPattern: Int64(step)),
        )
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
