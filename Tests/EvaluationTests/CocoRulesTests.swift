import Annotations
import Evaluation
import Foundation
import Testing

struct CocoRulesTests {
    private let square = Box(x: 100, y: 100, width: 50, height: 50)
    private let elsewhere = Box(x: 600, y: 600, width: 50, height: 50)

    @Test func `perfect detections score 1 in every figure that is defined`() {
        var scene = Scene()
        for side in [10.0, 50, 200] {
            let box = Box(x: side, y: 2 * side, width: side, height: side)
            scene.add(box)
            scene.find(box, score: 0.5)
        }
        let metrics = scene.metrics
        for figure in CocoFigure.allCases where figure != .ar1 {
            #expect(isClose(metrics[figure], 1))
        }
        #expect(isClose(metrics.ar1, 1.0 / 3))
        #expect(metrics.apByIoU.allSatisfy { isClose($0, 1) })
    }

    @Test func `without objects every figure is -1, whatever was detected`() {
        var scene = Scene()
        scene.find(square, score: 0.9)
        #expect(CocoFigure.allCases.allSatisfy { scene.metrics[$0] == -1 })
        #expect(scene.metrics.categories.map(\.ap) == [-1])
    }

    @Test(arguments: RandomCase.all)
    func `a false detection below every score never raises a precision`(random: RandomCase) {
        let evaluator = CocoEvaluator(groundTruth: random.truth)
        let before = evaluator.match(random.found).metrics()
        let added = Detection(
            imageID: random.images[0],
            categoryID: random.categories[0],
            box: Box(x: 5000, y: 5000, width: 40, height: 40),
            score: -1,
        )
        let after = evaluator.match(random.found + [added]).metrics()
        for figure in [CocoFigure.ap, .ap50, .ap75, .apSmall, .apMedium, .apLarge] {
            #expect(after[figure] <= before[figure])
        }
        #expect(after.ar100 == before.ar100)
    }

    @Test func `a false detection above every score halves the precision of one that is right`() {
        var scene = Scene()
        scene.add(square)
        scene.find(square, score: 0.5)
        scene.find(elsewhere, score: 0.9)
        #expect(isClose(scene.metrics.ap, 0.5))
        #expect(scene.metrics.ar100 == 1)
        #expect(scene.metrics.ar1 == 0)
    }

    @Test func `a detection in a crowd is neither right nor wrong, however many there are`() {
        var scene = Scene()
        scene.add(square)
        scene.add(Box(x: 500, y: 500, width: 400, height: 400), isCrowd: true)
        for index in 0..<5 {
            scene.find(
                Box(x: 510 + 60 * Double(index), y: 600, width: 50, height: 50),
                score: 0.9,
            )
        }
        scene.find(square, score: 0.1)
        #expect(isClose(scene.metrics.ap, 1))
        #expect(scene.metrics.categories[0].objects == 1)
    }

    @Test func `a second detection of one object is wrong`() {
        var scene = Scene()
        scene.add(square)
        scene.add(elsewhere)
        scene.find(square, score: 0.9)
        scene.find(square, score: 0.8)
        scene.find(elsewhere, score: 0.7)
        // Precision 1 up to a recall of a half (51 points), then 2/3.
        #expect(isClose(scene.metrics.ap, (51 + 50 * 2.0 / 3) / 101))
    }

    @Test func `an object of another size is not judged in a range of areas`() {
        var scene = Scene()
        scene.add(square, area: 100)  // small by its mask, though not by its box
        scene.find(square, score: 0.9)
        #expect(isClose(scene.metrics.apSmall, 1))
        #expect(scene.metrics.apMedium == -1)
        scene.add(elsewhere)
        #expect(isClose(scene.metrics.apMedium, 0))
        scene.find(elsewhere, score: 0.1)
        #expect(isClose(scene.metrics.apMedium, 1))
    }

    @Test func `of equal scores the earlier detection goes first`() {
        var scene = Scene()
        scene.add(square)
        scene.find(elsewhere, score: 0.5)
        scene.find(square, score: 0.5)
        #expect(isClose(scene.metrics.ap, 0.5))
        scene.found.reverse()
        #expect(isClose(scene.metrics.ap, 1))
    }

    @Test func `more than 100 detections of a category in an image do not count`() {
        var scene = Scene()
        scene.add(square)
        for index in 0..<100 { scene.find(elsewhere, score: 0.9 - 0.001 * Double(index)) }
        scene.find(square, score: 0.1)
        #expect(scene.metrics.ar100 == 0)
        let wider = CocoEvaluator(
            groundTruth: CocoDataset(
                images: [CocoImage(id: 1, fileName: "1", width: 1000, height: 1000)],
                categories: [CocoCategory(id: 1, name: "thing")],
                annotations: scene.objects,
            ),
            maxDetections: 101,
        )
        #expect(wider.match(scene.found).metrics().ar100 == 1)
    }

    @Test func `scores that are not numbers come last, detections of nowhere are counted`() {
        var scene = Scene()
        scene.add(square)
        scene.find(elsewhere, score: .nan)
        scene.find(square, score: 0.1)
        scene.find(square, image: 99, score: 1)
        let matches = scene.evaluator.match(scene.found)
        #expect(isClose(matches.metrics().ap, 1))
        #expect(matches.strangers == 1)
    }

    @Test func `ignored objects count as in pycocotools unless asked otherwise`() {
        let truth = CocoDataset(
            images: [CocoImage(id: 1, fileName: "1", width: 1000, height: 1000)],
            categories: [CocoCategory(id: 1, name: "thing")],
            annotations: [
                CocoAnnotation(id: 1, imageID: 1, categoryID: 1, box: square),
                CocoAnnotation(id: 2, imageID: 1, categoryID: 1, box: elsewhere, ignore: true),
            ],
        )
        let found = [Detection(imageID: 1, categoryID: 1, box: square, score: 1)]
        #expect(CocoEvaluator(groundTruth: truth).match(found).metrics().ar100 == 0.5)
        let other = CocoEvaluator(groundTruth: truth, honoursIgnore: true)
        #expect(other.match(found).metrics().ar100 == 1)
    }

    @Test func `a curve ends in zeros past the recall reached, and knows its scores`() throws {
        var scene = Scene()
        scene.add(square)
        scene.add(elsewhere)
        scene.find(square, score: 0.75)
        let matches = scene.evaluator.match(scene.found)
        let curve = try #require(matches.curve(categoryID: 1, iou: 0.75))
        #expect(curve.recall == 0.5)
        #expect(curve.precisions.prefix(51).allSatisfy { isClose($0, 1) })
        #expect(curve.precisions.dropFirst(51).allSatisfy { $0 == 0 })
        #expect(curve.scores[50] == 0.75)
        #expect(curve.scores[51] == 0)
        #expect(matches.curve(categoryID: 2) == nil)
        #expect(matches.curve(categoryID: 1, iou: 0.52) == nil)
    }

    @Test func `metrics go through JSON unchanged`() throws {
        let random = try #require(RandomCase.all.first)
        let metrics = CocoEvaluator(groundTruth: random.truth).match(random.found).metrics()
        let data = try JSONEncoder().encode(metrics)
        #expect(try JSONDecoder().decode(CocoMetrics.self, from: data) == metrics)
    }

    @Test func `threads that share an evaluator get the same figures`() async throws {
        let random = try #require(RandomCase.all.last)
        let evaluator = CocoEvaluator(groundTruth: random.truth)
        let alone = evaluator.match(random.found).metrics()
        let found = random.found
        let together = await withTaskGroup(of: CocoMetrics.self) { group in
            for _ in 0..<4 { group.addTask { evaluator.match(found).metrics() } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(together == Array(repeating: alone, count: 4))
    }
}
