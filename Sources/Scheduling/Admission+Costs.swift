// Whether architectures and limits of a request can be in its search space.

internal import Configs
internal import SearchSpaces

extension Admission {
    /// Each genome must be of the space and within the limit; there may be at most `most` different ones.
    func check(
        _ texts: [String],
        in space: SearchSpace?,
        within limit: CostLimit? = nil,
        most: Int = .max,
        at place: String,
        _ faults: inout [Violation],
    ) {
        guard let space else { return }
        let side = limit?.imageSize ?? 224
        let table = space.costTable(
            .macs(limit?.convention == .b ? .classifier : .backbone),
            height: side,
            width: side,
        )
        var genomes: Set<Genome> = []
        for (index, text) in texts.enumerated() {
            do throws(GenomeError) {
                let genome = try Genome(parsing: text, in: space)
                genomes.insert(genome)
                let cost = table.cost(of: genome)
                guard let limit, cost > limit.macs else { continue }
                faults.append(
                    Violation(
                        "\(place)/\(index)",
                        .outOfRange,
                        "\(genome) costs \(cost) MACs at \(side) x \(side)",
                        allowed: "<= \(limit.macs)",
                    )
                )
            } catch {
                faults.append(Violation("\(place)/\(index)", .notAllowed, "\(error)"))
            }
        }
        guard genomes.count > most else { return }
        faults.append(
            Violation(
                place,
                .conflict,
                "\(genomes.count) architectures for a population of \(most)",
                allowed: "<= population",
            )
        )
    }

    func check(
        _ limit: CostLimit?,
        in space: SearchSpace?,
        at place: String,
        _ faults: inout [Violation],
    ) {
        guard let limit, let space else { return }
        let convention: CostConvention = limit.convention == .a ? .backbone : .classifier
        let table = space.costTable(
            .macs(convention),
            height: limit.imageSize,
            width: limit.imageSize,
        )
        guard limit.macs < table.minimum else { return }
        faults.append(
            Violation(
                "\(place)/macs",
                .outOfRange,
                "no architecture of \"\(space.name)\" costs \(limit.macs) MACs or less at"
                    + " \(limit.imageSize) x \(limit.imageSize): the cheapest costs \(table.minimum)"
                    + " (convention \(limit.convention.rawValue))",
                allowed: ">= \(table.minimum)",
            )
        )
    }
}
