// Matches detections with ground truth by COCO's rules, as pycocotools' `COCOeval` does for boxes
// (Lin et al. 2014, arXiv:1405.0312; github.com/cocodataset/cocoapi).
//
// Ground truth is laid out once, by category and image, so that a search which evaluates thousands
// of detectors on one set of images pays for it once.

package import Annotations

/// The ground truth of one set of images, ready to be compared with any number of detectors.
///
/// A value without state of its own: any number of threads may call `match(_:)` at once.
package struct CocoEvaluator: Sendable {
    /// The images in the order of their ids: what an image index refers to.
    package let imageIDs: [Int64]
    /// The categories in the order of their ids.
    package let categories: [CocoCategory]
    /// How many detections of one category in one image count, best first.
    package let maxDetections: Int

    /// One object to be found, or one region where finding is not judged.
    struct Truth {
        let box: Box
        let isCrowd: Bool
        /// pycocotools marks a matched detection with the object's id, and takes 0 for unmatched.
        let countsAsMatch: Bool
        /// Bit `CocoArea.rawValue`: not judged in that range of areas.
        let ignored: UInt8
    }

    /// The objects of category `k` in image `i`, in the order of the file:
    /// `truths[truthStarts[k * images + i]..<truthStarts[k * images + i + 1]]`.
    let truths: ContiguousArray<Truth>
    let truthStarts: ContiguousArray<Int32>
    private let imageIndices: [Int64: Int32]
    private let categoryIndices: [Int64: Int32]

    /// - Parameters:
    ///   - maxDetections: COCO's is 100; AR100 is the recall with this many. At least 1.
    ///   - honoursIgnore: whether annotations that are difficult or have `ignore` are left unjudged.
    ///     pycocotools knows no `difficult` and overwrites `ignore` with `iscrowd`, so comparable
    ///     figures leave it false.
    package init(
        groundTruth: CocoDataset,
        maxDetections: Int = 100,
        honoursIgnore: Bool = false,
    ) {
        let imageIDs = Set(groundTruth.images.lazy.map(\.id)).sorted()
        let named = Dictionary(
            groundTruth.categories.lazy.map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first },
        )
        let categories = groundTruth.categoryIDs.compactMap { named[$0] }
        let imageIndices = Dictionary(
            uniqueKeysWithValues: zip(imageIDs, imageIDs.indices.map(Int32.init))
        )
        let categoryIndices = Dictionary(
            uniqueKeysWithValues: zip(categories.map(\.id), categories.indices.map(Int32.init))
        )

        let cells: [Int?] = groundTruth.annotations.map { annotation in
            guard let image = imageIndices[annotation.imageID],
                let category = categoryIndices[annotation.categoryID]
            else { return nil }
            return Int(category) * imageIDs.count + Int(image)
        }
        let (starts, order) = grouped(cells, into: categories.count * imageIDs.count)
        truths = ContiguousArray(
            order.map { Truth(groundTruth.annotations[Int($0)], honoursIgnore) }
        )
        truthStarts = starts
        self.imageIDs = imageIDs
        self.categories = categories
        self.imageIndices = imageIndices
        self.categoryIndices = categoryIndices
        self.maxDetections = max(1, maxDetections)
    }

    /// Decides for every detection whether it is right, wrong or not judged, at every IoU and in
    /// every range of areas.
    ///
    /// Of detections with equal scores the earlier one goes first. Those of unknown images or
    /// categories are counted and left out.
    package func match(_ detections: [Detection]) -> CocoMatches {
        var strangers = 0
        let cells: [Int?] = detections.map { detection in
            guard let image = imageIndices[detection.imageID],
                let category = categoryIndices[detection.categoryID]
            else {
                strangers += 1
                return nil
            }
            return Int(category) * imageIDs.count + Int(image)
        }
        let (starts, order) = grouped(cells, into: categories.count * imageIDs.count)

        var matcher = CellMatcher()
        let matched = categories.indices.map { category in
            var judged = ContiguousArray<JudgedDetection>()
            for image in imageIDs.indices {
                let cell = category * imageIDs.count + image
                let range = Int(starts[cell])..<Int(starts[cell + 1])
                if range.isEmpty { continue }
                let ranked = order[range].sorted { one, other in
                    let (a, b) = (detections[Int(one)].rank, detections[Int(other)].rank)
                    return a == b ? one < other : a > b
                }
                let known = Int(truthStarts[cell])..<Int(truthStarts[cell + 1])
                matcher.match(
                    ranked.prefix(maxDetections).lazy.map { detections[Int($0)] },
                    with: truths,
                    known,
                    image: Int32(image),
                    into: &judged,
                )
            }
            return judged.inOrderOfScore()
        }
        return CocoMatches(evaluator: self, categories: matched, strangers: strangers)
    }
}

extension CocoEvaluator.Truth {
    fileprivate init(_ annotation: CocoAnnotation, _ honoursIgnore: Bool) {
        box = annotation.box
        isCrowd = annotation.isCrowd
        countsAsMatch = annotation.id != 0
        let isUnjudged =
            annotation.isCrowd || (honoursIgnore && (annotation.ignore || annotation.isDifficult))
        ignored = CocoArea.allCases.reduce(0) { bits, area in
            isUnjudged || !area.range.contains(annotation.area)
                ? bits | (1 << UInt8(area.rawValue)) : bits
        }
    }
}

extension Detection {
    /// What detections are ordered by: a score that is not a number comes last.
    fileprivate var rank: Double { score.isNaN ? -.infinity : score }
}

/// Sorts indices by cell, stably; those without a cell are left out.
///
/// - Returns: Indices by cell, and where each cell's begin in them (one more than there are cells).
private func grouped(
    _ cells: [Int?],
    into count: Int,
) -> (starts: ContiguousArray<Int32>, order: ContiguousArray<Int32>) {
    var starts = ContiguousArray<Int32>(repeating: 0, count: count + 1)
    for case .some(let cell) in cells { starts[cell + 1] += 1 }
    for cell in 0..<count { starts[cell + 1] += starts[cell] }
    var ends = starts
    var order = ContiguousArray<Int32>(repeating: 0, count: Int(starts[count]))
    for (index, cell) in cells.enumerated() {
        guard let cell else { continue }
        order[Int(ends[cell])] = Int32(index)
        ends[cell] += 1
    }
    return (starts, order)
}
