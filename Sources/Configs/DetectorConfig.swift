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

extension DetectorConfig: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("kind", \.kind, .choice),
            Field("channels", \.channels, .int(1...4096)),
            Field("towerConvolutions", \.towerConvolutions, .int(0...16)),
            Field("headNorm", \.headNorm, .choice),
            Field("groups", \.groups, .int(1...4096)),
            Field("firstLevel", \.firstLevel, .int(2...5)),
            Field("lastLevel", \.lastLevel, .int(2...8)),
            Field("anchorSizes", \.anchorSizes, .list(.number(.positive), count: 1...7)),
            Field("octaveScales", \.octaveScales, .int(1...16)),
            Field("ratios", \.ratios, .list(.number(.positive), count: 1...16)),
            Field("foregroundIoU", \.foregroundIoU, .number(.positiveShare)),
            Field("backgroundIoU", \.backgroundIoU, .number(.share)),
            Field("focalGamma", \.focalGamma, .number(.notNegative)),
            Field("focalAlpha", \.focalAlpha, .number(.share)),
            Field("smoothL1Beta", \.smoothL1Beta, .number(.positive)),
            Field("prior", \.prior, .number(.properShare)),
            Field("scoreThreshold", \.scoreThreshold, .number(.share)),
            Field("candidatesPerLevel", \.candidatesPerLevel, .int(1...1_000_000)),
            Field("nms", \.nms, .number(.share)),
            Field("maxDetections", \.maxDetections, .int(1...100_000)),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("groups", "channels", "headNorm", allowed: "a divisor of channels") {
                $0.headNorm != .group || $0.channels.isMultiple(of: $0.groups)
                    ? nil : "\($0.groups) groups do not divide \($0.channels) channels"
            },
            Rule("lastLevel", "firstLevel", allowed: ">= firstLevel") {
                $0.lastLevel >= $0.firstLevel
                    ? nil : "\($0.lastLevel) is below firstLevel, \($0.firstLevel)"
            },
            Rule("anchorSizes", "firstLevel", "lastLevel", allowed: "one size for each level") {
                let levels = $0.lastLevel - $0.firstLevel + 1
                return $0.anchorSizes.count == levels
                    ? nil : "\($0.anchorSizes.count) sizes for \(levels) levels"
            },
            Rule("backgroundIoU", "foregroundIoU", allowed: "<= foregroundIoU") {
                $0.backgroundIoU <= $0.foregroundIoU
                    ? nil : "\($0.backgroundIoU) is above foregroundIoU, \($0.foregroundIoU)"
            },
        ]
    }
}
