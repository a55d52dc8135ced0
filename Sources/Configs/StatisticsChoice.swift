// How a candidate gets the batch-norm statistics that a path of shared weights has none of.

package enum StatisticsChoice: Hashable, Sendable {
    /// Of all images together, layer by layer: the same whatever the batches and their order.
    case exact(Exact)
    /// As the official code: averages that forget, over augmented batches in a seeded order.
    case ema(Average)
    /// As MMRazor: each batch of the evaluation is normalised by itself. A score then depends on which images share
    /// a batch.
    case batch(Batch)
    /// The supernet's own running averages, which no path has.
    case inherited

    package struct Exact: Hashable, Sendable {
        /// Training images, a seeded choice, without augmentation. Source: the paper, 500.
        package var images = 500

        package init() {}
        package init(images: Int) { self.images = images }
    }

    package struct Average: Hashable, Sendable {
        /// Source: the official code, as are the other two; the batch is over 8 GPUs.
        package var batches = 500
        /// Training images in a batch.
        package var batch = 8
        /// By how much a batch moves the averages.
        package var momentum = 0.1

        package init() {}
    }

    package struct Batch: Hashable, Sendable {
        /// Search images that are normalised together. MMRazor: one on each GPU.
        package var size = 1

        package init() {}
    }

    /// What scores must share to be compared, in a word.
    package var name: String {
        switch self {
        case .exact(let exact): "exact-\(exact.images)"
        case .ema(let average): "ema-\(average.batches)x\(average.batch)-\(average.momentum)"
        case .batch(let batch): "batch-\(batch.size)"
        case .inherited: "none"
        }
    }
}

extension Form<StatisticsChoice> {
    /// An object whose `kind` is `exact`, `ema`, `batch` or `none`.
    static var statistics: Form {
        .variants([
            Variant("exact", StatisticsChoice.exact) {
                if case .exact(let exact) = $0 { exact } else { nil }
            },
            Variant("ema", StatisticsChoice.ema) {
                if case .ema(let average) = $0 { average } else { nil }
            },
            Variant("batch", StatisticsChoice.batch) {
                if case .batch(let batch) = $0 { batch } else { nil }
            },
            Variant("none", .inherited, []) { $0 == .inherited },
        ])
    }
}

extension StatisticsChoice.Exact: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] { [Field("images", \.images, .int(1...1_000_000_000))] }
}

extension StatisticsChoice.Average: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("batches", \.batches, .int(1...1_000_000)),
            Field("batch", \.batch, .int(1...65_536)),
            Field("momentum", \.momentum, .number(.positiveShare)),
        ]
    }
}

extension StatisticsChoice.Batch: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] { [Field("size", \.size, .int(1...65_536))] }
}
