// `detector.finetune`: step 2 of DetNAS, the supernet as the backbone of a detector.

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
