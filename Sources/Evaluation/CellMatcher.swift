// The heart of COCO's evaluation: who is matched with whom, in one image and one category.

import Annotations

/// A detection and what became of it. Bit `t` of a mask stands for `CocoGrid.ious[t]`.
struct JudgedDetection {
    let score: Double
    let image: Int32
    /// Its place among the detections of its category in its image, best first, from 0.
    let rank: Int32
    /// For each range of areas: the IoUs at which it found an object.
    var hits: SIMD4<UInt16>
    /// For each range of areas: the IoUs at which it is neither right nor wrong.
    var ignored: SIMD4<UInt16>
}

extension ContiguousArray<JudgedDetection> {
    /// By falling score, equal scores in the order they have here: by image, then by rank.
    func inOrderOfScore() -> Self {
        let order = indices.sorted { one, other in
            let (a, b) = (self[one].score, self[other].score)
            return a == b ? one < other : a > b
        }
        return ContiguousArray(order.map { self[$0] })
    }
}

/// Matches the detections of one image and category at a time; keeps its buffers between calls.
struct CellMatcher {
    /// What a detection overlaps by at least the lowest IoU.
    private struct Overlap {
        let truth: Int
        let iou: Double
    }

    private var overlaps: ContiguousArray<Overlap> = []
    private var overlapStarts: ContiguousArray<Int> = []
    /// For each object, the IoUs at which it is taken.
    private var taken: ContiguousArray<UInt16> = []
    /// A match that covers the object whole must count at an IoU of 1.
    private let thresholds = ContiguousArray(CocoGrid.ious.map { min($0, 1 - 1e-10) })

    /// Goes through detections, best first: each takes the free object that it overlaps most (the
    /// last of equals), at every IoU on its own. Objects that are judged go before those that are
    /// not, whatever the overlap; a crowd is never used up.
    mutating func match(
        _ detections: some Sequence<Detection>,
        with truths: ContiguousArray<CocoEvaluator.Truth>,
        _ known: Range<Int>,
        image: Int32,
        into judged: inout ContiguousArray<JudgedDetection>,
    ) {
        let first = judged.count
        overlaps.removeAll(keepingCapacity: true)
        overlapStarts.removeAll(keepingCapacity: true)
        for (rank, detection) in detections.enumerated() {
            overlapStarts.append(overlaps.count)
            for truth in known {
                let object = truths[truth]
                let iou =
                    object.isCrowd
                    ? detection.box.iou(withCrowd: object.box) : detection.box.iou(with: object.box)
                if iou >= thresholds[0] {
                    overlaps.append(Overlap(truth: truth, iou: iou))
                }
            }
            let outside = CocoArea.allCases.map { area -> UInt16 in
                area.range.contains(detection.box.area) ? 0 : .max
            }
            judged.append(
                JudgedDetection(
                    score: detection.score.isNaN ? -.infinity : detection.score,
                    image: image,
                    rank: Int32(rank),
                    hits: .zero,
                    ignored: SIMD4(outside[0], outside[1], outside[2], outside[3]),
                )
            )
        }
        overlapStarts.append(overlaps.count)
        if overlaps.isEmpty { return }

        for area in CocoArea.allCases {
            taken.removeAll(keepingCapacity: true)
            taken.append(contentsOf: repeatElement(0, count: known.count))
            for index in first..<judged.count {
                let candidates = overlapStarts[index - first]..<overlapStarts[index - first + 1]
                if candidates.isEmpty { continue }
                match(&judged[index], candidates, truths, known.lowerBound, area.rawValue)
            }
        }
    }

    private mutating func match(
        _ detection: inout JudgedDetection,
        _ candidates: Range<Int>,
        _ truths: ContiguousArray<CocoEvaluator.Truth>,
        _ firstTruth: Int,
        _ area: Int,
    ) {
        let areaBit: UInt8 = 1 << UInt8(area)
        for (index, threshold) in thresholds.enumerated() {
            let bit: UInt16 = 1 << UInt16(index)
            var best: Int?
            for ignored in [0, areaBit] where best == nil {
                var highest = threshold
                for candidate in candidates {
                    let overlap = overlaps[candidate]
                    let object = truths[overlap.truth]
                    if overlap.iou < highest || object.ignored & areaBit != ignored { continue }
                    let isTaken = taken[overlap.truth - firstTruth] & bit != 0
                    if isTaken && !object.isCrowd { continue }
                    highest = overlap.iou
                    best = overlap.truth
                }
            }
            guard let best else { continue }
            let object = truths[best]
            taken[best - firstTruth] |= bit
            if object.ignored & areaBit != 0 {
                detection.ignored[area] |= bit
            } else if object.countsAsMatch {
                detection.ignored[area] &= ~bit
                detection.hits[area] |= bit
            }
        }
    }
}
