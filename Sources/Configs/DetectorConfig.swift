// The detector: FPN and RetinaNet (arXiv:1612.03144, arXiv:1708.02002) as the official DetNAS
// configuration has them.

package struct DetectorConfig: Hashable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case retinanet
    }

    package enum HeadNorm: String, CaseIterable, Sendable {
        case none
        case group
    }

    package var kind = Kind.retinanet
    /// Width of the pyramid and of the head.
    package var channels = 256
    /// 3x3 convolutions in each of the two towers, shared by all levels.
    package var towerConvolutions = 4
    /// The norm in the towers. The official code has none; group norm is for training on few images.
    package var headNorm = HeadNorm.group
    /// Groups of the group norm; they divide `channels`. Source: Wu and He, arXiv:1803.08494.
    package var groups = 32
    /// The finest level: P3, of stride 8.
    package var firstLevel = 3
    /// The coarsest level: P7, of stride 128. Levels above 5 are 3x3 convolutions of stride 2.
    package var lastLevel = 7
    /// Side of the square anchor, pixels of the resized image, one for each level.
    package var anchorSizes: [Double] = [32, 64, 128, 256, 512]
    /// Anchors of side `size * 2^(i / octaveScales)`, i from 0.
    package var octaveScales = 3
    /// Height over width of the anchors.
    package var ratios = [0.5, 1, 2]
    /// An anchor with at least this IoU with a box is a positive.
    package var foregroundIoU = 0.5
    /// An anchor with less than this IoU with every box is a negative; between both: ignored.
    package var backgroundIoU = 0.4
    package var focalGamma = 2.0
    package var focalAlpha = 0.25
    /// Where the box loss turns from square to linear; offsets, unitless.
    package var smoothL1Beta = 0.11
    /// Score of every class at every anchor before training.
    package var prior = 0.01
    /// Detections below this score are dropped.
    package var scoreThreshold = 0.05
    /// The best scores of a level that are decoded.
    package var candidatesPerLevel = 1000
    /// IoU above which the lower score of the same class is dropped.
    package var nms = 0.4
    /// The most detections of an image.
    package var maxDetections = 100

    package init() {}
}
