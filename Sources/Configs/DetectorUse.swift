// A trained detector that is only used: which checkpoint, and of a supernet which path with whose statistics.

/// Which path of a detector supernet.
package enum PathChoice: Hashable, Sendable {
    /// Its letters, such as `"2,1,0,3"`; the space is the checkpoint's.
    case letters(String)
    case reference(Reference)
}

/// What `architecture.predict` and `architecture.evaluate` have in common.
protocol DetectorUse: Fielded {
    /// A detector, or a detector supernet.
    var checkpoint: Reference { get set }
    /// The path of a supernet; nil for a detector, which is one architecture.
    var architecture: PathChoice? { get set }
    /// Images that set the batch-norm statistics of a supernet's path, exactly; nil for a detector, which has the
    /// statistics of its training.
    var train: DetectionData? { get set }
    var recalibrationImages: Int { get set }
    /// Images that are looked at together, of one padded size each.
    var batch: Int { get set }
    var maxBadImages: Double { get set }
}

extension DetectorUse {
    static var useFields: [Field<Self>] {
        [
            Field("checkpoint", \.checkpoint, .reference(to: .checkpoint), required: true),
            Field("architecture", \.architecture, .optional(.path)),
            Field("train", \.train, .optional(.object)),
            Field("recalibrationImages", \.recalibrationImages, .int(1...1_000_000_000)),
            Field("batch", \.batch, .int(1...65_536)),
            Field("maxBadImages", \.maxBadImages, .number(.share)),
        ]
    }

    static var useRules: [Rule<Self>] {
        let allowed = "both for a supernet, neither for a detector"
        return [
            Rule("train", "architecture", code: .missing, allowed: allowed) {
                $0.architecture != nil && $0.train == nil
                    ? "a path of a supernet needs images that set its batch-norm statistics" : nil
            },
            Rule("architecture", "train", code: .missing, allowed: allowed) {
                $0.architecture == nil && $0.train != nil
                    ? "`train` sets the statistics of a supernet's path, and none is named" : nil
            },
            Rule("train/part/role", code: .notAllowed, allowed: "\"weights\"") {
                guard let part = $0.train?.part, part.role != .weights else { return nil }
                return "the part \"\(part.role.rawValue)\" is kept for another use than this one"
            },
        ]
    }
}

extension Form<PathChoice> {
    /// Letters, an id, or `{"$from": "STEP.outputs.architecture"}`.
    static var path: Form {
        let reference = Form<Reference>.reference(to: .architecture)
        let letters = Form<String>.text(1...4096)
        return Form(schema: ["anyOf": [letters.schema, reference.schema]]) { json, place, faults in
            guard let text = json.string, !text.hasPrefix("arch_") else {
                return reference.read(json, place, &faults).map { .reference($0) }
            }
            guard let text = letters.read(json, place, &faults) else { return nil }
            let parts = text.split(separator: ",", omittingEmptySubsequences: false)
            if parts.allSatisfy({ UInt8($0) != nil }) { return .letters(text) }
            faults.append(
                Violation(
                    place,
                    .notAllowed,
                    "\(quoted(text)) names no path",
                    allowed: "letters such as \"2,1,0,3\", or an architecture's id",
                )
            )
            return nil
        } write: {
            switch $0 {
            case .letters(let text): .string(text)
            case .reference(let choice): reference.write(choice)
            }
        }
    }
}
