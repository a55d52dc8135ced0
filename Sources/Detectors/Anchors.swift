// Anchor boxes, and boxes as offsets from them.

import Foundation

/// Where a level's anchors lie and how large they are.
package struct AnchorGrid {
    /// `[width, height]` of each anchor of a cell, in pixels.
    private let sizes: [(width: Double, height: Double)]
    private let stride: Int

    /// - Parameters:
    ///   - size: pixels: the side of the square anchor of the first octave step.
    ///   - ratios: height / width.
    package init(stride: Int, size: Double, octaveScales: Int, ratios: [Double]) {
        self.stride = stride
        sizes = ratios.flatMap { ratio in
            (0..<octaveScales).map { step in
                let side = size * pow(2, Double(step) / Double(octaveScales))
                return (side / ratio.squareRoot(), side * ratio.squareRoot())
            }
        }
    }

    /// Anchors of a `height` x `width` map, cell by cell in rows: flat x1 y1 x2 y2.
    package func boxes(height: Int, width: Int) -> [Float] {
        var boxes: [Float] = []
        boxes.reserveCapacity(height * width * sizes.count * 4)
        for y in 0..<height {
            for x in 0..<width {
                let centre = (
                    x: (Double(x) + 0.5) * Double(stride), y: (Double(y) + 0.5) * Double(stride),
                )
                for size in sizes {
                    boxes.append(Float(centre.x - size.width / 2))
                    boxes.append(Float(centre.y - size.height / 2))
                    boxes.append(Float(centre.x + size.width / 2))
                    boxes.append(Float(centre.y + size.height / 2))
                }
            }
        }
        return boxes
    }
}

package enum BoxCoder {
    /// The factors of dx, dy, dw, dh (Girshick et al.; the official RetinaNet uses them too).
    package static let weights: [Double] = [10, 10, 5, 5]

    /// `box` as offsets from `anchor`; both x1 y1 x2 y2 with positive sides.
    static func encode(_ box: ArraySlice<Float>, relativeTo anchor: ArraySlice<Float>) -> [Float] {
        let b = box.map(Double.init)
        let a = anchor.map(Double.init)
        let width = a[2] - a[0]
        let height = a[3] - a[1]
        let boxWidth = max(b[2] - b[0], 1e-3)
        let boxHeight = max(b[3] - b[1], 1e-3)
        return [
            Float(weights[0] * (b[0] + boxWidth / 2 - a[0] - width / 2) / width),
            Float(weights[1] * (b[1] + boxHeight / 2 - a[1] - height / 2) / height),
            Float(weights[2] * log(boxWidth / width)),
            Float(weights[3] * log(boxHeight / height)),
        ]
    }
}
