// What a detector found, judged detection by detection: every figure is a count over it, over all
// images or over any of them, so that figures of resampled images need no second matching.

/// The detections of one detector, judged. Made by `CocoEvaluator.match(_:)`.
package struct CocoMatches: Sendable {
    package let evaluator: CocoEvaluator
    /// The detections that count, of each category, by falling score.
    let categories: [ContiguousArray<JudgedDetection>]
    /// How many detections named an unknown image or category and were left out.
    package let strangers: Int

    /// COCO's figures over all images, or over some of them.
    ///
    /// - Parameter images: Indices into `evaluator.imageIDs`. An image named twice counts as two
    ///   with the same content; of the detections of such twins with equal scores, those of one
    ///   place in their images stand side by side.
    package func metrics(images: [Int]? = nil) -> CocoMetrics {
        let tally = Tally(self, weights: images.map(weights))
        let byIoU = categories.indices.map { category in
            CocoGrid.ious.indices.map { tally.averagePrecision(category, iou: $0, .all) }
        }
        let ar100 = categories.indices.map {
            tally.recall($0, .all, limit: evaluator.maxDetections)
        }
        let perCategory = zip(evaluator.categories, categories.indices).map { category, index in
            CocoCategoryMetrics(
                categoryID: category.id,
                name: category.name,
                objects: tally.objects(index, .all),
                ap: mean(byIoU[index]),
                ap50: byIoU[index][Self.iou50],
                ap75: byIoU[index][Self.iou75],
                ar100: ar100[index],
            )
        }
        return CocoMetrics(
            ap: mean(perCategory.map(\.ap)),
            ap50: mean(perCategory.map(\.ap50)),
            ap75: mean(perCategory.map(\.ap75)),
            apSmall: tally.value(of: .apSmall),
            apMedium: tally.value(of: .apMedium),
            apLarge: tally.value(of: .apLarge),
            ar1: tally.value(of: .ar1),
            ar10: tally.value(of: .ar10),
            ar100: mean(ar100),
            arSmall: tally.value(of: .arSmall),
            arMedium: tally.value(of: .arMedium),
            arLarge: tally.value(of: .arLarge),
            apByIoU: CocoGrid.ious.indices.map { iou in mean(byIoU.map { $0[iou] }) },
            categories: perCategory,
        )
    }

    /// One figure alone, at its share of the cost of `metrics(images:)`.
    package func value(of figure: CocoFigure, images: [Int]? = nil) -> Double {
        Tally(self, weights: images.map(weights)).value(of: figure)
    }

    /// Precision against recall for one category.
    ///
    /// - Parameter iou: One of `CocoGrid.ious`, to within a thousandth.
    /// - Returns: Nil for an unknown category or IoU, and where there is nothing to be found.
    package func curve(
        categoryID: Int64,
        iou: Double = 0.5,
        area: CocoArea = .all,
    ) -> PrecisionRecallCurve? {
        guard let category = evaluator.categories.firstIndex(where: { $0.id == categoryID }),
            let threshold = CocoGrid.ious.firstIndex(where: { abs($0 - iou) < 1e-3 })
        else { return nil }
        let tally = Tally(self, weights: nil)
        guard tally.objects(category, area) > 0 else { return nil }
        var precisions: [Double] = []
        var scores: [Double] = []
        let recall = tally.trace(category, iou: threshold, area) { precision, score in
            precisions.append(precision)
            scores.append(score)
        }
        return PrecisionRecallCurve(
            categoryID: categoryID,
            iou: CocoGrid.ious[threshold],
            precisions: precisions,
            scores: scores,
            recall: recall,
        )
    }

    static let iou50 = 0
    static let iou75 = 5

    /// How often each image counts.
    private func weights(_ images: [Int]) -> [Int32] {
        var weights = [Int32](repeating: 0, count: evaluator.imageIDs.count)
        for image in images { weights[image] += 1 }
        return weights
    }
}

/// The mean of what is defined, -1 where nothing is.
func mean(_ values: some Sequence<Double>) -> Double {
    var sum = 0.0
    var count = 0.0
    for value in values where value > -1 {
        sum += value
        count += 1
    }
    return count > 0 ? sum / count : -1
}
