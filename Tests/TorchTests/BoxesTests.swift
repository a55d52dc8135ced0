// The box kernels against brute force on random sets.

import Foundation
import SearchSpaces
import Testing

@testable import Torch

/// Overlap as a share of the union, in floats as the kernels have it.
private func overlap(
    _ a: ArraySlice<Float>,
    _ b: ArraySlice<Float>,
    _ convention: BoxConvention = .modern,
) -> Float {
    let edge = Float(convention.edge)
    let (i, j) = (a.startIndex, b.startIndex)
    let width = min(a[i + 2], b[j + 2]) - max(a[i], b[j]) + edge
    let height = min(a[i + 3], b[j + 3]) - max(a[i + 1], b[j + 1]) + edge
    guard width > 0, height > 0 else { return 0 }
    let own = (a[i + 2] - a[i] + edge) * (a[i + 3] - a[i + 1] + edge)
    let other = (b[j + 2] - b[j] + edge) * (b[j + 3] - b[j + 1] + edge)
    return width * height / (own + other - width * height)
}

extension [Float] {
    fileprivate func box(_ index: Int) -> ArraySlice<Float> { self[4 * index..<4 * index + 4] }
}

extension CounterRandom {
    /// Boxes on a small lattice, so that overlaps tie.
    fileprivate mutating func boxes(_ count: Int) -> [Float] {
        var boxes: [Float] = []
        for _ in 0..<count {
            let x = below(12)
            let y = below(12)
            boxes += [x, y, x + 1 + below(8), y + 1 + below(8)].map(Float.init)
        }
        return boxes
    }
}

struct BoxesTests {
    @Test func `suppression is brute force's on 10,000 random sets, in either convention`() throws {
        for seed in 0..<10_000 as Range<UInt64> {
            var random = CounterRandom(seed: seed)
            let count = random.below(28)
            let boxes = random.boxes(count)
            // Few distinct scores: ties are common.
            let scores = (0..<count).map { _ in Float(random.below(10)) / 10 }
            let labels = (0..<count).map { _ in Int32(random.below(3)) }
            let threshold = [0, 0.3, 0.5, 1][random.below(4)]
            let convention = seed % 2 == 0 ? BoxConvention.modern : .legacy
            var kept: [Int] = []
            let order = (0..<count).sorted {
                scores[$0] > scores[$1] || (scores[$0] == scores[$1] && $0 < $1)
            }
            for index in order {
                let isFree = kept.allSatisfy {
                    labels[$0] != labels[index]
                        || Double(overlap(boxes.box($0), boxes.box(index), convention))
                            <= threshold
                }
                if isFree { kept.append(index) }
            }
            let found = try BoxKernels.suppress(
                boxes: boxes,
                scores: scores,
                labels: labels,
                threshold: threshold,
                convention,
            )
            #expect(found == kept, "seed \(seed)")
        }
    }

    @Test(arguments: [nil, 0, 0.3])
    func `matching is brute force's on 500 random sets, ties included`(bestFrom: Double?) throws {
        var ignored = 0
        var rescued = 0
        for seed in 0..<500 as Range<UInt64> {
            var random = CounterRandom(seed: seed, 77)
            let anchors = random.boxes(random.below(30))
            let objects = random.boxes(random.below(5))
            let count = anchors.count / 4
            let all = (0..<count).map { anchor in
                (0..<objects.count / 4).map { overlap(anchors.box(anchor), objects.box($0)) }
            }
            let expected = all.map { row -> Int32 in
                let best = row.max() ?? 0
                // The first of the objects that it overlaps most.
                let first = row.firstIndex(of: best) ?? -1
                let isBestOf = row.indices.contains { object in
                    row[object] > 0 && Double(row[object]) >= bestFrom ?? 2
                        && row[object] == all.map { $0[object] }.max()
                }
                if best >= 0.5 { return Int32(first) }
                if isBestOf {
                    rescued += 1
                    return Int32(first)
                }
                if best >= 0.4 { ignored += 1 }
                return Double(best) < 0.4 ? -1 : -2
            }
            let found = try BoxKernels.match(
                anchors: anchors,
                objects: objects,
                foreground: 0.5,
                background: 0.4,
                bestFrom: bestFrom,
            )
            #expect(found == expected, "seed \(seed)")
        }
        #expect(ignored > 20)
        #expect(
            bestFrom == nil ? rescued == 0 : rescued > (bestFrom == 0 ? 100 : 20),
            "\(rescued)",
        )
    }

    @Test func `an object smaller than every anchor still has one, unless best ones are not kept`()
        throws
    {
        let anchors: [Float] = [0, 0, 32, 32, 32, 0, 64, 32]
        let objects: [Float] = [40, 10, 42, 12]
        func match(_ bestFrom: Double?) throws -> [Int32] {
            try BoxKernels.match(
                anchors: anchors,
                objects: objects,
                foreground: 0.5,
                background: 0.4,
                bestFrom: bestFrom,
            )
        }
        #expect(try match(0) == [-1, 0])
        #expect(try match(nil) == [-1, -1])
    }

    @Test func `decoding caps growth, clips to the image and drops what is not a number`() throws {
        let anchors: [Float] = [0, 0, 10, 10, 20, 20, 30, 30, 90, 90, 110, 110, 4, 4, 8, 8]
        // Grows without end; not a number; beyond the image; plain.
        let offsets: [Float] = [0, 0, 500, 500, .nan, 0, 0, 0, 100, 100, 0, 0, 0, 0, 0, 0]
        let logits: [Float] = [4, 3, 2, 1]
        func detect(limit: Int, perLevel: Int, score: Double = 0.5) throws -> [BoxKernels.Found] {
            try BoxKernels.detect(
                [.init(logits: logits, offsets: offsets, anchors: anchors, count: 4)],
                classes: 1,
                width: 100,
                height: 80,
                thresholds: .init(
                    score: score,
                    perLevel: perLevel,
                    suppression: 0.5,
                    limit: limit,
                ),
                weights: [10, 10, 5, 5],
            )
        }
        let found = try detect(limit: 10, perLevel: 10)
        #expect(found.map(\.box) == [[0, 0, 100, 80], [4, 4, 8, 8]])
        #expect(abs(found[1].score - 0.731_058_6) < 1e-6)
        #expect(try detect(limit: 1, perLevel: 10).count == 1)
        #expect(try detect(limit: 10, perLevel: 3).count == 1)
        #expect(try detect(limit: 10, perLevel: 10, score: 0.9).count == 1)
        #expect(try detect(limit: 10, perLevel: 10, score: 1).isEmpty)
        #expect(try detect(limit: 10, perLevel: 10, score: 0).count == 2)
        #expect(try detect(limit: 0, perLevel: 10).isEmpty)
    }

    @Test func `lists of unequal length are refused`() {
        #expect(throws: TorchError.self) {
            try BoxKernels.suppress(boxes: [1, 2, 3], scores: [1], labels: [0], threshold: 0.5)
        }
        #expect(throws: TorchError.self) {
            try BoxKernels.suppress(boxes: [1, 2, 3, 4], scores: [1], labels: [], threshold: 0.5)
        }
        #expect(throws: TorchError.self) {
            try BoxKernels.match(
                anchors: [1, 2, 3],
                objects: [],
                foreground: 0.5,
                background: 0.4,
                bestFrom: 0,
            )
        }
        #expect(throws: TorchError.self) {
            try BoxKernels.detect(
                [],
                classes: 1,
                width: 1,
                height: 1,
                thresholds: .init(score: 0.5, perLevel: 1, suppression: 0.5, limit: 1),
                weights: [1],
            )
        }
    }
}
