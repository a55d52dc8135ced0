// A cost as a sum over positions: one number for each choice and a constant. The cheapest way to
// end a word is then known in advance, so letters that cannot fit under a limit are masked instead
// of drawn and thrown away, and an impossible limit shows before anything runs.

/// What is added up.
package enum CostMetric: Hashable, Sendable {
    case macs(CostConvention)
    case params
    case classifierParams
}

/// One metric of a space at one image size, additive over positions.
package struct CostTable: Hashable, Sendable {
    /// What every genome pays: stem and, where counted, the classifier's head.
    package let constant: Int
    /// What letter `l` at position `p` adds: `rows[p][l]`.
    package let rows: [[Int]]
    /// The least that the positions from `p` on can add, for `p` in `0...rows.count`.
    package let leastFrom: [Int]

    package init(constant: Int, rows: [[Int]]) {
        self.constant = constant
        self.rows = rows
        var least = [0]
        for row in rows.reversed() { least.append(least[least.count - 1] + (row.min() ?? 0)) }
        leastFrom = least.reversed()
    }

    /// The cost of a genome of the table's space.
    package func cost(of genome: Genome) -> Int {
        var cost = constant
        for (row, letter) in zip(rows, genome.letters) { cost += row[Int(letter)] }
        return cost
    }

    /// What the cheapest genome costs.
    package var minimum: Int { constant + leastFrom[0] }

    /// What the dearest genome costs.
    package var maximum: Int { rows.reduce(constant) { $0 + ($1.max() ?? 0) } }

    /// The mean over all genomes.
    package var mean: Double {
        rows.reduce(Double(constant)) { $0 + Double($1.reduce(0, +)) / Double(max(1, $1.count)) }
    }

    /// The cheapest genome; of equals the lowest letters.
    package var cheapest: Genome {
        Genome(rows.map { row in UInt8(row.indices.min { row[$0] < row[$1] } ?? 0) })
    }

    /// The dearest genome; of equals the lowest letters.
    package var dearest: Genome {
        Genome(rows.map { row in UInt8(row.indices.min { row[$0] > row[$1] } ?? 0) })
    }

    /// The letters at `position` after which the word can still end within `limit`, when the
    /// letters before it cost `spent` (`constant` included).
    package func letters(at position: Int, spent: Int, within limit: Int) -> [UInt8] {
        let room = limit - spent - leastFrom[position + 1]
        return rows[position].indices.filter { rows[position][$0] <= room }.map { UInt8($0) }
    }

    /// The next genome within `limit` in the order of the words, or nil after the last one.
    /// Nil as `genome` asks for the first.
    package func successor(of genome: Genome?, within limit: Int) -> Genome? {
        guard let genome else { return completion(of: [], spent: constant, within: limit) }
        var spent = [constant]
        for (row, letter) in zip(rows, genome.letters) {
            spent.append(spent[spent.count - 1] + row[Int(letter)])
        }
        for position in rows.indices.reversed() {
            let current = genome.letters[position]
            let allowed = letters(at: position, spent: spent[position], within: limit)
            guard let next = allowed.first(where: { $0 > current }) else { continue }
            return completion(
                of: genome.letters[..<position] + [next],
                spent: spent[position] + rows[position][Int(next)],
                within: limit,
            )
        }
        return nil
    }

    private func completion(of prefix: ArraySlice<UInt8>, spent: Int, within limit: Int) -> Genome?
    {
        var (word, spent) = (Array(prefix), spent)
        for position in prefix.count..<rows.count {
            guard let letter = letters(at: position, spent: spent, within: limit).first else {
                return nil
            }
            word.append(letter)
            spent += rows[position][Int(letter)]
        }
        return spent <= limit ? Genome(word) : nil
    }
}

extension SearchSpace {
    /// The table of `metric` for an image of `height` x `width` pixels and `classes` classes.
    package func costTable(
        _ metric: CostMetric = .macs(.backbone),
        height: Int = 224,
        width: Int = 224,
        classes: Int = 1000,
    ) -> CostTable {
        let image = ImageSize(height: height, width: width)
        let sizes = featureSizes(of: image)
        let head = classifierHead(at: sizes[sizes.count - 1], classes: classes)
        let constant =
            switch metric {
            case .macs(.backbone): stemMacs(image)
            case .macs(.classifier): stemMacs(image) + head.macs
            case .params: stemConvolution.params
            case .classifierParams: stemConvolution.params + head.params
            }
        let rows = zip(positions, sizes).map { position, size in
            operations.map { operation in
                let plan = BlockPlan(operation, at: position, variant: block)
                return switch metric {
                case .macs: plan.macs(at: size)
                case .params, .classifierParams: plan.params
                }
            }
        }
        return CostTable(constant: constant, rows: rows)
    }

    /// The genome with the lowest cost.
    package func cheapest(
        _ metric: CostMetric = .macs(.backbone),
        height: Int = 224,
        width: Int = 224,
    ) -> Genome {
        costTable(metric, height: height, width: width).cheapest
    }

    /// The genome with the highest cost.
    package func dearest(
        _ metric: CostMetric = .macs(.backbone),
        height: Int = 224,
        width: Int = 224,
    ) -> Genome {
        costTable(metric, height: height, width: width).dearest
    }
}
