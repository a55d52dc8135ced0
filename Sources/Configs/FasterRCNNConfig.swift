// The two-stage detector (Ren et al. 2015, arXiv:1506.01497) as the official DetNAS configuration has it.

package struct FasterRCNNConfig: Hashable, Sendable {
    /// Width of the pyramid and of both heads.
    package var channels = 256
    /// The norm in the pyramid. Official and MMRazor: batch.
    package var neckNorm = NormChoice.none
    /// Groups of group norms; they divide `channels`. Source: Wu and He, arXiv:1803.08494.
    package var groups = 32
    /// Whether convolutions before a norm have a bias. Official: yes; MMRazor: no.
    package var normBias = true
    /// The finest level: P2, of stride 4.
    package var firstLevel = 2
    /// The coarsest level: P6, every second cell of P5; regions are pooled from P5 at most.
    package var lastLevel = 6
    package var coordinates = Coordinates.modern
    package var proposals = Proposals()
    package var regions = Regions()
    package var head = Head()
    /// Detections below this score are dropped.
    package var scoreThreshold = 0.05
    /// IoU above which the lower score of the same class is dropped.
    package var nms = 0.5
    /// The most detections of an image.
    package var maxDetections = 100

    package init() {}

    /// The first stage: which anchors hold an object.
    package struct Proposals: Hashable, Sendable {
        /// Side of the square anchor, pixels of the resized image, one for each level.
        package var anchorSizes: [Double] = [32, 64, 128, 256, 512]
        /// Height over width of the anchors.
        package var ratios = [0.5, 1, 2]
        /// Whether anchors that reach over the border are left out of training. Official: yes; MMRazor: no.
        package var dropOverBorder = true
        /// An anchor with at least this IoU with a box is a positive, and each box's best one is.
        package var foregroundIoU = 0.7
        /// With less than this IoU an anchor is not a positive for being a box's best. MMRazor: 0.3.
        package var bestIoU = 0.0
        /// An anchor with less than this IoU with every box is a negative.
        package var backgroundIoU = 0.3
        /// Anchors of an image that the loss is on.
        package var sample = 256
        /// The most of them that are positives.
        package var positiveShare = 0.5
        /// Where the box loss turns from square to linear. 0: linear throughout, as in MMRazor.
        package var smoothL1Beta = 1.0 / 9
        /// The best of a level that are decoded: training, evaluation.
        package var before = [2000, 1000]
        /// IoU above which the lower score of the same level is dropped.
        package var nms = 0.7
        /// The best of a level after that: training, evaluation.
        package var after = [2000, 1000]
        /// The best of all levels: training, evaluation.
        package var limit = [2000, 1000]
        /// Whether the first of these is for a batch together. Official: yes, a GPU's two images; MMRazor: 1000 an image.
        package var limitsBatch = false

        package init() {}
    }

    /// Which regions the second stage sees, and how.
    package struct Regions: Hashable, Sendable {
        /// A region with at least this IoU with a box has its class; any other is background.
        package var foregroundIoU = 0.5
        /// Regions of an image that the loss is on.
        package var sample = 512
        /// The most of them that hold an object.
        package var positiveShare = 0.25
        /// Cells a side that a region is pooled to.
        package var size = 7
        /// Bilinear samples along a side of a cell; 0: as many as it covers, as in MMRazor.
        package var samples = 2
        /// Whether pooling takes a cell's centre to be at half a cell. Official: no; MMRazor: yes.
        package var aligned = true
        /// Side of a region that is pooled from level 4, pixels; twice as large: from level 5.
        package var canonicalSize = 224.0

        package init() {}
    }

    /// What sees a region. The paper's: 4 convolutions, 1 layer; the usual one: 0 and 2, a tenth of the work.
    package struct Head: Hashable, Sendable {
        package enum BoxOutputs: String, CaseIterable, Sendable {
            case shared
            case classes
            case classesAndBackground  // the last is never trained; the official code
        }

        /// 3x3 convolutions.
        package var convolutions = 4
        /// The norm after each. Official and MMRazor: batch.
        package var norm = NormChoice.group
        /// Fully connected layers after them.
        package var layers = 1
        /// Their width.
        package var width = 1024
        package var boxOutputs = BoxOutputs.classes
        /// Factors of the offsets dx, dy, dw, dh.
        package var boxWeights: [Double] = [10, 10, 5, 5]
        /// Where the box loss turns from square to linear. 0: linear throughout, as in MMRazor.
        package var smoothL1Beta = 1.0

        package init() {}
    }
}

extension FasterRCNNConfig: PyramidConfig {
    static var blank: Self { Self() }

    var usesGroups: Bool {
        neckNorm == .group || (head.norm == .group && head.convolutions > 0)
    }
    var anchorSizeCount: Int { proposals.anchorSizes.count }

    static var fields: [Field<Self>] {
        pyramidFields(levels: 2...8) + [
            Field("proposals", \.proposals, .object),
            Field("regions", \.regions, .object),
            Field("head", \.head, .object),
            Field("scoreThreshold", \.scoreThreshold, .number(.share)),
            Field("nms", \.nms, .number(.share)),
            Field("maxDetections", \.maxDetections, .int(1...100_000)),
        ]
    }

    static var rules: [Rule<Self>] { pyramidRules(anchorSizes: "proposals/anchorSizes") }
}

extension FasterRCNNConfig.Proposals: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("anchorSizes", \.anchorSizes, .list(.number(.positive), count: 1...7)),
            Field("ratios", \.ratios, .list(.number(.positive), count: 1...16)),
            Field("dropOverBorder", \.dropOverBorder, .flag),
            Field("foregroundIoU", \.foregroundIoU, .number(.positiveShare)),
            Field("bestIoU", \.bestIoU, .number(.share)),
            Field("backgroundIoU", \.backgroundIoU, .number(.share)),
            Field("sample", \.sample, .int(1...1_000_000)),
            Field("positiveShare", \.positiveShare, .number(.share)),
            Field("smoothL1Beta", \.smoothL1Beta, .number(.notNegative)),
            Field("before", \.before, counts),
            Field("nms", \.nms, .number(.share)),
            Field("after", \.after, counts),
            Field("limit", \.limit, counts),
            Field("limitsBatch", \.limitsBatch, .flag),
        ]
    }

    static var rules: [Rule<Self>] { [.ordered(\.backgroundIoU, \.foregroundIoU)] }

    /// In training, in evaluation.
    private static var counts: Form<[Int]> { .list(.int(1...1_000_000), count: 2...2) }
}

extension FasterRCNNConfig.Regions: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("foregroundIoU", \.foregroundIoU, .number(.positiveShare)),
            Field("sample", \.sample, .int(1...1_000_000)),
            Field("positiveShare", \.positiveShare, .number(.share)),
            Field("size", \.size, .int(1...64)),
            Field("samples", \.samples, .int(0...64)),
            Field("aligned", \.aligned, .flag),
            Field("canonicalSize", \.canonicalSize, .number(.positive)),
        ]
    }
}

extension FasterRCNNConfig.Head: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("convolutions", \.convolutions, .int(0...16)),
            Field("norm", \.norm, .choice),
            Field("layers", \.layers, .int(0...8)),
            Field("width", \.width, .int(1...65_536)),
            Field("boxOutputs", \.boxOutputs, .choice),
            Field("boxWeights", \.boxWeights, .list(.number(.positive), count: 4...4)),
            Field("smoothL1Beta", \.smoothL1Beta, .number(.notNegative)),
        ]
    }
}
