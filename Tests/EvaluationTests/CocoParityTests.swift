import Annotations
import Evaluation
import Foundation
import TestSupport
import Testing

struct CocoParityTests {
    @Test(
        .enabled(if: SharedData.isPresent, "needs the shared data folder"),
        arguments: ["cocoapi_fakebbox100", "coco128_fastestdet", "edge_1", "edge_2"],
    )
    func `all figures are those of pycocotools on stored cases`(name: String) throws {
        let stored = try SharedCase(name)
        let metrics = CocoEvaluator(groundTruth: stored.truth).match(stored.detections).metrics()

        #expect(metrics.stats.count == 12)
        for (figure, value) in stored.expected.stats {
            let computed = try #require(metrics.stats[figure])
            #expect(isClose(computed, value), "\(figure): \(computed), not \(value)")
        }
        for (iou, computed) in zip(CocoGrid.ious, metrics.apByIoU) {
            let value = try #require(stored.expected.apByIoU[String(format: "%.2f", iou)])
            #expect(isClose(computed, value), "AP at \(iou): \(computed), not \(value)")
        }
        #expect(metrics.categories.count == stored.expected.apPerCategory.count)
        for category in metrics.categories {
            let value = try #require(stored.expected.apPerCategory["\(category.categoryID)"])
            #expect(isClose(category.ap, value), "\(category), not \(value)")
        }
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `without detections every figure is 0, or -1 where nothing is to be found`() throws {
        let (truth, _) = try CocoDataset.read(
            contentsOf: SharedData.url("coco_eval/no_detections/gt.json")
        )
        let metrics = CocoEvaluator(groundTruth: truth).match([]).metrics()
        #expect(CocoFigure.allCases.allSatisfy { metrics[$0] == 0 })
        // Categories 40, 41 and 90: a crowd only, or nothing.
        #expect(metrics.categories.filter { $0.ap == -1 }.map(\.categoryID) == [40, 41, 90])
        #expect(metrics.categories.filter { $0.ap == -1 }.allSatisfy { $0.objects == 0 })
    }

    @Test func `the random cases are all there`() {
        #expect(RandomCase.all.count == 40)
    }

    @Test(arguments: RandomCase.all)
    func `all figures are those of pycocotools on random cases`(random: RandomCase) throws {
        let matches = CocoEvaluator(groundTruth: random.truth).match(random.found)
        let metrics = matches.metrics()
        for (figure, value) in zip(CocoFigure.allCases, random.stats) {
            #expect(
                isClose(metrics[figure], value),
                "\(figure): \(metrics[figure]), not \(value)",
            )
            #expect(isClose(matches.value(of: figure), value))
        }
        for (category, value) in zip(metrics.categories, random.ap) {
            #expect(isClose(category.ap, value), "\(category), not \(value)")
        }
        let first = try #require(metrics.categories.first)
        let curve = matches.curve(categoryID: first.categoryID)
        #expect((curve == nil) == (first.objects == 0))
        if let curve {
            #expect(zip(curve.precisions, random.curve).allSatisfy(isClose))
            #expect(isClose(curve.averagePrecision, first.ap50))
        }
    }

    @Test(arguments: RandomCase.all.filter { $0.resample != nil })
    func `an image drawn twice counts as two images`(random: RandomCase) throws {
        let matches = CocoEvaluator(groundTruth: random.truth).match(random.found)
        let drawn = try #require(random.resample)
        let metrics = matches.metrics(images: drawn)
        for (figure, value) in zip(CocoFigure.allCases, try #require(random.resampled)) {
            #expect(
                isClose(metrics[figure], value),
                "\(figure): \(metrics[figure]), not \(value)",
            )
            #expect(isClose(matches.value(of: figure, images: drawn), value))
        }
    }

    @Test func `the grids are NumPy's`() {
        // np.linspace(.5, .95, 10)[[1, 7, 8, 9]], np.linspace(0, 1, 101)[[29, 35, 57, 100]]
        #expect([1, 7, 8, 9].map { CocoGrid.ious[$0] } == [0.55, 0.85, 0.8999999999999999, 0.95])
        #expect(
            [29, 35, 57, 100].map { CocoGrid.recalls[$0] }
                == [0.29, 0.35000000000000003, 0.5700000000000001, 1]
        )
    }
}
