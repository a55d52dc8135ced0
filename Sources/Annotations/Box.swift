// A box in an image, and how much two of them overlap (COCO's conventions).

/// An axis-parallel box in pixels of the original image: its upper left corner and its size.
///
/// Pixels are areas, not points: the box over all of a `640 x 480` image is `(0, 0, 640, 480)`.
package struct Box: Codable, Hashable, Sendable {
    package var x: Double
    package var y: Double
    package var width: Double
    package var height: Double

    package init(x: Double, y: Double, width: Double, height: Double) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    /// The box between two corners, `x1 <= x2` and `y1 <= y2`.
    package init(x1: Double, y1: Double, x2: Double, y2: Double) {
        self.init(x: x1, y: y1, width: x2 - x1, height: y2 - y1)
    }

    /// The right edge, `x + width`.
    package var maxX: Double { width + x }
    /// The lower edge, `y + height`.
    package var maxY: Double { height + y }
    package var area: Double { width * height }

    /// Whether all four numbers are finite.
    package var isFinite: Bool {
        x.isFinite && y.isFinite && width.isFinite && height.isFinite
    }

    /// Whether both sides are finite and longer than nothing.
    package var hasArea: Bool { isFinite && width > 0 && height > 0 }

    /// The area that both boxes cover, in square pixels.
    package func intersection(_ other: Box) -> Double {
        let width = min(maxX, other.maxX) - max(x, other.x)
        guard width > 0 else { return 0 }
        let height = min(maxY, other.maxY) - max(y, other.y)
        return height > 0 ? width * height : 0
    }

    /// Intersection over union, 0...1.
    package func iou(with other: Box) -> Double {
        let shared = intersection(other)
        return shared > 0 ? shared / (area + other.area - shared) : 0
    }

    /// The share of this box that lies in `crowd`, 0...1.
    ///
    /// COCO's overlap of a detection with a region annotated as a crowd: a detection of one member
    /// is not to be blamed for being smaller than the crowd.
    package func iou(withCrowd crowd: Box) -> Double {
        let shared = intersection(crowd)
        return shared > 0 ? shared / area : 0
    }

    /// The part that lies in a `width x height` image, or nil where nothing with an area does.
    package func clipped(width: Double, height: Double) -> Box? {
        let part = Box(
            x1: max(x, 0),
            y1: max(y, 0),
            x2: min(maxX, width),
            y2: min(maxY, height),
        )
        return part.hasArea ? part : nil
    }

    /// The distance by which the box reaches over the edges of a `width x height` image, in pixels.
    package func overhang(width: Double, height: Double) -> Double {
        max(0, -x, -y, maxX - width, maxY - height)
    }
}
