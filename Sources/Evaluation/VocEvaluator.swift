// VOC's average precision (Everingham et al. 2010, IJCV 88, section 4.2; the rules are those of the
// development kit's `VOCevaldet`): 11-point as until 2009, area under the curve from 2010 on.
//
// VOC counts pixels from 1, includes the last one, and adds 1 to every width, of objects, detections
// and overlaps. Its corners (xmin, ymin, xmax, ymax) are the box (xmin - 1, ymin - 1, xmax - xmin + 1,
// ymax - ymin + 1) here, which is what `AnnotationReading` makes of them and what a detector trained on
// that gives back. The two ways of counting are then the same: all 1s cancel, and `Box.iou(with:)`
// is the development kit's overlap.

package import Annotations

/// The ground truth of one set of images, ready to be compared with any number of detectors.
package struct VocEvaluator: Sendable {
    /// A detection that overlaps an object by this or more has found it.
    package static let iou = 0.5

    private struct Truth {
        let box: Box
        /// Difficult, a crowd, or to be ignored: finding it counts neither way.
        let isUnjudged: Bool
    }

    private struct Cell: Hashable {
        let image: Int64
        let category: Int64
    }

    /// In the order of the file.
    private let truths: [Cell: [Truth]]
    private let categories: [CocoCategory]
    private let imageIDs: Set<Int64>

    package init(groundTruth: CocoDataset) {
        var truths: [Cell: [Truth]] = [:]
        for annotation in groundTruth.annotations {
            truths[Cell(image: annotation.imageID, category: annotation.categoryID), default: []]
                .append(
                    Truth(
                        box: annotation.box,
                        isUnjudged: annotation.isDifficult || annotation.isCrowd
                            || annotation.ignore,
                    )
                )
        }
        self.truths = truths
        imageIDs = Set(groundTruth.images.lazy.map(\.id))
        categories = groundTruth.categoryIDs.compactMap { groundTruth.category(id: $0) }
    }

    /// - Parameter detections: Of equal scores the earlier one goes first. Those of unknown images
    ///   or categories are left out.
    package func metrics(_ detections: [Detection]) -> VocMetrics {
        var found: [Int64: [Detection]] = [:]
        for detection in detections where imageIDs.contains(detection.imageID) {
            found[detection.categoryID, default: []].append(detection)
        }
        var objects: [Int64: Int] = [:]
        for (cell, truths) in truths where imageIDs.contains(cell.image) {
            objects[cell.category, default: 0] += truths.count { !$0.isUnjudged }
        }
        return VocMetrics(
            categories: categories.map { category in
                let curve = VocCurve(
                    objects: objects[category.id] ?? 0,
                    rightness: judged(found[category.id] ?? []),
                )
                return VocCategoryMetrics(
                    categoryID: category.id,
                    name: category.name,
                    objects: curve.objects,
                    ap11: curve.elevenPoint,
                    ap: curve.area,
                )
            }
        )
    }

    /// Whether each detection that counts is right, best first: each looks at the object that it
    /// overlaps most (the first of equals), taken or not, and is wrong where another was first.
    private func judged(_ detections: [Detection]) -> [Bool] {
        let order = detections.indices.sorted { one, other in
            let (a, b) = (detections[one].rank, detections[other].rank)
            return a == b ? one < other : a > b
        }
        var taken: [Cell: Set<Int>] = [:]
        var rightness: [Bool] = []
        for index in order {
            let detection = detections[index]
            let cell = Cell(image: detection.imageID, category: detection.categoryID)
            var best = (truth: -1, iou: 0.0)
            for (index, truth) in (truths[cell] ?? []).enumerated() {
                let iou = detection.box.iou(with: truth.box)
                if iou > best.iou { best = (index, iou) }
            }
            if best.iou < Self.iou {
                rightness.append(false)
            } else if truths[cell]?[best.truth].isUnjudged != true {
                rightness.append(taken[cell, default: []].insert(best.truth).inserted)
            }
        }
        return rightness
    }
}

/// Precision against recall for one class, as counts.
struct VocCurve {
    let objects: Int
    /// Of each detection that counts, best first.
    let rightness: [Bool]

    /// The mean over recalls 0, 0.1, ..., 1 of the best precision at that recall or beyond; -1 without
    /// objects.
    ///
    /// A recall of exactly three tenths counts as reached: recalls are compared as fractions. The
    /// development kit compares binary numbers, in which 3 x 0.1 is a little more than 0.3.
    var elevenPoint: Double {
        guard objects > 0 else { return -1 }
        var best = [Double](repeating: 0, count: 11)
        var right = 0
        for (index, isRight) in rightness.enumerated() where isRight {
            right += 1
            let precision = Double(right) / Double(index + 1)
            let tenth = min(10, 10 * right / objects)
            best[tenth] = max(best[tenth], precision)
        }
        for tenth in (0..<10).reversed() { best[tenth] = max(best[tenth], best[tenth + 1]) }
        return best.reduce(0, +) / 11
    }

    /// The area under the precision that is the best at a recall or beyond; -1 without objects.
    var area: Double {
        guard objects > 0 else { return -1 }
        var precisions: [Double] = []  // where an object is found
        for (index, isRight) in rightness.enumerated() where isRight {
            precisions.append(Double(precisions.count + 1) / Double(index + 1))
        }
        var best = 0.0
        var sum = 0.0
        for precision in precisions.reversed() {
            best = max(best, precision)
            sum += best
        }
        return sum / Double(objects)
    }
}

extension Detection {
    /// What detections are ordered by: a score that is not a number comes last.
    fileprivate var rank: Double { score.isNaN ? -.infinity : score }
}
