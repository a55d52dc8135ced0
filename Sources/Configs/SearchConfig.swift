// `search.evolution`: step 3 of DetNAS, evolution with inherited weights.

package struct SearchConfig: Hashable, Sendable {
    package enum Strategy: String, CaseIterable, Sendable {
        case evolution
        case random  // the same number of random architectures
    }

    /// What the fitness is.
    package enum Objective: String, CaseIterable, Sendable {
        case ap  // COCO's AP, IoU 0.50:0.95
        case ap50
        case loss  // of the detector; less is better
        case top1  // of the classifier: the paper's ClsNASNet

        /// Whether paths are scored as classifiers.
        package var isClassification: Bool { self == .top1 }
    }

    /// The supernet whose weights every candidate inherits: a detector's, for `top1` a classifier's.
    package var checkpoint: Reference
    /// Images that set the batch-norm statistics of a candidate: with boxes, for `top1` in class folders.
    package var train: SearchImages
    /// Images that score a candidate; never those of `train`.
    package var search: SearchImages
    /// Images that neither of the two may hold; read for nothing else. For detectors.
    package var test: DetectionData?
    package var strategy = Strategy.evolution
    /// Candidates of a generation. Source: the paper.
    package var population = 50
    /// Source: the paper; 20 x 50 = 1000 evaluations.
    package var generations = 20
    /// The best of all generations that breed the next. Source: the paper.
    package var parents = 10
    /// Children of a generation by mutation. Source: the official code; what is left of
    /// `population` after both is fresh random.
    package var mutation = 20
    /// Children of a generation by crossover. Source: as `mutation`.
    package var crossover = 20
    /// Probability that a letter is drawn anew. Source: the official code.
    package var mutationProbability = 0.1
    /// Nil: any cost.
    package var limit: CostLimit?
    package var objective = Objective.ap
    /// Where the batch-norm statistics of a candidate come from.
    package var statistics = StatisticsChoice.exact(StatisticsChoice.Exact())
    /// When a candidate is not worth all search images; nil: each is scored on all of them.
    package var halving: HalvingConfig?
    /// Images that are evaluated together. With statistics of the batch, these say how many.
    package var evaluationBatch = 8
    /// Architectures that are in generation 0 before any random one, as canonical strings such as
    /// `"2,1,2,0,..."`.
    package var seeds: [String] = []
    /// Memory for what paths with the same first letters have in common, MiB; 0: every path is run from its first
    /// letter. Changes no score. Has no effect where one path needs more, and with averaged statistics.
    package var cacheMegabytes = 256
    /// Share of the candidates that may fail: more after any generation, and the search ends with an error.
    package var maxFailed = 0.5
    /// Architectures in the result, best first.
    package var top = 10

    package init(checkpoint: Reference, train: SearchImages, search: SearchImages) {
        self.checkpoint = checkpoint
        self.train = train
        self.search = search
    }
}

/// The most that a candidate may cost.
package struct CostLimit: Hashable, Sendable {
    package enum Convention: String, CaseIterable, Sendable {
        case a = "A"  // convolutions of the backbone
        case b = "B"  // convolutions and linear layers of the whole classifier
    }

    /// Multiply-adds, inclusive. The paper: 300 million.
    package var macs: Int
    /// What is counted; one multiply-add is one FLOP. The official search: A.
    package var convention = Convention.a
    /// Side of the square image that is counted for, pixels.
    package var imageSize = 224

    package init(macs: Int) { self.macs = macs }
}

extension SearchConfig: Fielded {
    static var blank: Self {
        Self(checkpoint: .id(""), train: .boxes(.blank), search: .boxes(.blank))
    }

    static var fields: [Field<Self>] {
        [
            Field("checkpoint", \.checkpoint, .reference(to: .checkpoint), required: true),
            Field("train", \.train, .searchImages, required: true),
            Field("search", \.search, .searchImages, required: true),
            Field("test", \.test, .optional(.object)),
            Field("strategy", \.strategy, .choice),
            Field("population", \.population, .int(1...100_000)),
            Field("generations", \.generations, .int(1...100_000)),
            Field("parents", \.parents, .int(1...100_000)),
            Field("mutation", \.mutation, .int(0...100_000)),
            Field("crossover", \.crossover, .int(0...100_000)),
            Field("mutationProbability", \.mutationProbability, .number(.share)),
            Field("limit", \.limit, .optional(.object)),
            Field("objective", \.objective, .choice),
            Field("statistics", \.statistics, .statistics),
            Field("halving", \.halving, .optional(.object)),
            Field("evaluationBatch", \.evaluationBatch, .int(1...65_536)),
            Field("seeds", \.seeds, .list(.text(1...4096), count: 0...100_000)),
            Field("cacheMegabytes", \.cacheMegabytes, .int(0...1_000_000)),
            Field("maxFailed", \.maxFailed, .number(.share)),
            Field("top", \.top, .int(1...100_000)),
        ]
    }

    private static var splits: [Rule<Self>] {
        Rule.split(of: "train", part: \.train.part, list: \.train.split, is: .weights)
            + Rule.split(
                of: "search",
                part: \.search.part,
                list: \.search.split,
                is: .architecture,
            )
    }

    static var rules: [Rule<Self>] {
        splits + [
            Rule("parents", "population", "strategy", allowed: "<= population") {
                $0.strategy == .random || $0.parents <= $0.population
                    ? nil : "\($0.parents) parents in a population of \($0.population)"
            },
            Rule(
                "mutation",
                "crossover",
                "population",
                "strategy",
                allowed: "mutation + crossover <= population",
            ) {
                let children = $0.mutation + $0.crossover
                return $0.strategy == .random || children <= $0.population
                    ? nil : "\(children) children in a population of \($0.population)"
            },
            .apart("test", \.test, from: "train") { $0.train.boxes },
            .apart("test", \.test, from: "search") { $0.search.boxes },
            images(of: "train", \.train),
            images(of: "search", \.search),
            Rule("search", "train", allowed: "another list, or the other `part` of this one") {
                $0.search.isDisjoint(from: $0.train)
                    ? nil : "candidates would be scored on images of `train`"
            },
        ]
    }
}

extension SearchConfig {
    /// A detector's fitness needs boxes, a classifier's class folders.
    private static func images(of name: String, _ path: KeyPath<Self, SearchImages>) -> Rule<Self> {
        Rule(
            name,
            "objective",
            allowed: "`annotations` with ap, ap50 and loss; `folder` with top1",
        ) { config in
            let isFolder = config[keyPath: path].folder != nil
            guard isFolder != config.objective.isClassification else { return nil }
            let found = isFolder ? "class folders" : "a list of images with boxes"
            return "\(found) for the objective \"\(config.objective.rawValue)\""
        }
    }
}

extension CostLimit: Fielded {
    static var blank: Self { Self(macs: 1) }

    static var fields: [Field<Self>] {
        [
            Field("macs", \.macs, .int(1...Int.max), required: true),
            Field("convention", \.convention, .choice),
            Field("imageSize", \.imageSize, .int(32...8192)),
        ]
    }
}
