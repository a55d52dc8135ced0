// Which paths of a supernet its training steps take.

package import SearchSpaces

/// In JSON told by `kind`: `"uniform"`, `"binned"`, `"fair"`.
package enum SamplerConfig: Hashable, Sendable {
    /// One uniform path a step. Source: the paper.
    case uniform
    /// One path of a cost bin, the bin uniform.
    case binned(Bins)
    /// One path for each operation a step, every operation of a position in just one (FairNAS, arXiv:1907.01845): a
    /// step then costs as many passes over the batch.
    case fair

    /// Source: the official ImageNet code, whose seven bins lie between 290 and 360 million multiply-adds.
    package struct Bins: Hashable, Sendable {
        /// Where the first bin begins, multiply-adds.
        package var from = 290_000_000
        /// Where the last one ends.
        package var to = 360_000_000
        package var width = 10_000_000
        /// What is counted.
        package var convention = CostLimit.Convention.b
        /// Side of the square image that is counted for, pixels.
        package var imageSize = 224

        package init() {}
    }

    /// The sampler over `space`.
    package func sampler(of space: SearchSpace) -> PathSampler {
        switch self {
        case .uniform: .uniform
        case .fair: .fair
        case .binned(let bins):
            .binned(
                CostBins(
                    table: space.costTable(
                        .macs(bins.convention == .a ? .backbone : .classifier),
                        height: bins.imageSize,
                        width: bins.imageSize,
                    ),
                    start: bins.from,
                    width: bins.width,
                    count: (bins.to - bins.from) / bins.width,
                )
            )
        }
    }
}

extension Form<SamplerConfig> {
    static var sampler: Form {
        .variants([
            Variant("uniform", .uniform, []) { $0 == .uniform },
            Variant("binned", SamplerConfig.binned) {
                if case .binned(let bins) = $0 { bins } else { nil }
            },
            Variant("fair", .fair, []) { $0 == .fair },
        ])
    }
}

extension SamplerConfig.Bins: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("from", \.from, .int(0...Int.max / 2)),
            Field("to", \.to, .int(1...Int.max / 2)),
            Field("width", \.width, .int(1...Int.max / 2)),
            Field("convention", \.convention, .choice),
            Field("imageSize", \.imageSize, .int(32...8192)),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("to", "from", "width", allowed: "from + a multiple of width") {
                $0.to > $0.from && ($0.to - $0.from).isMultiple(of: $0.width)
                    ? nil : "bins of \($0.width) do not fill \($0.from) to \($0.to)"
            }
        ]
    }
}

extension Rule {
    /// Bins that no path of the space is in would leave the sampling uniform without a word.
    static func bins(
        _ sampler: KeyPath<Root, SamplerConfig>,
        _ space: KeyPath<Root, SearchSpace?>,
    ) -> Rule {
        Rule("sampler/from", "sampler/to", "space") { root in
            guard case .binned(let bins) = root[keyPath: sampler], let space = root[keyPath: space]
            else { return nil }
            let table = space.costTable(
                .macs(bins.convention == .a ? .backbone : .classifier),
                height: bins.imageSize,
                width: bins.imageSize,
            )
            return bins.from <= table.maximum && bins.to >= table.minimum
                ? nil
                : "no path costs \(bins.from) to \(bins.to): they cost \(table.minimum) to "
                    + "\(table.maximum)"
        }
    }
}
