import Annotations
import Evaluation
import Foundation
import Testing

/// A random problem made by `Fixtures/make_voc_cases.py`, with exact answers.
struct VocCase: Decodable, CustomTestStringConvertible {
    let seed: Int
    let images: [Int64]
    let categories: [Int64]
    let annotations: [[Double]]
    let detections: [[Double]]
    let ap11: [Double]
    let ap: [Double]
    let map11: Double
    let map: Double

    var testDescription: String { "seed \(seed)" }

    static let all: [VocCase] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures/voc_cases.json")
        return (try? JSONDecoder().decode([VocCase].self, from: Data(contentsOf: file))) ?? []
    }()

    var truth: CocoDataset {
        CocoDataset(
            images: images.map { CocoImage(id: $0, fileName: "\($0).jpg", width: 0, height: 0) },
            categories: categories.map { CocoCategory(id: $0, name: "\($0)") },
            annotations: annotations.map {
                CocoAnnotation(
                    id: Int64($0[0]),
                    imageID: Int64($0[1]),
                    categoryID: Int64($0[2]),
                    box: Box(x: $0[3], y: $0[4], width: $0[5], height: $0[6]),
                    isDifficult: $0[7] == 1,
                )
            },
        )
    }

    var found: [Detection] {
        detections.map {
            Detection(
                imageID: Int64($0[0]),
                categoryID: Int64($0[1]),
                box: Box(x: $0[2], y: $0[3], width: $0[4], height: $0[5]),
                score: $0[6],
            )
        }
    }
}

/// One class in a few images, and what was found in them.
private struct Row {
    var objects: [CocoAnnotation] = []
    var found: [Detection] = []

    static func box(_ place: Int) -> Box {
        Box(x: Double(place) * 100, y: 0, width: 50, height: 50)
    }

    /// - Parameter isDifficult: by place.
    init(objects places: ClosedRange<Int>, difficult: Set<Int> = []) {
        objects = places.map {
            CocoAnnotation(
                id: Int64($0),
                imageID: 1,
                categoryID: 1,
                box: Self.box($0),
                isDifficult: difficult.contains($0),
            )
        }
    }

    /// Finds what is at each place, the first with the highest score.
    mutating func find(_ places: [Int]) {
        for place in places {
            found.append(
                Detection(
                    imageID: 1,
                    categoryID: 1,
                    box: Self.box(place),
                    score: 1 - Double(found.count) / 100,
                )
            )
        }
    }

    var truth: CocoDataset {
        CocoDataset(
            images: [CocoImage(id: 1, fileName: "1.jpg", width: 0, height: 0)],
            categories: [CocoCategory(id: 1, name: "thing")],
            annotations: objects,
        )
    }

    var metrics: VocMetrics { VocEvaluator(groundTruth: truth).metrics(found) }
}

struct VocTests {
    @Test func `the random cases are all there`() { #expect(VocCase.all.count == 40) }

    @Test(arguments: VocCase.all)
    func `both average precisions are those of the development kit's rules`(random: VocCase) {
        let metrics = VocEvaluator(groundTruth: random.truth).metrics(random.found)
        #expect(metrics.categories.map(\.categoryID) == random.categories.sorted())
        for (category, (ap11, ap)) in zip(metrics.categories, zip(random.ap11, random.ap)) {
            #expect(isClose(category.ap11, ap11), "\(category), not \(ap11)")
            #expect(isClose(category.ap, ap), "\(category), not \(ap)")
        }
        #expect(isClose(metrics.map11, random.map11))
        #expect(isClose(metrics.map, random.map))
    }

    // Four objects; right, wrong, right, wrong, right: precisions 1, 2/3, 3/5 at recalls 1/4, 2/4, 3/4.
    // area = (1 + 2/3 + 3/5) / 4; eleven points: 3 x 1 (0 to 0.2), 3 x 2/3 (to 0.5), 2 x 3/5 (to 0.7), 0.
    @Test func `a curve worked out by hand has its two averages`() {
        var row = Row(objects: 1...4)
        row.find([1, 8, 2, 9, 3])
        #expect(isClose(row.metrics.map, (1 + 2.0 / 3 + 3.0 / 5) / 4))
        #expect(isClose(row.metrics.map11, (3 + 3 * 2.0 / 3 + 2 * 3.0 / 5) / 11))
        #expect(row.metrics.categories[0].objects == 4)
    }

    @Test func `a second detection of one object is wrong, even where another object is free`() {
        var row = Row(objects: 1...1)
        // Overlaps the first by 0.6, and would find it alone.
        row.objects.append(
            CocoAnnotation(
                id: 2,
                imageID: 1,
                categoryID: 1,
                box: Box(x: 112.5, y: 0, width: 50, height: 50),
            )
        )
        row.find([1, 1])
        #expect(isClose(row.metrics.map, 0.5))
        // COCO's rules give the second detection the object that is left.
        let coco = CocoEvaluator(groundTruth: row.truth).match(row.found).metrics()
        #expect(isClose(coco.ap50, 1))
    }

    @Test func `finding a difficult object counts neither way, however often`() {
        var row = Row(objects: 1...2, difficult: [2])
        row.find([2, 2, 1, 2])
        #expect(row.metrics.map == 1 && row.metrics.map11 == 1)
        #expect(row.metrics.categories[0].objects == 1)
    }

    @Test func `COCO's figures count a difficult object as any other`() {
        var row = Row(objects: 1...2, difficult: [2])
        row.find([1])
        let coco = CocoEvaluator(groundTruth: row.truth).match(row.found).metrics()
        #expect(coco.categories[0].objects == 2)
        #expect(isClose(coco.ar100, 0.5))
        #expect(row.metrics.map == 1)
        let lenient = CocoEvaluator(groundTruth: row.truth, honoursIgnore: true)
        #expect(isClose(lenient.match(row.found).metrics().ar100, 1))
    }

    /// Half of the object to the pixel: overlap 0.5, which is enough.
    @Test func `an overlap of exactly one half finds the object`() {
        var row = Row(objects: 1...1)
        row.found = [
            Detection(
                imageID: 1,
                categoryID: 1,
                box: Box(x: 100, y: 0, width: 25, height: 50),
                score: 1,
            )
        ]
        #expect(row.metrics.map == 1)
        row.found[0] = Detection(
            imageID: 1,
            categoryID: 1,
            box: Box(x: 100, y: 0, width: 24.9, height: 50),
            score: 1,
        )
        #expect(row.metrics.map == 0)
    }

    @Test func `a recall of exactly three tenths reaches the point at 0.3`() {
        var row = Row(objects: 1...10)
        row.find([1, 2, 3])
        #expect(isClose(row.metrics.map11, 4.0 / 11))
    }

    @Test func `without objects a class has -1 and no part in the mean`() {
        var row = Row(objects: 1...1, difficult: [1])
        row.find([1, 5])
        #expect(row.metrics.map == -1 && row.metrics.map11 == -1)
        row = Row(objects: 1...1)
        #expect(row.metrics.map == 0 && row.metrics.map11 == 0)
    }

    @Test func `detections of unknown images and classes are left out, odd scores come last`() {
        var row = Row(objects: 1...1)
        row.find([1])
        row.found += [
            Detection(imageID: 9, categoryID: 1, box: Row.box(1), score: 5),
            Detection(imageID: 1, categoryID: 9, box: Row.box(1), score: 5),
            Detection(imageID: 1, categoryID: 1, box: Row.box(7), score: .nan),
        ]
        #expect(row.metrics.map == 1)
    }

    @Test func `the mean of detectors is that of each class`() throws {
        var good = Row(objects: 1...2)
        good.find([1, 2])
        var poor = Row(objects: 1...2)
        poor.find([1])
        let mean = try #require(VocMetrics.averaged([good.metrics, poor.metrics]))
        #expect(isClose(mean.map, 0.75))
        #expect(isClose(mean.categories[0].ap, 0.75))
        #expect(VocMetrics.averaged([]) == nil)
    }
}
