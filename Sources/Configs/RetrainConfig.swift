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

    package init(architecture: ArchitectureChoice) { self.architecture = architecture }

    package struct Classification: Hashable, Sendable {
        package var data: ClassificationData
        package var training: TrainingConfig
        package var image = ClassificationImage()
        /// As in `PretrainConfig`.
        package var labelSmoothing = PretrainConfig.blank.labelSmoothing
        /// As in `PretrainConfig`.
        package var dropout = PretrainConfig.blank.dropout

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

extension RetrainConfig: Fielded {
    static var blank: Self { Self(architecture: .reference(.id(""))) }

    static var fields: [Field<Self>] {
        [
            Field("architecture", \.architecture, .architecture, required: true),
            Field("classification", \.classification, .optional(.object)),
            Field("detection", \.detection, .optional(.object)),
            Field("shuffle", \.shuffle, .int(1...2)),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("classification", "detection", code: .missing) {
                $0.classification == nil && $0.detection == nil
                    ? "nothing to train: name `classification`, `detection`, or both" : nil
            }
        ]
    }
}

extension RetrainConfig.Classification: Fielded {
    static var blank: Self { Self(data: .blank, training: .blank) }

    static var fields: [Field<Self>] {
        [
            Field("data", \.data, .object, required: true),
            Field("training", \.training, .object, required: true),
            Field("image", \.image, .object),
            Field("labelSmoothing", \.labelSmoothing, .number(.belowOne)),
            Field("dropout", \.dropout, .number(.belowOne)),
        ]
    }
}

extension RetrainConfig.Detection: Fielded {
    static var blank: Self { Self(train: .blank, training: .blank) }

    static var fields: [Field<Self>] {
        [
            Field("train", \.train, .object, required: true),
            Field("validation", \.validation, .optional(.object)),
            Field("detector", \.detector, .detector),
            Field("image", \.image, .object),
            Field("training", \.training, .detector, required: true),
        ]
    }

    /// The winner is trained on all images but the test's: those that chose it too.
    static var rules: [Rule<Self>] {
        [
            .apart("validation", \.validation, from: "train") { $0.train },
            Rule("train/split", code: .notAllowed, allowed: "\"weights\", \"architecture\"") {
                $0.train.split == .test ? "the test split trains nothing" : nil
            },
        ]
    }
}
