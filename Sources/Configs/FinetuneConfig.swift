// `detector.finetune`: step 2 of DetNAS, the supernet as the backbone of a detector.

import SearchSpaces

package struct FinetuneConfig: Hashable, Sendable {
    package var train: DetectionData
    /// Where sampled paths are measured; nil: nowhere.
    package var validation: DetectionData?
    /// A supernet to start from; nil: from scratch.
    package var checkpoint: Reference?
    /// Nil: that of the checkpoint. Needed where there is none.
    package var space: SpaceChoice?
    /// Channel-shuffle method, 1 or 2; nil: that of the checkpoint, or 1 from scratch.
    package var shuffle: Int?
    /// Which paths the steps take.
    package var sampler = SamplerConfig.uniform
    package var detector = DetectorConfig()
    package var image = DetectionImage()
    package var training: TrainingConfig
    /// COCO's figures of sampled paths on `validation`.
    package var evaluation = PathEvaluation()

    package init(train: DetectionData, training: TrainingConfig) {
        self.train = train
        self.training = training
    }
}

extension FinetuneConfig: Fielded {
    private var givenSpace: SearchSpace? { space?.space }

    static var blank: Self { Self(train: .blank, training: .blank) }

    static var fields: [Field<Self>] {
        [
            Field("train", \.train, .object, required: true),
            Field("validation", \.validation, .optional(.object)),
            Field("checkpoint", \.checkpoint, .optional(.reference(to: .checkpoint))),
            Field("space", \.space, .optional(.space)),
            Field("shuffle", \.shuffle, .optional(.int(1...2))),
            Field("detector", \.detector, .detector),
            Field("image", \.image, .object),
            Field("sampler", \.sampler, .sampler),
            Field("training", \.training, .detector, required: true),
            Field("evaluation", \.evaluation, .object),
        ]
    }

    static var rules: [Rule<Self>] {
        Rule.split(of: "train", \.train, is: .weights) + [
            Rule("space", "checkpoint", code: .missing) {
                $0.checkpoint == nil && $0.space == nil
                    ? "without a `checkpoint` the search space must be named" : nil
            },
            .bins(\.sampler, \.givenSpace),
            .apart("validation", \.validation, from: "train") { $0.train },
        ]
    }
}
