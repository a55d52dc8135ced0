// What happens to an image between the file and the network.

/// How 8-bit pixels become the numbers that a network sees. Stored with every checkpoint.
package struct Pixels: Hashable, Sendable {
    package enum Order: String, CaseIterable, Sendable {
        case rgb
        case bgr
    }

    package var order = Order.rgb
    /// Subtracted, one for each channel in `order`, in units of 0..255.
    /// Source: ImageNet's statistics as mmdetection and torchvision have them; the official DetNAS
    /// code instead feeds BGR with mean 0 and deviation 1.
    package var mean = [123.675, 116.28, 103.53]
    /// Divided by, one for each channel in `order`, in units of 0..255. Source: as `mean`.
    package var std = [58.395, 57.12, 57.375]

    package init() {}
}

/// Augmentation of classification images. Source: the official DetNAS recipe for ImageNet, which
/// is the usual random resized crop, colour jitter and flip.
package struct ClassificationImage: Hashable, Sendable {
    /// Side of the crop that the network sees, pixels.
    package var size = 224
    package var pixels = Pixels()
    /// Area of the crop, least and most, as a share of the image.
    package var scale = [0.08, 1.0]
    /// Width over height of the crop, least and most.
    package var ratio = [0.75, 1.333_333_3]
    /// Brightness, contrast and saturation are multiplied by 1 - jitter ... 1 + jitter.
    package var jitter = 0.4
    /// Probability of a horizontal flip.
    package var flip = 0.5
    /// Short side over `size` before the centre crop of an evaluation: 256 over 224.
    package var evaluationResize = 256.0 / 224.0

    package init() {}
}

/// Resizing of detection images, which are then padded to multiples of 32, and every batch to its
/// largest. Source: the official DetNAS configuration, which is Detectron's.
package struct DetectionImage: Hashable, Sendable {
    /// The short side after resizing, pixels, unless the long one would pass `longSide`.
    package var shortSide = 800
    /// The most that the long side may have, pixels.
    package var longSide = 1333
    package var pixels = Pixels()
    /// Probability of a horizontal flip in training.
    package var flip = 0.5
    /// Whether a training batch is of wide images or of tall ones, so that little is padded. Source: as above.
    package var groupByAspect = true

    package init() {}
}

extension Pixels: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("order", \.order, .choice),
            Field("mean", \.mean, .list(.number(.any), count: 3...3)),
            Field("std", \.std, .list(.number(.positive), count: 3...3)),
        ]
    }
}

extension ClassificationImage: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("size", \.size, .int(32...4096)),
            Field("pixels", \.pixels, .object),
            Field("scale", \.scale, .list(.number(.positiveShare), count: 2...2)),
            Field("ratio", \.ratio, .list(.number(.positive), count: 2...2)),
            Field("jitter", \.jitter, .number(.share)),
            Field("flip", \.flip, .number(.share)),
            Field("evaluationResize", \.evaluationResize, .number(.atLeastOne)),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("scale", code: .outOfRange, allowed: "the least, then the most") {
                isAscending($0.scale) ? nil : "the first of \($0.scale) is the greater one"
            },
            Rule("ratio", code: .outOfRange, allowed: "the least, then the most") {
                isAscending($0.ratio) ? nil : "the first of \($0.ratio) is the greater one"
            },
        ]
    }

    private static func isAscending(_ range: [Double]) -> Bool { range == range.sorted() }
}

extension DetectionImage: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("shortSide", \.shortSide, .int(32...8192)),
            Field("longSide", \.longSide, .int(32...8192)),
            Field("pixels", \.pixels, .object),
            Field("flip", \.flip, .number(.share)),
            Field("groupByAspect", \.groupByAspect, .flag),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("longSide", "shortSide", allowed: ">= shortSide") {
                $0.longSide >= $0.shortSide
                    ? nil : "\($0.longSide) is less than shortSide, \($0.shortSide)"
            }
        ]
    }
}
