import Annotations
import Foundation
import TestSupport
import Testing

struct DetectionTests {
    @Test func `detections come back from a file as they were`() throws {
        let detections = [
            Detection(
                imageID: 123_456_789_012,
                categoryID: 90,
                box: Box(x: 0.1, y: 1.0 / 3, width: 12, height: 5e-7),
                score: 0.123456789012345,
            ),
            Detection(
                imageID: -1,
                categoryID: 1,
                box: Box(x: -5, y: 0, width: 1e20, height: 3),
                score: 0,
            ),
        ]
        for list in [detections, []] {
            let (read, problems) = try withFile("") { file in
                try Detection.write(list, to: file)
                return try Detection.read(contentsOf: file)
            }
            #expect(read == list)
            #expect(problems.isEmpty)
        }
    }

    /// pycocotools 2.0.11 reads these very bytes: `COCO.loadRes` of them gives the areas 3.0 and 7.5.
    @Test func `the same detections give the same bytes`() throws {
        let detections = [
            Detection(
                imageID: 7,
                categoryID: 3,
                box: Box(x: 0.1, y: 2, width: 1.5, height: 2),
                score: 0.25,
            ),
            Detection(
                imageID: 8,
                categoryID: 1,
                box: Box(x: 1.0 / 3, y: 0, width: 3, height: 2.5),
                score: 1e-7,
            ),
        ]
        try withFile("") { file in
            try Detection.write(detections, to: file)
            #expect(
                try String(contentsOf: file, encoding: .utf8) == """
                    [
                    {"image_id":7,"category_id":3,"bbox":[0.1,2.0,1.5,2.0],"score":0.25},
                    {"image_id":8,"category_id":1,"bbox":[0.3333333333333333,0.0,3.0,2.5],"score":1e-07}
                    ]

                    """
            )
        }
    }

    @Test func `a detection that is not finite is not written`() throws {
        let bad = Detection(
            imageID: 1,
            categoryID: 1,
            box: Box(x: 0, y: 0, width: 1, height: 1),
            score: .nan,
        )
        try withFile("kept") { file in
            #expect(throws: AnnotationError.self) { try Detection.write([bad], to: file) }
            let kept = try String(contentsOf: file, encoding: .utf8)
            #expect(kept == "kept")
        }
    }

    @Test(arguments: [
        (#""image_id":1,"category_id":2,"score":0.5"#, "bbox is missing"),
        (#""image_id":1,"category_id":2,"score":0.5,"bbox":[1,2,3]"#, "bbox is [1,2,3]"),
        (#""image_id":1,"category_id":2,"score":0.5,"bbox":[1,2,3,NaN]"#, "bbox is [1,2,3,NaN]"),
        (#""image_id":1,"category_id":2,"bbox":[1,2,3,4]"#, "score is missing"),
        (#""image_id":1,"category_id":2,"bbox":[1,2,3,4],"score":NaN"#, "score is nan"),
        (#""image_id":1,"category_id":2,"bbox":[1,2,3,4],"score":"1""#, #"score is "1""#),
        (#""category_id":2,"bbox":[1,2,3,4],"score":1"#, "image_id is missing"),
        (#""image_id":1,"category_id":null,"bbox":[1,2,3,4],"score":1"#, "category_id is null"),
    ])
    func `a bad detection is left out and named`(fields: String, message: String) throws {
        let sound = #"{"image_id":1,"category_id":2,"bbox":[1,2,3,4],"score":1}"#
        let (read, problems) = try withFile("[\(sound),{\(fields)}]") {
            try Detection.read(contentsOf: $0)
        }
        #expect(read.count == 1)
        #expect(problems.count == 1)
        let text = try #require(problems.first).description
        #expect(text.hasPrefix("results[1]: \(message), allowed: "), "\(text)")
    }

    @Test func `a data set comes back from a file as it was`() throws {
        let dataset = CocoDataset(
            images: [CocoImage(id: 5, fileName: "a \"b\"\\\n\u{1}é.jpg", width: 10, height: 20)],
            categories: [
                CocoCategory(id: 2, name: "x", supercategory: "y"), CocoCategory(id: 1, name: "z"),
            ],
            annotations: [
                CocoAnnotation(
                    id: 3,
                    imageID: 5,
                    categoryID: 2,
                    box: Box(x: 0.1, y: 0.2, width: 3, height: 4),
                    area: 7.7,
                    isCrowd: true,
                    ignore: true,
                    isDifficult: true,
                )
            ],
        )
        let (read, problems) = try withFile("") { file in
            try dataset.write(to: file)
            return try CocoDataset.read(contentsOf: file)
        }
        #expect(read == dataset)
        #expect(problems.isEmpty)
    }
}
