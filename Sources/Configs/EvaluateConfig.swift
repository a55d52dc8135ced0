// `architecture.evaluate`: how good a detector is on a list that took no part in making it.

package struct EvaluateConfig: Hashable, Sendable {
    package var checkpoint: Reference
    package var architecture: PathChoice?
    package var train: DetectionData?
    package var recalibrationImages = 500
    package var batch = 8
    /// Share of images that may be broken before the job fails; those met are skipped.
    package var maxBadImages = 0.05
    /// The images, never those of `train`.
    package var list: DetectionData
    /// Sets of images that are drawn for the intervals; 0: no intervals.
    package var resamples = 1000

    package init(checkpoint: Reference, list: DetectionData) {
        self.checkpoint = checkpoint
        self.list = list
    }
}

extension EvaluateConfig: DetectorUse {
    static var blank: Self { Self(checkpoint: .id(""), list: .blank) }

    static var fields: [Field<Self>] {
        useFields + [
            Field("list", \.list, .object, required: true),
            Field("resamples", \.resamples, .int(0...100_000)),
        ]
    }

    static var rules: [Rule<Self>] {
        useRules + [
            Rule("list", "train", allowed: "another list than `train`") {
                $0.train.map($0.list.isDisjoint) ?? true
                    ? nil : "the detector would be measured on images of `train`"
            }
        ]
    }
}
