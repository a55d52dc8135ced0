// `search.audit`: whether the ranking of a search is worth anything. A few paths of a supernet are trained alone, and
// the order that results is compared with the search's.

package struct AuditConfig: Hashable, Sendable {
    /// The detector supernet whose ranking is looked at.
    package var checkpoint: Reference
    /// Trains each architecture alone, and sets the batch-norm statistics of paths.
    package var train: DetectionData
    /// Images that score paths, as in the search.
    package var search: DetectionData
    /// Images that measure what was trained alone; nil: those of `search`.
    package var test: DetectionData?
    package var architectures = AuditChoice.spread(AuditChoice.Spread())
    /// What paths are scored by and what was trained alone is measured by.
    package var objective = SearchConfig.Objective.ap
    /// As in the search.
    package var statistics = SearchConfig.blank.statistics
    package var evaluationBatch = SearchConfig.blank.evaluationBatch
    /// Nil: any cost. Holds for a random sample; a baseline's is compared in its convention, at its image size.
    package var limit: CostLimit?
    /// How each architecture is trained, from scratch, with the seed of the job.
    package var training: TrainingConfig
    /// How often architectures are drawn anew for the intervals.
    package var resamples = 1000

    package init(
        checkpoint: Reference,
        train: DetectionData,
        search: DetectionData,
        training: TrainingConfig,
    ) {
        self.checkpoint = checkpoint
        self.train = train
        self.search = search
        self.training = training
    }
}

/// Which architectures are audited.
package enum AuditChoice: Hashable, Sendable {
    /// Random ones, spread over the range of their scores.
    case spread(Spread)
    case genomes(Genomes)
    case references(References)
    /// What a search found, and random ones of its cost.
    case baseline(Baseline)

    package struct Spread: Hashable, Sendable {
        /// Architectures that are trained alone.
        package var count = 12
        /// Random architectures that they are chosen from.
        package var sample = 50

        package init() {}
    }

    package struct Genomes: Hashable, Sendable {
        /// Canonical strings, such as `"2,1,2,0,..."`.
        package var genomes: [String] = []

        package init(_ genomes: [String] = []) { self.genomes = genomes }
    }

    package struct References: Hashable, Sendable {
        /// What searches found.
        package var ids: [Reference] = []

        package init(_ ids: [Reference] = []) { self.ids = ids }
    }

    package struct Baseline: Hashable, Sendable {
        /// The winner that is compared.
        package var architecture: Reference
        /// Random architectures beside it.
        package var random = 10
        /// How far their multiply-adds may be from the winner's, as a share of these.
        package var tolerance = 0.05

        package init(_ architecture: Reference) { self.architecture = architecture }
    }
}

extension Form<AuditChoice> {
    /// An object whose `kind` is `spread`, `genomes`, `references` or `baseline`.
    static var auditChoice: Form {
        .variants([
            Variant("spread", AuditChoice.spread) {
                if case .spread(let spread) = $0 { spread } else { nil }
            },
            Variant("genomes", AuditChoice.genomes) {
                if case .genomes(let genomes) = $0 { genomes } else { nil }
            },
            Variant("references", AuditChoice.references) {
                if case .references(let references) = $0 { references } else { nil }
            },
            Variant("baseline", AuditChoice.baseline) {
                if case .baseline(let baseline) = $0 { baseline } else { nil }
            },
        ])
    }
}

extension AuditConfig: Fielded {
    static var blank: Self {
        Self(checkpoint: .id(""), train: .blank, search: .blank, training: .blank)
    }

    static var fields: [Field<Self>] {
        [
            Field("checkpoint", \.checkpoint, .reference(to: .checkpoint), required: true),
            Field("train", \.train, .object, required: true),
            Field("search", \.search, .object, required: true),
            Field("test", \.test, .optional(.object)),
            Field("architectures", \.architectures, .auditChoice),
            Field("objective", \.objective, .choice),
            Field("statistics", \.statistics, .statistics),
            Field("evaluationBatch", \.evaluationBatch, .int(1...65_536)),
            Field("limit", \.limit, .optional(.object)),
            Field("training", \.training, .detector, required: true),
            Field("resamples", \.resamples, .int(1...1_000_000)),
        ]
    }

    static var rules: [Rule<Self>] {
        Rule.split(of: "train", \.train, is: .weights)
            + Rule.split(of: "search", \.search, is: .architecture) + [
                Rule("search", "train", allowed: "another list, or the other `part` of this one") {
                    $0.search.isDisjoint(from: $0.train)
                        ? nil : "paths would be scored on images of `train`"
                },
                .apart("test", \.test, from: "train") { $0.train },
                Rule("objective", allowed: "\"ap\", \"ap50\", \"loss\"") {
                    $0.objective.isClassification
                        ? "\"\($0.objective.rawValue)\" is no objective of a detector" : nil
                },
            ]
    }
}

extension AuditChoice.Spread: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("count", \.count, .int(3...1000)), Field("sample", \.sample, .int(3...100_000)),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("count", "sample", allowed: "<= sample") {
                $0.count <= $0.sample
                    ? nil : "\($0.count) architectures of a sample of \($0.sample)"
            }
        ]
    }
}

extension AuditChoice.Genomes: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [Field("genomes", \.genomes, .list(.text(1...4096), count: 3...1000), required: true)]
    }
}

extension AuditChoice.References: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field(
                "ids",
                \.ids,
                .list(.reference(to: .architecture), count: 3...1000),
                required: true,
            )
        ]
    }
}

extension AuditChoice.Baseline: Fielded {
    static var blank: Self { Self(.id("")) }

    static var fields: [Field<Self>] {
        [
            Field(
                "architecture",
                \.architecture,
                .reference(to: .architecture),
                required: true,
            ),
            Field("random", \.random, .int(3...1000)),
            Field("tolerance", \.tolerance, .number(.positiveShare)),
        ]
    }
}
