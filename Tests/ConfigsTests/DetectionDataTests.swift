// How lists of images with boxes are named, and what must be there for them.

import Testing

@testable import Configs

/// What `{"dataset": "d", ...more}` is read as.
private func read(_ more: [String: JSONValue]) throws -> (DetectionData?, [Violation]) {
    var faults: [Violation] = []
    let json = JSONValue.object(more.merging(["dataset": "d"]) { old, _ in old })
    let data = Form<DetectionData>.object.read(json, "/spec/train", &faults)
    return (data, faults)
}

/// The paths that must exist below the data set, each with the place that names it.
private func needs(_ more: [String: JSONValue]) throws -> [String] {
    let train = JSONValue.object(more.merging(["dataset": "d"]) { old, _ in old })
    let spec = try JobSpec.resolve(
        kind: .detectorFinetune,
        ["train": train, "space": "detnas-mini", "training": ["steps": 1]],
    ).get()
    return spec.datasets.flatMap(\.paths).map { "\($0.pointer.dropFirst(12)) \($0.path)" }
}

struct DetectionDataTests {
    @Test func `one list, or several, are read and written back as they were`() throws {
        for annotations: JSONValue in ["a.json", ["a.json", "b/ImageSets/Main/e.txt"]] {
            let (data, faults) = try read(["annotations": annotations])
            #expect(faults.isEmpty)
            let read = try #require(data)
            let written = Form<DetectionData>.object.write(read)
            #expect(written["annotations"] == annotations)
            #expect(
                written["images"]
                    == (read.lists.count == 1 ? "images" : ["images", "b/JPEGImages"])
            )
            var again: [Violation] = []
            let second = Form<DetectionData>.object.read(written, "", &again)
            #expect(again.isEmpty && second?.lists.map(\.images) == read.lists.map(\.images))
        }
        let (one, _) = try read(["annotations": ["a.json"], "images": "x"])
        #expect(one?.annotations == ["a.json"] && one?.images == ["x"])
    }

    @Test func `images are in images, in a VOC tree's own folder, or where the spec says`() throws {
        func images(_ more: [String: JSONValue]) throws -> [String] {
            try #require(try read(more).0).lists.map(\.images)
        }
        #expect(try images(["annotations": "a.json"]) == ["images"])
        #expect(try images(["annotations": "V/ImageSets/Main/a.txt"]) == ["V/JPEGImages"])
        #expect(try images(["annotations": "ImageSets/Main/a.TXT"]) == ["JPEGImages"])
        let mixed: JSONValue = ["x/V/ImageSets/Main/a.txt", "a.json"]
        #expect(try images(["annotations": mixed]) == ["x/V/JPEGImages", "images"])
        #expect(try images(["annotations": mixed, "images": "."]) == [".", "."])
        #expect(try images(["annotations": mixed, "images": ["p", "q"]]) == ["p", "q"])
    }

    @Test func `what must be there is told with the place that names it`() throws {
        #expect(
            try needs(["annotations": "a/b.json"]) == ["annotations a/b.json", "images images"]
        )
        #expect(
            try needs(["annotations": "V/ImageSets/Main/a.txt"]) == [
                "annotations V/ImageSets/Main/a.txt", "annotations V/Annotations",
                "annotations V/JPEGImages",
            ]
        )
        #expect(
            try needs([
                "annotations": ["V/ImageSets/Main/a.txt", "V/ImageSets/Main/b.txt", "c.json"],
                "images": ["p", "p", "q"],
            ]) == [
                "annotations/0 V/ImageSets/Main/a.txt", "annotations/0 V/Annotations", "images/0 p",
                "annotations/1 V/ImageSets/Main/b.txt", "annotations/2 c.json", "images/2 q",
            ]
        )
        #expect(try needs(["annotations": "a.json", "images": "."]) == ["annotations a.json"])
    }

    @Test(
        arguments: [
            (["annotations": "Main/a.txt"], "annotations", Violation.Code.notAllowed),
            (["annotations": ["a.json", "b.txt"]], "annotations", .notAllowed),
            (["annotations": ["a.json", "a.json"]], "annotations", .conflict),
            (["annotations": ["a.json", "../b.json"]], "annotations/1", .notAllowed),
            (["annotations": []], "annotations", .outOfRange),
            (
                ["annotations": .array((0..<17).map { .string("\($0).json") })], "annotations",
                .outOfRange,
            ),
            (["annotations": 3], "annotations", .wrongType),
            (["annotations": ["a.json", 3]], "annotations/1", .wrongType),
            (
                ["annotations": ["a.json", "b.json", "c.json"], "images": ["p", "q"]], "images",
                .conflict,
            ),
            (["annotations": "a.json", "images": ["p", "q"]], "images", .conflict),
            ([:], "annotations", .missing),
        ] as [([String: JSONValue], String, Violation.Code)]
    )
    func `what is no list is told with its place`(
        more: [String: JSONValue],
        place: String,
        code: Violation.Code,
    ) throws {
        let (data, faults) = try read(more)
        #expect(data == nil)
        #expect(faults.map(\.pointer) == ["/spec/train/\(place)"])
        #expect(faults.map(\.code) == [code])
    }

    @Test func `lists that have one in common are disjoint only as parts of the same lists`() {
        func data(_ lists: [String], _ role: SplitPart.Role? = nil, set: String = "d")
            -> DetectionData
        {
            DetectionData(dataset: set, annotations: lists, part: role.map { SplitPart($0) })
        }
        #expect(data(["a", "b"]).isDisjoint(from: data(["c"])))
        #expect(!data(["a", "b"]).isDisjoint(from: data(["b"])))
        #expect(data(["a"]).isDisjoint(from: data(["a"], set: "e")))
        #expect(data(["a", "b"], .weights).isDisjoint(from: data(["b", "a"], .architecture)))
        #expect(!data(["a", "b"], .weights).isDisjoint(from: data(["a"], .architecture)))
        #expect(!data(["a", "b"], .weights).isDisjoint(from: data(["a", "b"])))
    }
}
