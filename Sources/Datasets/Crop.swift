// Which part of a picture a classifier sees: a random one in training, the centre in evaluation.
// The rules are torchvision's `RandomResizedCrop` and `Resize` + `CenterCrop`.

import Foundation
package import SearchSpaces

/// How a random part of a picture is chosen.
package struct RandomCrop: Hashable, Sendable {
    /// The part's share of the area.
    package var scale: ClosedRange<Double>
    /// Width over height; drawn uniformly on a logarithmic scale.
    package var ratio: ClosedRange<Double>

    package init(scale: ClosedRange<Double> = 0.08...1, ratio: ClosedRange<Double> = 3 / 4...4 / 3)
    {
        self.scale = scale
        self.ratio = ratio
    }

    /// Draws a part on whole pixels; after ten that do not fit, the largest one in the centre whose
    /// ratio is allowed.
    package func region(in size: ImageSize, using random: inout CounterRandom) -> Region {
        let (width, height) = (Double(size.width), Double(size.height))
        for _ in 0..<10 {
            let area = width * height * random.uniform(in: scale)
            let ratio = exp(random.uniform(in: log(ratio.lowerBound)...log(ratio.upperBound)))
            let w = (area * ratio).squareRoot().rounded(.toNearestOrEven)
            let h = (area / ratio).squareRoot().rounded(.toNearestOrEven)
            guard w > 0, h > 0, w <= width, h <= height else { continue }
            let y = random.below(size.height - Int(h) + 1)
            let x = random.below(size.width - Int(w) + 1)
            return Region(x: Double(x), y: Double(y), width: w, height: h)
        }
        var (w, h) = (width, height)
        if width / height < ratio.lowerBound {
            h = max(1, min(height, (w / ratio.lowerBound).rounded(.toNearestOrEven)))
        } else if width / height > ratio.upperBound {
            w = max(1, min(width, (h * ratio.upperBound).rounded(.toNearestOrEven)))
        }
        return Region(
            x: ((width - w) / 2).rounded(.down),
            y: ((height - h) / 2).rounded(.down),
            width: w,
            height: h,
        )
    }
}

/// The centre of a picture whose short side was resized.
package struct CentreCrop: Hashable, Sendable {
    /// The side of the square that is left.
    package var size: Int
    /// What the short side is resized to before; at least `size`.
    package var shortSide: Int

    package init(size: Int, shortSide: Int) {
        self.size = size
        self.shortSide = max(size, shortSide)
    }

    /// The part of the original that is left.
    package func region(in original: ImageSize) -> Region {
        let (width, height) = (original.width, original.height)
        // The long side is rounded down, the corner to even: as torchvision does.
        let (w, h) =
            width <= height
            ? (shortSide, shortSide * height / width) : (shortSide * width / height, shortSide)
        let left = (Double(w - size) / 2).rounded(.toNearestOrEven)
        let top = (Double(h - size) / 2).rounded(.toNearestOrEven)
        let (sx, sy) = (Double(width) / Double(w), Double(height) / Double(h))
        return Region(
            x: left * sx,
            y: top * sy,
            width: Double(size) * sx,
            height: Double(size) * sy,
        )
    }
}
