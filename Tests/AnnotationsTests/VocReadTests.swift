import Annotations
import Foundation
import TestSupport
import Testing

/// Reads one list of one image `a` of 100 x 80 pixels that holds `objects`.
private func read(
    _ objects: [String]
) throws -> (dataset: CocoDataset, problems: [AnnotationProblem]) {
    let tree = try TemporaryTree()
    defer { tree.remove() }
    try tree.write("a", objects: objects)
    try tree.write(list: "train", "a\n")
    let reading = try AnnotationReading.read([AnnotationList(voc: tree.list("train"))])
    return (reading.dataset, reading.problems)
}

private typealias Tree = TemporaryTree

struct VocReadTests {
    // MARK: Real data

    @Test(
        .enabled(if: SharedData.isPresent, "needs the shared data folder"),
        arguments: ["train", "val"],
    )
    func `a real tree says what its COCO json says`(list: String) throws {
        let root = SharedData.url("det_voc100")
        let voc = try AnnotationReading.read([
            AnnotationList(voc: root.appending(path: "VOC2012/ImageSets/Main/\(list).txt"))
        ])
        let coco = try AnnotationReading.read([
            AnnotationList(
                root.appending(path: "annotations/instances_\(list).json"),
                images: root.appending(path: "VOC2012/JPEGImages"),
            )
        ])
        #expect(voc.problems.isEmpty && coco.problems.isEmpty)
        #expect(voc.imageRoot.path == coco.imageRoot.path)
        #expect(voc.dataset.categories == coco.dataset.categories)
        #expect(voc.dataset.images.count == (list == "train" ? 77 : 23))
        #expect(voc.dataset.images.map(\.fileName) == coco.dataset.images.map(\.fileName))
        for (one, other) in zip(voc.dataset.images, coco.dataset.images) {
            #expect(one.width == other.width && one.height == other.height)
            func told(_ dataset: CocoDataset, _ id: Int64) -> [CocoAnnotation] {
                dataset.annotations(ofImage: id).map {
                    CocoAnnotation(
                        id: 0,
                        imageID: 0,
                        categoryID: $0.categoryID,
                        box: $0.box,
                        area: $0.area,
                        isDifficult: $0.isDifficult,
                    )
                }
            }
            #expect(told(voc.dataset, one.id) == told(coco.dataset, other.id), "\(one.fileName)")
        }
        let boxes = voc.dataset.annotations
        #expect(boxes.count == (list == "train" ? 209 : 64))
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `38 objects of the real tree are difficult`() throws {
        let difficult = try ["train", "val"].map { list in
            let file = SharedData.url("det_voc100/VOC2012/ImageSets/Main/\(list).txt")
            return try AnnotationReading.read([AnnotationList(voc: file)]).dataset.annotations
                .count(where: \.isDifficult)
        }
        #expect(difficult.reduce(0, +) == 38)
    }

    /// Its classes are none of VOC's, its images lie outside the tree, and two boxes are empty.
    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `a tree that LabelImg made is read, its two empty boxes named`() throws {
        let root = SharedData.url("det_bccd")
        let file = root.appending(path: "voc/ImageSets/Main/train.txt")
        let images = root.appending(path: "images")
        let voc = try AnnotationReading.read([AnnotationList(file, images: images)])
        let (coco, _) = try CocoDataset.read(
            contentsOf: root.appending(path: "annotations/instances_train.json")
        )
        #expect(voc.dataset.categories.map(\.name) == ["Platelets", "RBC", "WBC"])
        #expect(voc.dataset.images.map(\.fileName) == coco.images.map(\.fileName))
        #expect(voc.dataset.annotations.count == coco.annotations.count)
        let empty = voc.problems.filter { $0.kind == .boxWithoutArea }
        #expect(empty.allSatisfy { $0.isDropped && $0.description.contains("voc/Annotations/") })
        // Whoever settles the classes is followed: here the json.
        let settled = try AnnotationReading.read(
            [AnnotationList(file, images: images)],
            classes: ["RBC", "WBC", "Platelets"],
        )
        #expect(settled.dataset.categories.map(\.name) == ["RBC", "WBC", "Platelets"])
    }

    // MARK: Objects

    @Test func `corners from 1 with the last pixel become a box from 0`() throws {
        let (dataset, problems) = try read([
            Tree.object("dog", ["1", "1", "100", "80"]),
            Tree.object("dog", ["11", "21", "40", "60"]),
            Tree.object("dog", ["1.5", "2.25", "3", "4e0"]),
        ])
        #expect(problems.isEmpty)
        #expect(
            dataset.annotations.map(\.box) == [
                Box(x: 0, y: 0, width: 100, height: 80), Box(x: 10, y: 20, width: 30, height: 40),
                Box(x: 0.5, y: 1.25, width: 2.5, height: 2.75),
            ]
        )
        #expect(dataset.annotations.map(\.area) == [8000, 1200, 6.875])
    }

    @Test(arguments: [
        ("1", true), ("0", false), ("", false), ("true", true), ("Unspecified", false),
    ])
    func `difficult objects are marked`(text: String, isDifficult: Bool) throws {
        let (dataset, problems) = try read([
            Tree.object("dog", more: "<difficult>\(text)</difficult>")
        ])
        #expect(dataset.annotations.map(\.isDifficult) == [isDifficult])
        #expect(problems.isEmpty)
    }

    @Test func `an object without its optional elements is read, the boxes of parts are not`()
        throws
    {
        let part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
        let (dataset, problems) = try read([
            Tree.object("person", more: part), Tree.object(" dog\n"),
        ])
        #expect(problems.isEmpty)
        #expect(dataset.annotations.map(\.box.x) == [10, 10])
        #expect(dataset.annotations.map(\.categoryID) == [15, 12])
    }

    struct Bad: Sendable {
        let object: String
        let kind: AnnotationProblem.Kind
        let text: String
        var box: Box?
    }

    @Test(arguments: [
        Bad(
            object: Tree.object("dog", ["40", "60", "11", "21"]),
            kind: .swappedCorners,
            text: "bndbox is [40.0, 60.0, 11.0, 21.0]",
            box: Box(x: 10, y: 20, width: 30, height: 40),
        ),
        Bad(
            object: Tree.object("dog", ["0", "-4", "120", "40"]),
            kind: .boxPartlyOutside,
            text: "allowed: within 1...100 x 1...80; it is clipped",
            box: Box(x: 0, y: 0, width: 100, height: 40),
        ),
        Bad(
            object: Tree.object("dog", ["101", "1", "120", "40"]),
            kind: .boxOutside,
            text: "allowed: within 1...100 x 1...80 (left out)",
        ),
        Bad(
            object: Tree.object("dog", ["7", "1", "7", "40"]),
            kind: .boxWithoutArea,
            text: "allowed: xmin < xmax and ymin < ymax (left out)",
        ),
        Bad(
            object: Tree.object("dog", ["7", "1", "nan", "40"]),
            kind: .wrongType,
            text: #"bndbox/xmax is "nan""#,
        ),
        Bad(
            object: Tree.object("dog", ["7", "1", "12", "1e300"]),
            kind: .wrongType,
            text: #"bndbox/ymax is "1e300""#,
        ),
        Bad(
            object: Tree.object("dog", ["7", "1", "12px", "9"]),
            kind: .wrongType,
            text: #"bndbox/xmax is "12px""#,
        ),
        Bad(
            object: Tree.object("dog", ["7", "1", "12"]),
            kind: .missingField,
            text: "bndbox/ymax is missing",
        ),
        Bad(
            object: "<object><name>dog</name></object>",
            kind: .missingField,
            text: "bndbox is missing",
        ),
        Bad(object: Tree.object(""), kind: .missingField, text: "name is empty"),
        Bad(object: "<object><pose/></object>", kind: .missingField, text: "name is missing"),
    ])
    func `a bad object is mended or left out, and named with its file and place`(bad: Bad) throws {
        let (dataset, problems) = try read([Tree.object("cat"), bad.object])
        #expect(dataset.annotations.dropFirst().map(\.box) == (bad.box.map { [$0] } ?? []))
        #expect(problems.map(\.kind) == [bad.kind])
        let text = try #require(problems.first).description
        #expect(text.hasPrefix("VOC2012/Annotations/a.xml, object 2: "), "\(text)")
        #expect(text.contains(bad.text), "\(text)")
        #expect(problems[0].isDropped == (bad.box == nil))
    }

    // MARK: Images

    @Test(arguments: [
        ("<annotation/>", "size is missing", 0),
        ("<annotation><size><width>9.0</width></size></annotation>", "size/height is missing", 9),
        (
            "<annotation><size><width>9</width><height>0</height></size></annotation>",
            #"size/height is "0""#, 9,
        ),
    ])
    func `a missing size is named and left to the picture`(
        xml: String,
        message: String,
        width: Int,
    ) throws {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        try tree.write("a", xml: xml)
        try tree.write(list: "train", "a")
        let reading = try AnnotationReading.read([AnnotationList(voc: tree.list("train"))])
        #expect(reading.dataset.images.map(\.width) == [width])
        #expect(reading.dataset.images.map(\.height) == [0])
        #expect(reading.problems.count == 1 && reading.problems[0].description.contains(message))
        #expect(!reading.problems[0].isDropped)
    }

    @Test func `the picture is that of the list's name, whatever filename says`() throws {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        func xml(_ name: String) -> String {
            TemporaryTree.xml("", objects: []).replacing(">.jpg<", with: ">\(name)<")
        }
        try tree.write("a", xml: xml("a"))  // without an ending
        try tree.write("b", xml: xml("b.png"), picture: "b.JPG")
        try tree.write("c", xml: xml("a.jpg"), picture: "c.png")  // another image's
        try tree.write("d", xml: xml("other.bmp.jpg"), picture: "other.bmp.jpg")
        try tree.write("e", xml: xml("../../e.jpg"), picture: "unrelated")
        try tree.write("f", xml: xml("f.jpeg"), picture: "f.jpeg")
        try tree.write(list: "train", "a\nb\nc\nd\ne\nf\n")
        let reading = try AnnotationReading.read([AnnotationList(voc: tree.list("train"))])
        #expect(
            reading.dataset.images.map(\.fileName)
                == ["a.jpg", "b.JPG", "c.png", "other.bmp.jpg", "e.jpg", "f.jpeg"]
        )
        #expect(reading.problems.map(\.kind) == Array(repeating: .otherFileName, count: 4))
        #expect(
            reading.problems.map(\.place)
                == ["a", "b", "c", "e"].map { .file("VOC2012/Annotations/\($0).xml") }
        )
    }

    @Test func `lines may carry labels, endings, CRLF and a BOM`() throws {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        for name in ["000005", "a", "image 1", "sub-x"] { try tree.write(name, objects: []) }
        try tree.write(
            list: "train",
            "\u{FEFF}000005  1\r\n\r\na -1\r\nimage 1\r\nsub-x.jpg 0\r\n\r\n",
        )
        let reading = try AnnotationReading.read([AnnotationList(voc: tree.list("train"))])
        #expect(
            reading.dataset.images.map(\.fileName)
                == ["000005.jpg", "a.jpg", "image 1.jpg", "sub-x.jpg"]
        )
        #expect(reading.problems.isEmpty)
    }

    @Test func `lines that name nothing, an image twice or a spoilt file are left out and named`()
        throws
    {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        try tree.write("a", objects: [Tree.object("dog")])
        try tree.write("b", xml: "<annotation>")
        try tree.write(
            list: "train",
            "a\na\n../a\n/etc/passwd\nb\nc\n\(String(repeating: "x", count: 2000))\n",
        )
        let reading = try AnnotationReading.read([AnnotationList(voc: tree.list("train"))])
        #expect(reading.dataset.images.map(\.fileName) == ["a.jpg"])
        #expect(reading.dataset.annotations.count == 1)
        #expect(
            reading.problems.map(\.kind) == [
                .duplicateFileName, .badLine, .badLine, .badLine, .unreadableFile, .unreadableFile,
            ]
        )
        #expect(
            reading.problems.map(\.place)
                == [2, 3, 4, 7, 5, 6].map { .line(file: "train.txt", number: $0) }
        )
        #expect(reading.problems.allSatisfy { $0.isDropped })
        #expect(reading.problems[4].description.contains("b.xml:1:13: expected </annotation>"))
        #expect(reading.problems[5].description.contains("c.xml cannot be read"))
    }

    @Test func `files may be links to files, and nothing else but files is read`() throws {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        try tree.write("a", objects: [Tree.object("dog")])
        let folder = tree.root.appending(path: "Annotations")
        try FileManager.default.createSymbolicLink(
            at: folder.appending(path: "b.xml"),
            withDestinationURL: folder.appending(path: "a.xml"),
        )
        try FileManager.default.createDirectory(
            at: folder.appending(path: "c.xml"),
            withIntermediateDirectories: true,
        )
        #expect(mkfifo(folder.appending(path: "d.xml").path, 0o600) == 0)
        try tree.write(list: "train", "a\nb\nc\nd\n")
        let reading = try AnnotationReading.read([AnnotationList(voc: tree.list("train"))])
        #expect(reading.dataset.annotations.count == 2)
        let unread = reading.problems.filter { $0.kind == .unreadableFile }
        #expect(unread.map { $0.description.contains("is not a file") } == [true, true])
    }

    @Test func `ids are made of names alone`() throws {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        let names = ["000005", "2007_000027", "12", "1_2", "cat", "9007_12", "1234567"]
        for name in names { try tree.write(name, objects: []) }
        try tree.write(list: "train", names.joined(separator: "\n"))
        try tree.write(list: "other", names.reversed().joined(separator: "\n"))
        func ids(_ list: String) throws -> [String: Int64] {
            let images = try AnnotationReading.read([AnnotationList(voc: tree.list(list))]).dataset
                .images
            return Dictionary(uniqueKeysWithValues: images.map { ($0.fileName, $0.id) })
        }
        let train = try ids("train")
        #expect(train["000005.jpg"] == 5 && train["2007_000027.jpg"] == 2_007_000_027)
        #expect(Set(train.values).count == names.count)
        #expect(train.values.allSatisfy { $0 < 1 << 53 })
        #expect(try ids("other") == train)
    }

    // MARK: Classes, lists

    @Test func `the classes are VOC's 20, or the names found where one is none of these`() throws {
        #expect(try read([Tree.object("dog")]).dataset.categories.map(\.name) == VocClasses.names)
        #expect(try read([]).dataset.categories.map(\.name) == VocClasses.names)
        let (own, _) = try read([Tree.object("dog"), Tree.object("Zebra"), Tree.object("ant")])
        #expect(own.categories.map(\.name) == ["Zebra", "ant", "dog"])
        #expect(own.categoryIDs == [1, 2, 3])
    }

    @Test func `a list outside a tree, or none, is an error that says where lists stand`() throws {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        let stray = tree.folder.appending(path: "a.txt")
        try Data("a".utf8).write(to: stray)
        for file in [stray, tree.list("missing")] {
            let error = #expect(throws: AnnotationError.self) {
                try AnnotationReading.read([AnnotationList(voc: file)])
            }
            #expect(error?.description.contains(file.path) == true)
        }
    }
}
