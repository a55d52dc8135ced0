// Problems with known answers: COCO's own formats, and the random ones of `Fixtures`.

import Annotations
import Evaluation
import Foundation
import TestSupport
import Testing

/// A random problem made by `Fixtures/make_random_cases.py`, with pycocotools' answers.
struct RandomCase: Decodable, CustomTestStringConvertible {
    let seed: Int
    let images: [Int64]
    let categories: [Int64]
    let annotations: [[Double]]
    let detections: [[Double]]
    let stats: [Double]
    let ap: [Double]
    let curve: [Double]
    let resample: [Int]?
    let resampled: [Double]?

    var testDescription: String { "seed \(seed)" }

    static let all: [RandomCase] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures/random_cases.json")
        let cases = try? JSONDecoder().decode([RandomCase].self, from: Data(contentsOf: file))
        return cases ?? []
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
                    area: $0[7],
                    isCrowd: $0[8] == 1,
                    ignore: $0[9] == 1,
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

/// What `expected.json` of the shared cases says.
struct Expected: Decodable {
    let stats: [String: Double]
    let apByIoU: [String: Double]
    let apPerCategory: [String: Double]

    enum CodingKeys: String, CodingKey {
        case stats
        case apByIoU = "AP_by_iou"
        case apPerCategory = "AP_per_category"
    }
}

/// One of the folders of `coco_eval`.
struct SharedCase {
    let truth: CocoDataset
    let detections: [Detection]
    let expected: Expected

    init(_ name: String) throws {
        let folder = SharedData.url("coco_eval/\(name)")
        let (truth, problems) = try CocoDataset.read(contentsOf: folder.appending(path: "gt.json"))
        #expect(problems.allSatisfy { !$0.isDropped }, "\(problems)")
        self.truth = truth
        detections = try Detection.read(contentsOf: folder.appending(path: "dt.json")).detections
        expected = try JSONDecoder().decode(
            Expected.self,
            from: Data(contentsOf: folder.appending(path: "expected.json")),
        )
    }
}

func isClose(_ one: Double, _ other: Double) -> Bool { abs(one - other) < 1e-9 }

/// A problem in a few words: objects and detections of category 1.
struct Scene {
    var objects: [CocoAnnotation] = []
    var found: [Detection] = []
    var images = 1

    mutating func add(_ box: Box, image: Int64 = 1, area: Double? = nil, isCrowd: Bool = false) {
        objects.append(
            CocoAnnotation(
                id: Int64(objects.count + 1),
                imageID: image,
                categoryID: 1,
                box: box,
                area: area,
                isCrowd: isCrowd,
            )
        )
    }

    mutating func find(_ box: Box, image: Int64 = 1, score: Double) {
        found.append(Detection(imageID: image, categoryID: 1, box: box, score: score))
    }

    var evaluator: CocoEvaluator {
        CocoEvaluator(
            groundTruth: CocoDataset(
                images: (1...max(1, images)).map {
                    CocoImage(id: Int64($0), fileName: "\($0)", width: 1000, height: 1000)
                },
                categories: [CocoCategory(id: 1, name: "thing")],
                annotations: objects,
            )
        )
    }

    var metrics: CocoMetrics { evaluator.match(found).metrics() }
}
