// `supernet.pretrain`: step 1 of DetNAS, the supernet as a classifier.

import SearchSpaces

package struct PretrainConfig: Hashable, Sendable {
    package var data: ClassificationData
    package var space: SpaceChoice
    /// Channel-shuffle method of the blocks, 1 or 2; the weights are good for this one alone.
    package var shuffle = 1
    /// Which paths the steps take.
    package var sampler = SamplerConfig.uniform
    package var training: TrainingConfig
    package var image = ClassificationImage()
    /// Probability mass spread over all classes. Source: the official code, ImageNet.
    package var labelSmoothing = 0.1
    /// Probability that a channel is dropped before the pool. The official code: 0.2.
    package var dropout = 0.0
    /// Top-1 and top-5 of sampled paths on the validation images.
    package var evaluation = PathEvaluation()

    package init(data: ClassificationData, space: SpaceChoice, training: TrainingConfig) {
        self.data = data
        self.space = space
        self.training = training
    }
}

extension PretrainConfig: Fielded {
    private var namedSpace: SearchSpace? { space.space }

    static var rules: [Rule<Self>] { [.bins(\.sampler, \.namedSpace)] }

    static var blank: Self { Self(data: .blank, space: .named(""), training: .blank) }

    static var fields: [Field<Self>] {
        [
            Field("data", \.data, .object, required: true),
            Field("space", \.space, .space, required: true),
            Field("shuffle", \.shuffle, .int(1...2)),
            Field("sampler", \.sampler, .sampler),
            Field("training", \.training, .object, required: true),
            Field("image", \.image, .object),
            Field("labelSmoothing", \.labelSmoothing, .number(.belowOne)),
            Field("dropout", \.dropout, .number(.belowOne)),
            Field("evaluation", \.evaluation, .object),
        ]
    }
}
