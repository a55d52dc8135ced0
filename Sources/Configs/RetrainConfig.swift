// `subnet.retrain`: steps 4 and 5 of DetNAS, one architecture from scratch as a classifier and then
// as a detector.

package struct RetrainConfig: Hashable, Sendable {
    package var architecture: ArchitectureChoice
    /// Nil: the detector starts from random weights.
    package var classification: Classification?
    /// Nil: a classifier is the result.
    package var detection: Detection?
    /// Channel-shuffle method of the blocks, 1 or 2. The published networks: 2.
    package var shuffle = 1
    /// Random architectures of about the same cost that are trained alike, to compare with.
    package var randomBaselines = 0

    package init(architecture: ArchitectureChoice) { self.architecture = architecture }

    package struct Classification: Hashable, Sendable {
        package var data: ClassificationData
        package var training: TrainingConfig
        package var image = ClassificationImage()
        /// As in `PretrainConfig`.
        package var labelSmoothing = 0.1
        /// As in `PretrainConfig`.
        package var dropout = 0.0

        package init(data: ClassificationData, training: TrainingConfig) {
            self.data = data
            self.training = training
        }
    }

    package struct Detection: Hashable, Sendable {
        package var train: DetectionData
        /// Where the trained detector is measured; nil: nowhere.
        package var validation: DetectionData?
        package var detector = DetectorConfig()
        package var image = DetectionImage()
        package var training: TrainingConfig

        package init(train: DetectionData, training: TrainingConfig) {
            self.train = train
            self.training = training
        }
    }
}
