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

/// A list of images with boxes, in COCO's format.
package struct DetectionData: Hashable, Sendable {
    /// The folder below a data-set root.
    package var dataset: String
    /// The annotation file below `dataset`, such as `annotations/instances_train.json`.
    package var annotations: String
    /// The folder below `dataset` in which the file names of the annotations start.
    package var images = "images"
    /// Nil: the whole list.
    package var part: SplitPart?

    package init(dataset: String, annotations: String, part: SplitPart? = nil) {
        self.dataset = dataset
        self.annotations = annotations
        self.part = part
    }
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
