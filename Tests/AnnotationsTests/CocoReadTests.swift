import Annotations
import Foundation
import TestSupport
import Testing

/// Writes `text` to a file of its own and hands its place to `body`.
@discardableResult
func withFile<Value>(_ text: String, _ body: (URL) throws -> Value) throws -> Value {
    let file = FileManager.default.temporaryDirectory
        .appending(path: "annotations-\(UUID().uuidString).json")
    try Data(text.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return try body(file)
}

/// Reads a file of one 100 x 80 image with id 7, the category 3, and the given annotations.
private func read(
    _ annotations: String,
    images: String = #"{"id":7,"file_name":"a.jpg","width":100,"height":80}"#,
    categories: String = #"{"id":3,"name":"cell"}"#,
    policy: BoxPolicy = .dropUnusable,
) throws -> (dataset: CocoDataset, problems: [AnnotationProblem]) {
    let text = """
        {"info":{"a":[1,{"b":[]}]},"images":[\(images)],"annotations":[\(annotations)],
        "categories":[\(categories)]}
        """
    return try withFile(text) { try CocoDataset.read(contentsOf: $0, policy: policy) }
}

private func annotation(_ rest: String) -> String {
    #"{"id":1,"image_id":7,"category_id":3,"# + rest + "}"
}

struct CocoReadTests {
    @Test func `every field of a file is read`() throws {
        let (dataset, problems) = try read(
            #"{"id":9007199254740993,"image_id":7,"category_id":3,"bbox":[1,2.5,30,4e1],"#
                + #""area":12.5,"iscrowd":1,"ignore":true,"difficult":1,"segmentation":[[1,2]],"x":{"y":[null]}}"#,
            images: #"{"id":7,"file_name":"ä\u00e9\ud83d\ude00\/\"b.jpg","width":100,"height":80},"#
                + #"{"id":123456789012,"file_name":"empty.png","width":5,"height":6}"#,
            categories: #"{"id":90,"name":"dog","supercategory":"animal"},{"id":3,"name":"cell"}"#,
        )
        #expect(problems.isEmpty)
        #expect(
            dataset.images == [
                CocoImage(id: 7, fileName: "äé😀/\"b.jpg", width: 100, height: 80),
                CocoImage(id: 123_456_789_012, fileName: "empty.png", width: 5, height: 6),
            ]
        )
        let read = CocoAnnotation(
            id: 9_007_199_254_740_993,
            imageID: 7,
            categoryID: 3,
            box: Box(x: 1, y: 2.5, width: 30, height: 40),
            area: 12.5,
            isCrowd: true,
            ignore: true,
            isDifficult: true,
        )
        #expect(dataset.annotations == [read])
        #expect(dataset.annotations(ofImage: 7) == [read])
        #expect(dataset.annotations(ofImage: 123_456_789_012).isEmpty)
        #expect(dataset.annotations(ofImage: 8).isEmpty)
        #expect(dataset.categoryIDs == [3, 90])
        #expect(dataset.categoryIndex(id: 90) == 1)
        #expect(dataset.category(id: 90)?.supercategory == "animal")
        #expect(dataset.image(id: 7)?.width == 100)
    }

    // pycocotools 2.0.11, numpy 2.4.6: a = np.zeros((6, 5), "uint8"); a[1:4, 1:4] = 1; a[5, 4] = 1
    // m.encode(np.asfortranarray(a)) -> b"7330004N", m.area -> 10; its runs are 7 3 3 3 3 3 7 1
    @Test(arguments: [
        (#""segmentation":[[0,0,10,0,10,10],[20,20,24,20,24,22,20,22]]"#, 58.0),
        (#""segmentation":{"size":[6,5],"counts":[7,3,3,3,3,3,7,1]}"#, 10),
        (#""segmentation":{"counts":"7330004N","size":[6,5]}"#, 10),
        (#""segmentation":[]"#, 200),
        (#""segmentation":[[1,2,NaN,4,5,6]]"#, 200),
        (#""segmentation":{"size":[6,5],"counts":[1,-7]}"#, 200),
        (#""segmentation":{"size":[6,5],"counts":"é"}"#, 200),
        (#""iscrowd":0"#, 200),
    ])
    func `a missing area is that of the mask, or else of the box`(
        field: String,
        area: Double,
    ) throws {
        let (dataset, problems) = try read(annotation(field + #","bbox":[1,2,10,20]"#))
        #expect(dataset.annotations.map(\.area) == [area])
        #expect(problems.isEmpty)
    }

    struct Bad: Sendable {
        let text: String
        let kind: AnnotationProblem.Kind
        let place: AnnotationProblem.Place
        let field: String
        let value: String
        var isDropped = true
    }

    @Test(arguments: [
        Bad(
            text: #"{"id":1,"image_id":8,"category_id":3,"bbox":[1,2,3,4]}"#,
            kind: .unknownImage,
            place: .annotation(1, image: 8),
            field: "image_id",
            value: "8",
        ),
        Bad(
            text: #"{"id":1,"image_id":7,"category_id":4,"bbox":[1,2,3,4]}"#,
            kind: .unknownCategory,
            place: .annotation(1, image: 7),
            field: "category_id",
            value: "4",
        ),
        Bad(
            text: #"{"image_id":7,"category_id":3,"bbox":[1,2,3,4]}"#,
            kind: .missingField,
            place: .entry(list: "annotations", index: 0),
            field: "id",
            value: "missing",
        ),
        Bad(
            text: #"{"id":1,"image_id":"7","category_id":3,"bbox":[1,2,3,4]}"#,
            kind: .wrongType,
            place: .annotation(1, image: nil),
            field: "image_id",
            value: #""7""#,
        ),
        Bad(
            text: #"{"id":1.5,"image_id":7,"category_id":3,"bbox":[1,2,3,4]}"#,
            kind: .wrongType,
            place: .entry(list: "annotations", index: 0),
            field: "id",
            value: "1.5",
        ),
        Bad(
            text: #"{"id":99999999999999999999,"image_id":7,"category_id":3,"bbox":[1,2,3,4]}"#,
            kind: .wrongType,
            place: .entry(list: "annotations", index: 0),
            field: "id",
            value: "1e+20",
        ),
        Bad(
            text: #"{"id":1,"image_id":7,"category_id":3}"#,
            kind: .missingField,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: "missing",
        ),
        Bad(
            text: annotation(#""bbox":[1,2,3]"#),
            kind: .wrongType,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: "[1,2,3]",
        ),
        Bad(
            text: annotation(#""bbox":[1,2,"3",4]"#),
            kind: .wrongType,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: #"[1,2,"3",4]"#,
        ),
        Bad(
            text: annotation(#""bbox":{"x":1}"#),
            kind: .wrongType,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: #"{"x":1}"#,
        ),
        Bad(
            text: annotation(#""bbox":[1,2,0,4]"#),
            kind: .boxWithoutArea,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: "[1,2,0,4]",
        ),
        Bad(
            text: annotation(#""bbox":[1,2,3,-4]"#),
            kind: .boxWithoutArea,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: "[1,2,3,-4]",
        ),
        Bad(
            text: annotation(#""bbox":[1,2,NaN,Infinity]"#),
            kind: .boxWithoutArea,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: "[1,2,NaN,Infinity]",
        ),
        Bad(
            text: annotation(#""bbox":[100,2,3,4]"#),
            kind: .boxOutside,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: "[100.0, 2.0, 3.0, 4.0]",
        ),
        Bad(
            text: annotation(#""bbox":[98,2,3,4]"#),
            kind: .boxPartlyOutside,
            place: .annotation(1, image: 7),
            field: "bbox",
            value: "[98.0, 2.0, 3.0, 4.0]",
            isDropped: false,
        ),
        Bad(
            text: annotation(#""bbox":[1,2,3,4],"area":"big""#),
            kind: .badArea,
            place: .annotation(1, image: 7),
            field: "area",
            value: #""big""#,
            isDropped: false,
        ),
        Bad(
            text: #"{"id":0,"image_id":7,"category_id":3,"bbox":[1,2,3,4]}"#,
            kind: .zeroID,
            place: .annotation(0, image: 7),
            field: "id",
            value: "0",
            isDropped: false,
        ),
    ])
    func `a bad annotation is named, with its place and its value`(bad: Bad) throws {
        let sound = #"{"id":50,"image_id":7,"category_id":3,"bbox":[1,2,3,4]}"#
        let (dataset, problems) = try read(bad.text + "," + sound)
        #expect(problems.count == 1)
        let problem = try #require(problems.first)
        #expect(problem.kind == bad.kind)
        #expect(problem.place == bad.place)
        #expect(problem.field == bad.field)
        #expect(problem.value == bad.value)
        #expect(problem.isDropped == bad.isDropped)
        #expect(!problem.allowed.isEmpty)
        #expect(dataset.annotations.count == (bad.isDropped ? 1 : 2))
    }

    @Test func `a box may overshoot the image by the rounding of COCO's numbers`() throws {
        let (_, problems) = try read(annotation(#""bbox":[88.81,70.2,11.2,9.81]"#))
        #expect(problems.isEmpty)
    }

    @Test func `unusable boxes stay where COCO's own count is wanted, but not those of NaN`() throws
    {
        let texts = ["[1,2,0,4]", "[500,2,3,4]", "[1,2,NaN,4]"].enumerated().map {
            #"{"id":\#($0 + 1),"image_id":7,"category_id":3,"bbox":\#($1)}"#
        }
        let (dataset, problems) = try read(texts.joined(separator: ","), policy: .keepUnusable)
        #expect(dataset.annotations.map(\.id) == [1, 2])
        #expect(problems.map(\.isDropped) == [false, true, false])
    }

    @Test func `of two entries with one id the first stays`() throws {
        let one = annotation(#""bbox":[1,2,3,4]"#)
        let two = annotation(#""bbox":[5,6,7,8]"#)
        let image = #"{"id":7,"file_name":"a.jpg","width":100,"height":80}"#
        let category = #"{"id":3,"name":"cell"}"#
        let (dataset, problems) = try read(
            one + "," + two,
            images: image + "," + image,
            categories: category + "," + category,
        )
        #expect(dataset.annotations.map(\.box.x) == [1])
        #expect(dataset.images.count == 1)
        #expect(dataset.categories.count == 1)
        #expect(problems.map(\.kind) == [.duplicateID, .duplicateID, .duplicateID])
        #expect(
            Set(problems.map(\.place))
                == [.image(7), .category(3), .annotation(1, image: 7)]
        )
    }

    @Test func `an image without name or size is kept and named`() throws {
        let (dataset, problems) = try read(
            annotation(#""bbox":[1,2,300,400]"#),
            images: #"{"id":7,"width":-3},{"id":8,"file_name":"b.jpg","width":9,"height":9},"#
                + #"{"id":9,"file_name":"b.jpg","width":9,"height":9}"#,
        )
        #expect(dataset.images.count == 3)
        #expect(dataset.annotations.count == 1)
        #expect(
            problems.map { "\($0.place) \($0.field) \($0.value)" } == [
                "image 7 file_name missing", "image 7 width -3", "image 7 height missing",
                "image 9 file_name \"b.jpg\", as of image 8",
            ]
        )
    }

    @Test func `a problem says place, value and what is allowed`() throws {
        let (_, problems) = try read(annotation(#""bbox":[100,2,3,4]"#))
        #expect(
            problems.first?.description
                == "annotation 1 of image 7: bbox is [100.0, 2.0, 3.0, 4.0], "
                + "allowed: within 0...100 x 0...80 (left out)"
        )
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `real files are read in full`() throws {
        let cases = [
            ("det_bccd/annotations/instances_train.json", 281, 3794),
            ("det_coco128/annotations/instances_train.json", 99, 776),
            ("det_voc100/annotations/instances_train.json", 77, 209),
        ]
        for (path, images, annotations) in cases {
            let (dataset, problems) = try CocoDataset.read(contentsOf: SharedData.url(path))
            #expect(dataset.images.count == images)
            let dropped = problems.count(where: \.isDropped)
            #expect(dataset.annotations.count + dropped == annotations, "\(problems)")
        }
    }
}
