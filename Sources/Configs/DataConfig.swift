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

/// What images may decide. A job that would use them for more does not start.
package enum Split: String, CaseIterable, Sendable {
    case weights  // trains weights, and sets batch-norm statistics
    case architecture  // scores candidates
    case test  // measures what was chosen without it
}

/// One of the two parts of a list that is split by image, seeded; the parts never overlap.
package struct SplitPart: Hashable, Sendable {
    package enum Role: String, CaseIterable, Sendable {
        case weights
        case architecture

        var split: Split { self == .weights ? .weights : .architecture }
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
    /// Data of one split may not be used as another.
    static func split(
        of name: String,
        _ path: KeyPath<Root, DetectionData>,
        is allowed: Split,
    ) -> [Rule] {
        split(
            of: name,
            part: path.appending(path: \.part),
            list: path.appending(path: \.split),
            is: allowed,
        )
    }

    /// - Parameters:
    ///   - part: which part of a list is used.
    ///   - list: what the whole list is for.
    static func split(
        of name: String,
        part: KeyPath<Root, SplitPart?>,
        list: KeyPath<Root, Split?>,
        is allowed: Split,
    ) -> [Rule] {
        func rule(_ place: String, _ split: @escaping (Root) -> Split?) -> Rule {
            Rule("\(name)/\(place)", code: .notAllowed, allowed: "\"\(allowed.rawValue)\"") {
                root in
                guard let split = split(root), split != allowed else { return nil }
                return "the \(split.rawValue) split is kept for another use than this one"
            }
        }
        return [
            rule("part/role") { $0[keyPath: part]?.role.split },
            rule("split") { $0[keyPath: list] },
        ]
    }

    /// Images that choose nothing may be in no list that does.
    static func apart(
        _ name: String,
        _ path: KeyPath<Root, DetectionData?>,
        from otherName: String,
        _ otherData: @escaping (Root) -> DetectionData?,
    ) -> Rule {
        Rule(name, otherName, allowed: "another list, or the other `part` of `\(otherName)`") {
            root in
            guard let data = root[keyPath: path], let other = otherData(root),
                !data.isDisjoint(from: other)
            else { return nil }
            return "its images would be those of `\(otherName)`"
        }
    }
}
