// The vocabulary of COCO's detection figures (cocodataset.org/#detection-eval), and a result in it.

/// One of the twelve numbers that COCO's tools print, in their order.
///
/// Raw values are shown and stored, so they never change.
package enum CocoFigure: String, Codable, CaseIterable, Sendable {
    /// Mean over categories and IoU 0.50...0.95 of the average precision.
    case ap = "AP"
    case ap50 = "AP50"
    case ap75 = "AP75"
    case apSmall = "APsmall"
    case apMedium = "APmedium"
    case apLarge = "APlarge"
    /// Mean over categories and IoU 0.50...0.95 of the recall with one detection an image.
    case ar1 = "AR1"
    case ar10 = "AR10"
    case ar100 = "AR100"
    case arSmall = "ARsmall"
    case arMedium = "ARmedium"
    case arLarge = "ARlarge"
}

/// Which objects count, by area in square pixels; both borders belong to both sides.
package enum CocoArea: Int, Codable, CaseIterable, Sendable {
    case all
    case small
    case medium
    case large

    package var range: ClosedRange<Double> {
        switch self {
        case .all: 0...1e10
        case .small: 0...1024
        case .medium: 1024...9216
        case .large: 9216...1e10
        }
    }
}

/// The grids that COCO averages over, in the very bits that pycocotools has for them.
package enum CocoGrid {
    /// 0.50, 0.55, ..., 0.95.
    package static let ious: [Double] = {
        let step = (0.95 - 0.5) / 9
        return (0..<9).map { index -> Double in Double(index) * step + 0.5 } + [0.95]
    }()
    /// 0, 0.01, ..., 1.
    package static let recalls: [Double] =
        (0..<100).map { index -> Double in Double(index) * 0.01 } + [1]
}

/// How good the detections of one category are.
package struct CocoCategoryMetrics: Codable, Hashable, Sendable {
    package let categoryID: Int64
    package let name: String
    /// Objects to be found: no crowds.
    package let objects: Int
    /// Mean over IoU 0.50...0.95; -1 without objects, as are the others.
    package let ap: Double
    package let ap50: Double
    package let ap75: Double
    package let ar100: Double
}

/// COCO's twelve figures and what they are made of, 0...1, or -1 where nothing is to be found.
package struct CocoMetrics: Codable, Hashable, Sendable {
    package let ap: Double
    package let ap50: Double
    package let ap75: Double
    package let apSmall: Double
    package let apMedium: Double
    package let apLarge: Double
    package let ar1: Double
    package let ar10: Double
    package let ar100: Double
    package let arSmall: Double
    package let arMedium: Double
    package let arLarge: Double
    /// At each of `CocoGrid.ious`, the mean over categories.
    package let apByIoU: [Double]
    /// In the order of category ids.
    package let categories: [CocoCategoryMetrics]

    package subscript(figure: CocoFigure) -> Double {
        switch figure {
        case .ap: ap
        case .ap50: ap50
        case .ap75: ap75
        case .apSmall: apSmall
        case .apMedium: apMedium
        case .apLarge: apLarge
        case .ar1: ar1
        case .ar10: ar10
        case .ar100: ar100
        case .arSmall: arSmall
        case .arMedium: arMedium
        case .arLarge: arLarge
        }
    }

    /// The twelve figures under COCO's names.
    package var stats: [String: Double] {
        Dictionary(uniqueKeysWithValues: CocoFigure.allCases.map { ($0.rawValue, self[$0]) })
    }
}

/// Precision at each of `CocoGrid.recalls`, for one category at one IoU.
package struct PrecisionRecallCurve: Codable, Hashable, Sendable {
    package let categoryID: Int64
    package let iou: Double
    /// The best precision at this recall or a higher one; 0 past the highest recall reached.
    package let precisions: [Double]
    /// The score down to which detections must be taken to reach the recall; 0 where it is not reached.
    package let scores: [Double]
    /// The share of objects found by all detections together.
    package let recall: Double

    /// COCO's average precision: the mean of `precisions`.
    package var averagePrecision: Double {
        precisions.reduce(0, +) / Double(precisions.count)
    }
}
