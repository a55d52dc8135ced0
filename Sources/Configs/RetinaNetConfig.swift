// The one-stage detector (Lin et al. 2017, arXiv:1708.02002) as the official DetNAS configuration has it.

package struct RetinaNetConfig: Hashable, Sendable {
    package enum HeadNorm: String, CaseIterable, Sendable {
        case none
        /// Batch norm is not offered: its statistics would be shared by levels that have little in common.
        case group
    }

    /// What levels above 5 are made of.
    package enum CoarseLevels: String, CaseIterable, Sendable {
        case pyramid  // P6 of P5, P7 of ReLU(P6): the official code
        case backbone  // P6 of C5, P7 of P6: mmdetection
    }

    package enum LossNormaliser: String, CaseIterable, Sendable {
        case official  // scores by positives + images, boxes by 4 x positives
        case positives  // both by positives: mmdetection
    }

    /// Width of the pyramid and of the head.
    package var channels = 256
    /// The norm in the pyramid. Official: none; MMRazor: batch.
    package var neckNorm = NormChoice.none
    /// 3x3 convolutions in each of the two towers, shared by all levels.
    package var towerConvolutions = 4
    /// The norm in the towers. The official code has none; group norm is for training on few images.
    package var headNorm = HeadNorm.group
    /// Groups of group norms; they divide `channels`. Source: Wu and He, arXiv:1803.08494.
    package var groups = 32
    /// Whether the pyramid's convolutions before a norm have a bias. Official: yes; MMRazor: no.
    package var normBias = true
    /// The finest level: P3, of stride 8.
    package var firstLevel = 3
    /// The coarsest level: P7, of stride 128. Levels above 5 are 3x3 convolutions of stride 2.
    package var lastLevel = 7
    package var coarseLevels = CoarseLevels.pyramid
    package var coordinates = Coordinates.modern
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
    /// Where the box loss turns from square to linear; offsets, unitless. 0: linear throughout, as in MMRazor.
    package var smoothL1Beta = 0.11
    package var lossNormaliser = LossNormaliser.official
    /// Factors of the offsets dx, dy, dw, dh. MMRazor: 1.
    package var boxWeights: [Double] = [10, 10, 5, 5]
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

extension RetinaNetConfig: PyramidConfig {
    static var blank: Self { Self() }

    var usesGroups: Bool { headNorm == .group || neckNorm == .group }
    var anchorSizeCount: Int { anchorSizes.count }

    static var fields: [Field<Self>] {
        pyramidFields(levels: 2...8) + [
            Field("towerConvolutions", \.towerConvolutions, .int(0...16)),
            Field("headNorm", \.headNorm, .choice),
            Field("coarseLevels", \.coarseLevels, .choice),
            Field("anchorSizes", \.anchorSizes, .list(.number(.positive), count: 1...7)),
            Field("octaveScales", \.octaveScales, .int(1...16)),
            Field("ratios", \.ratios, .list(.number(.positive), count: 1...16)),
            Field("foregroundIoU", \.foregroundIoU, .number(.positiveShare)),
            Field("backgroundIoU", \.backgroundIoU, .number(.share)),
            Field("focalGamma", \.focalGamma, .number(.notNegative)),
            Field("focalAlpha", \.focalAlpha, .number(.share)),
            Field("smoothL1Beta", \.smoothL1Beta, .number(.notNegative)),
            Field("lossNormaliser", \.lossNormaliser, .choice),
            Field("boxWeights", \.boxWeights, .list(.number(.positive), count: 4...4)),
            Field("prior", \.prior, .number(.properShare)),
            Field("scoreThreshold", \.scoreThreshold, .number(.share)),
            Field("candidatesPerLevel", \.candidatesPerLevel, .int(1...1_000_000)),
            Field("nms", \.nms, .number(.share)),
            Field("maxDetections", \.maxDetections, .int(1...100_000)),
        ]
    }

    static var rules: [Rule<Self>] {
        pyramidRules(anchorSizes: "anchorSizes") + [.ordered(\.backgroundIoU, \.foregroundIoU)]
    }
}
