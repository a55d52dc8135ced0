// `architecture.predict`: what a detector finds in images, as data and as pictures to look at.

package struct PredictConfig: Hashable, Sendable {
    package var checkpoint: Reference
    package var architecture: PathChoice?
    package var train: DetectionData?
    package var recalibrationImages = 500
    package var batch = 8
    /// Share of images that may be broken before the job fails; those met are skipped, and named in a warning.
    package var maxBadImages = 1.0
    /// Images that annotations list; the results then have the numbers of images and classes that these have.
    package var list: DetectionData?
    /// Every JPEG and PNG of a folder, in the order of their names.
    package var folder: PictureFolder?
    /// Detections below this score are neither counted nor drawn; the list of results has all.
    package var scoreThreshold = 0.3
    /// Nil: no pictures.
    package var pictures: Pictures? = Pictures()

    package init(checkpoint: Reference) { self.checkpoint = checkpoint }

    package struct Pictures: Hashable, Sendable {
        package enum Format: String, CaseIterable, Sendable {
            case png
            case jpeg  // quality 90, colours at full resolution
        }

        package var format = Format.jpeg
        /// How many images are drawn, the first ones.
        package var most = 100
        /// Pixels; nil: by the size of the picture.
        package var lineWidth: Int?
        /// Whether the boxes of the annotations are drawn too, dashed.
        package var groundTruth = false

        package init() {}
    }
}

/// A folder of pictures without annotations.
package struct PictureFolder: Hashable, Sendable {
    /// The folder below a data-set root.
    package var dataset: String
    /// The folder below `dataset`; `.` is the data set itself.
    package var path = "images"

    package init(dataset: String) { self.dataset = dataset }
}

extension PredictConfig: DetectorUse {
    static var blank: Self { Self(checkpoint: .id("")) }

    static var fields: [Field<Self>] {
        useFields + [
            Field("list", \.list, .optional(.object)),
            Field("folder", \.folder, .optional(.object)),
            Field("scoreThreshold", \.scoreThreshold, .number(.share)),
            Field("pictures", \.pictures, .optional(.object)),
        ]
    }

    static var rules: [Rule<Self>] {
        useRules + [
            Rule("list", "folder", code: .missing, allowed: "one of `list` and `folder`") {
                $0.list == nil && $0.folder == nil ? "there are no images to look at" : nil
            },
            Rule("folder", "list", allowed: "one of `list` and `folder`") {
                $0.list != nil && $0.folder != nil ? "`list` names the images already" : nil
            },
            Rule("pictures/groundTruth", "list", allowed: "false, or a `list`") {
                $0.pictures?.groundTruth == true && $0.list == nil
                    ? "the images of a folder have no annotations" : nil
            },
        ]
    }
}

extension PredictConfig.Pictures: Fielded {
    static var blank: Self { Self() }
    /// A job lists every file that it leaves; a list longer than this is one for nobody to look at.
    private static let most = 1000

    static var fields: [Field<Self>] {
        [
            Field("format", \.format, .choice),
            Field("most", \.most, .int(1...most)),
            Field("lineWidth", \.lineWidth, .optional(.int(1...100))),
            Field("groundTruth", \.groundTruth, .flag),
        ]
    }
}

extension PictureFolder: Fielded {
    static var blank: Self { Self(dataset: "") }

    static var fields: [Field<Self>] {
        [
            Field("dataset", \.dataset, .path, required: true),
            Field("path", \.path, .path(orFolder: true)),
        ]
    }
}
