// Counts judged detections into precision, recall and COCO's figures.

import Annotations

/// The counts over a set of images, each with a weight: how often it counts.
struct Tally {
    private let matches: CocoMatches
    /// For each image; nil where each counts once.
    private let weights: [Int32]?

    init(_ matches: CocoMatches, weights: [Int32]?) {
        self.matches = matches
        self.weights = weights
    }

    func value(of figure: CocoFigure) -> Double {
        let limit = matches.evaluator.maxDetections
        switch figure {
        case .ap: return averagePrecision(CocoGrid.ious.indices, .all)
        case .ap50: return averagePrecision(CocoMatches.iou50..<CocoMatches.iou50 + 1, .all)
        case .ap75: return averagePrecision(CocoMatches.iou75..<CocoMatches.iou75 + 1, .all)
        case .apSmall: return averagePrecision(CocoGrid.ious.indices, .small)
        case .apMedium: return averagePrecision(CocoGrid.ious.indices, .medium)
        case .apLarge: return averagePrecision(CocoGrid.ious.indices, .large)
        case .ar1: return recall(.all, limit: min(1, limit))
        case .ar10: return recall(.all, limit: min(10, limit))
        case .ar100: return recall(.all, limit: limit)
        case .arSmall: return recall(.small, limit: limit)
        case .arMedium: return recall(.medium, limit: limit)
        case .arLarge: return recall(.large, limit: limit)
        }
    }

    private func averagePrecision(_ ious: Range<Int>, _ area: CocoArea) -> Double {
        mean(
            matches.categories.indices.lazy.map { category in
                mean(ious.lazy.map { averagePrecision(category, iou: $0, area) })
            }
        )
    }

    private func recall(_ area: CocoArea, limit: Int) -> Double {
        mean(matches.categories.indices.lazy.map { recall($0, area, limit: limit) })
    }

    /// The objects of a category that are to be found.
    func objects(_ category: Int, _ area: CocoArea) -> Int {
        let evaluator = matches.evaluator
        let bit: UInt8 = 1 << UInt8(area.rawValue)
        var count = 0
        for image in evaluator.imageIDs.indices {
            let weight = Int(weights?[image] ?? 1)
            if weight == 0 { continue }
            let cell = category * evaluator.imageIDs.count + image
            for truth in evaluator.truthStarts[cell]..<evaluator.truthStarts[cell + 1]
            where evaluator.truths[Int(truth)].ignored & bit == 0 {
                count += weight
            }
        }
        return count
    }

    /// The mean over IoUs of the share of objects found, with at most `limit` detections an image
    /// and category; -1 without objects.
    func recall(_ category: Int, _ area: CocoArea, limit: Int) -> Double {
        let objects = objects(category, area)
        guard objects > 0 else { return -1 }
        var hits = 0
        for detection in matches.categories[category] where detection.rank < limit {
            let weight = Int(weights?[Int(detection.image)] ?? 1)
            hits += weight * detection.hits[area.rawValue].nonzeroBitCount
        }
        return Double(hits) / Double(objects) / Double(CocoGrid.ious.count)
    }

    /// The mean precision over `CocoGrid.recalls`; -1 without objects.
    func averagePrecision(_ category: Int, iou: Int, _ area: CocoArea) -> Double {
        var sum = 0.0
        guard trace(category, iou: iou, area, { precision, _ in sum += precision }) >= 0 else {
            return -1
        }
        return sum / Double(CocoGrid.recalls.count)
    }

    /// Calls `visit` for each of `CocoGrid.recalls` with the best precision at that recall or
    /// beyond, and the score down to which detections must be taken; both 0 beyond the last.
    ///
    /// Precision only rises where an object is found, and only there a recall is first reached:
    /// the curve is kept at these points alone.
    ///
    /// - Returns: The recall of all detections; -1, and no visit, without objects.
    func trace(
        _ category: Int,
        iou: Int,
        _ area: CocoArea,
        _ visit: (_ precision: Double, _ score: Double) -> Void,
    ) -> Double {
        let objects = Double(objects(category, area))
        guard objects > 0 else { return -1 }
        let bit: UInt16 = 1 << UInt16(iou)
        var points = ContiguousArray<(recall: Double, precision: Double, score: Double)>()
        var right = 0
        var wrong = 0
        var best: Double?
        for detection in matches.categories[category] {
            let weight = Int(weights?[Int(detection.image)] ?? 1)
            if weight == 0 { continue }
            best = best ?? detection.score
            if detection.hits[area.rawValue] & bit != 0 {
                right += weight
                let precision = Double(right) / (Double(wrong) + Double(right) + Double.ulpOfOne)
                points.append((Double(right) / objects, precision, detection.score))
            } else if detection.ignored[area.rawValue] & bit == 0 {
                wrong += weight
            }
        }
        for index in points.indices.dropLast().reversed() {
            points[index].precision = max(points[index].precision, points[index + 1].precision)
        }
        var next = 0
        for recall in CocoGrid.recalls {
            while next < points.count, points[next].recall < recall { next += 1 }
            // A recall of 0 is reached by the very first detection, right or not.
            let score = recall > 0 ? nil : best
            if next < points.count {
                visit(points[next].precision, score ?? points[next].score)
            } else {
                visit(0, score ?? 0)
            }
        }
        return Double(right) / objects
    }
}
