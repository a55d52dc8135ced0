// Anchor boxes, and boxes as offsets from them.

import Foundation
package import Torch

/// Where a level's anchors lie and how large they are.
package struct AnchorGrid {
    /// Corners of each anchor of the cell at the image's corner, pixels.
    private let cell: [[Double]]
    private let stride: Int

    /// - Parameters:
    ///   - size: pixels: the side of the square anchor of the first octave step.
    ///   - ratios: height / width.
    ///   - convention: the legacy one centres anchors between pixels and rounds them to those of the stride's size,
    ///     as Detectron does.
    package init(
        stride: Int,
        size: Double,
        octaveScales: Int,
        ratios: [Double],
        _ convention: BoxConvention = .modern,
    ) {
        self.stride = stride
        let side = Double(stride)
        cell = ratios.flatMap { ratio in
            (0..<octaveScales).map { step in
                let scale = pow(2, Double(step) / Double(octaveScales))
                switch convention {
                case .modern:
                    let width = size * scale / ratio.squareRoot()
                    let height = size * scale * ratio.squareRoot()
                    return Self.box(around: side / 2, width, height, edge: 0)
                case .legacy:
                    let width = (side * side / ratio).squareRoot().rounded(.toNearestOrEven)
                    let height = (width * ratio).rounded(.toNearestOrEven)
                    let times = size * scale / side
                    return Self.box(
                        around: (side - 1) / 2,
                        width * times,
                        height * times,
                        edge: 1,
                    )
                }
            }
        }
    }

    private static func box(
        around centre: Double,
        _ width: Double,
        _ height: Double,
        edge: Double,
    ) -> [Double] {
        let (x, y) = ((width - edge) / 2, (height - edge) / 2)
        return [centre - x, centre - y, centre + x, centre + y]
    }

    /// Anchors of a `height` x `width` map, cell by cell in rows: flat x1 y1 x2 y2.
    package func boxes(height: Int, width: Int) -> [Float] {
        var boxes: [Float] = []
        boxes.reserveCapacity(height * width * cell.count * 4)
        for row in 0..<height {
            for column in 0..<width {
                let (x, y) = (Double(column * stride), Double(row * stride))
                for box in cell {
                    boxes.append(Float(box[0] + x))
                    boxes.append(Float(box[1] + y))
                    boxes.append(Float(box[2] + x))
                    boxes.append(Float(box[3] + y))
                }
            }
        }
        return boxes
    }
}

/// Boxes as offsets from others: (dx, dy, dw, dh), unitless (Girshick et al. 2014, arXiv:1311.2524, appendix C).
package struct BoxCoder: Sendable {
    /// The factors of dx, dy, dw, dh.
    package var weights: [Double]
    package var convention: BoxConvention

    package init(weights: [Double], _ convention: BoxConvention) {
        self.weights = weights
        self.convention = convention
    }

    /// `box` as offsets from `anchor`; both x1 y1 x2 y2 with positive sides.
    func encode(_ box: ArraySlice<Float>, relativeTo anchor: ArraySlice<Float>) -> [Float] {
        let b = box.map(Double.init)
        let a = anchor.map(Double.init)
        let edge = convention.edge
        let width = a[2] - a[0] + edge
        let height = a[3] - a[1] + edge
        let boxWidth = max(b[2] - b[0] + edge, 1e-3)
        let boxHeight = max(b[3] - b[1] + edge, 1e-3)
        return [
            Float(weights[0] * (b[0] + boxWidth / 2 - a[0] - width / 2) / width),
            Float(weights[1] * (b[1] + boxHeight / 2 - a[1] - height / 2) / height),
            Float(weights[2] * log(boxWidth / width)),
            Float(weights[3] * log(boxHeight / height)),
        ]
    }
}

extension BoxConvention {
    /// Flat boxes of the modern convention, in this one.
    func boxes(_ boxes: [Float]) -> [Float] {
        guard self == .legacy else { return boxes }
        return boxes.enumerated().map { $0 % 4 < 2 ? $1 : $1 - 1 }
    }

    /// Boxes found in this convention, in the modern one.
    func modern(_ found: [BoxKernels.Found]) -> [BoxKernels.Found] {
        guard self == .legacy else { return found }
        return found.map {
            BoxKernels.Found(
                box: $0.box.enumerated().map { $0 < 2 ? $1 : $1 + 1 },
                score: $0.score,
                label: $0.label,
            )
        }
    }
}
