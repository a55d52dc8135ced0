// Which images and annotations a job reads: names below the data-set roots of the daemon.

/// A data set in ImageNet layout: `DATASET/TRAIN/CLASS/IMAGE`.
package struct ClassificationData: Hashable, Sendable {
    /// The folder below a data-set root.
    package var dataset: String
    /// The folder of training images below `dataset`.
    package var train = "train"
    /// The folder of validation images below `dataset`; nil: no evaluation.
    package var val: String? = "val"

    package init(dataset: String) { self.dataset = dataset }
}

/// One of the two parts of a list that is split by image, seeded; the parts never overlap.
package struct SplitPart: Hashable, Sendable {
    /// What the images of a part may decide.
    package enum Role: String, CaseIterable, Sendable {
        case weights  // trains weights, and sets batch-norm statistics
        case architecture  // scores candidates
    }

    package var role: Role
    /// Share of the images in the architecture part. DetNAS holds out 5,000 of COCO's 118,287,
    /// which is 0.042; small sets need more for a steady score.
    package var architectureShare = 0.2
    /// Which images: another seed is another split.
    package var seed = 0

    package init(_ role: Role) { self.role = role }
}

extension ClassificationData: Fielded {
    static var blank: Self { Self(dataset: "") }

    static var fields: [Field<Self>] {
        [
            Field("dataset", \.dataset, .path, required: true),
            Field("train", \.train, .path),
            Field("val", \.val, .optional(.path)),
        ]
    }
}

extension SplitPart: Fielded {
    static var blank: Self { Self(.weights) }

    static var fields: [Field<Self>] {
        [
            Field("role", \.role, .choice, required: true),
            Field("architectureShare", \.architectureShare, .number(.properShare)),
            Field("seed", \.seed, .int(0...Int.max)),
        ]
    }
}

extension Rule {
    /// Data that trains weights may not be the part that scores candidates, nor the other way round.
    static func role(
        of name: String,
        _ path: KeyPath<Root, DetectionData>,
        is role: SplitPart.Role,
    ) -> Rule { .role(of: name, part: path.appending(path: \.part), is: role) }

    static func role(
        of name: String,
        part path: KeyPath<Root, SplitPart?>,
        is role: SplitPart.Role,
    ) -> Rule {
        Rule("\(name)/part/role", code: .notAllowed, allowed: "\"\(role.rawValue)\"") { root in
            guard let part = root[keyPath: path], part.role != role else { return nil }
            return "the part \"\(part.role.rawValue)\" is kept for another use than this one"
        }
    }
}
