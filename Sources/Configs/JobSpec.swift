// A spec of any kind: what a job is asked to do, with every default filled in.

/// What a job is asked to do. Its `json` resolves to itself.
package enum JobSpec: Hashable, Sendable {
    case pretrain(PretrainConfig)
    case finetune(FinetuneConfig)
    case search(SearchConfig)
    case retrain(RetrainConfig)

    package var kind: JobKind {
        switch self {
        case .pretrain: .supernetPretrain
        case .finetune: .detectorFinetune
        case .search: .searchEvolution
        case .retrain: .subnetRetrain
        }
    }
}

/// A data set that a job reads.
package struct DatasetNeed: Hashable, Sendable {
    /// Where the spec names it, such as `/spec/data/dataset`.
    package let pointer: String
    package let dataset: String
    /// What must exist below it.
    package let paths: [Path]

    package struct Path: Hashable, Sendable {
        /// Where the spec names it, such as `/spec/data/train`.
        package let pointer: String
        /// Relative to the data set, with `/`.
        package let path: String
    }
}

/// Something that another job made and this one reads.
package struct ReferenceNeed: Hashable, Sendable {
    /// Where the spec names it, such as `/spec/checkpoint`.
    package let pointer: String
    package let reference: Reference
    package let expected: Expected

    package enum Expected: Hashable, Sendable {
        /// A checkpoint of one of these kinds.
        case checkpoint([CheckpointKind])
        case architecture
    }
}
