import Annotations
import Foundation
import Testing

private struct Lists {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "join-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// A json with one box of each class in each image; ids from 1.
    func json(
        _ name: String,
        images names: [String],
        classes: [(Int64, String)],
        in imageFolder: String = "images",
        firstID: Int64 = 1,
    ) throws -> AnnotationList {
        var annotations: [CocoAnnotation] = []
        for image in names.indices {
            for (category, _) in classes {
                annotations.append(
                    CocoAnnotation(
                        id: Int64(annotations.count + 1),
                        imageID: firstID + Int64(image),
                        categoryID: category,
                        box: Box(x: 1, y: 2, width: 3, height: Double(category)),
                        isDifficult: category == 2,
                    )
                )
            }
        }
        let file = folder.appending(path: "\(name).json")
        try CocoDataset(
            images: names.enumerated().map {
                CocoImage(
                    id: firstID + Int64($0.offset),
                    fileName: $0.element,
                    width: 9,
                    height: 90,
                )
            },
            categories: classes.map { CocoCategory(id: $0.0, name: $0.1) },
            annotations: annotations,
        ).write(to: file)
        return AnnotationList(file, images: folder.appending(path: imageFolder))
    }
}

struct JoinTests {
    @Test func `one list is read as it is`() throws {
        let lists = try Lists()
        defer { lists.remove() }
        let list = try lists.json("a", images: ["1.jpg"], classes: [(7, "x")])
        let reading = try AnnotationReading.read([list])
        let alone = try CocoDataset.read(contentsOf: list.file).dataset
        #expect(reading.dataset == alone)
        #expect(reading.imageRoot.path == list.images.path)
        #expect(reading.files == [list.file])
    }

    @Test func `lists in one folder keep their names, lists in two begin at the common one`() throws
    {
        let lists = try Lists()
        defer { lists.remove() }
        let one = try lists.json("a", images: ["1.jpg"], classes: [(1, "x")], in: "set/train")
        let two = try lists.json(
            "b",
            images: ["2.jpg"],
            classes: [(1, "x")],
            in: "set/train",
            firstID: 10,
        )
        let three = try lists.json(
            "c",
            images: ["1.jpg"],
            classes: [(1, "x")],
            in: "set/val/more",
            firstID: 20,
        )
        let same = try AnnotationReading.read([one, two])
        #expect(same.dataset.images.map(\.fileName) == ["1.jpg", "2.jpg"])
        #expect(same.imageRoot.lastPathComponent == "train")
        let apart = try AnnotationReading.read([one, three])
        #expect(apart.dataset.images.map(\.fileName) == ["train/1.jpg", "val/more/1.jpg"])
        #expect(apart.imageRoot.lastPathComponent == "set")
        #expect(apart.dataset.images.map(\.id) == [1, 20])
    }

    @Test func `classes are joined by name, whatever their numbers`() throws {
        let lists = try Lists()
        defer { lists.remove() }
        let one = try lists.json("a", images: ["1.jpg"], classes: [(1, "cat"), (3, "dog")])
        let two = try lists.json(
            "b",
            images: ["2.jpg"],
            classes: [(1, "dog"), (2, "emu"), (3, "cat")],
            firstID: 2,
        )
        let joined = try AnnotationReading.read([one, two]).dataset
        #expect(joined.categories.map(\.name) == ["cat", "dog", "emu"])
        #expect(joined.categories.map(\.id) == [1, 3, 2])
        let second = joined.annotations(ofImage: 2)
        #expect(second.map { joined.category(id: $0.categoryID)?.name } == ["dog", "emu", "cat"])
        #expect(second.map(\.isDifficult) == [false, true, false])
        #expect(second.map(\.box.height) == [1, 2, 3])
        #expect(Set(joined.annotations.map(\.id)).count == joined.annotations.count)
    }

    @Test func `an id that two lists give to two images is replaced and named`() throws {
        let lists = try Lists()
        defer { lists.remove() }
        let one = try lists.json("a", images: ["1.jpg", "2.jpg"], classes: [(1, "x")])
        let two = try lists.json("b", images: ["3.jpg"], classes: [(1, "x")])
        let reading = try AnnotationReading.read([one, two])
        let images = reading.dataset.images
        #expect(images.map(\.fileName) == ["1.jpg", "2.jpg", "3.jpg"])
        #expect(Set(images.map(\.id)).count == 3)
        #expect(images.allSatisfy { reading.dataset.annotations(ofImage: $0.id).count == 1 })
        #expect(reading.problems.map(\.kind) == [.duplicateID])
        #expect(
            reading.problems[0].description.hasPrefix("b.json: image 1: id is 1, which another")
        )
        #expect(try AnnotationReading.read([one, two]).dataset == reading.dataset)
    }

    @Test func `an image that two lists name is an error that names it and them`() throws {
        let lists = try Lists()
        defer { lists.remove() }
        let one = try lists.json("a", images: ["1.jpg", "2.jpg"], classes: [(1, "x")])
        let two = try lists.json(
            "b",
            images: ["3.jpg", "2.jpg"],
            classes: [(1, "x")],
            firstID: 5,
        )
        for pair in [[one, two], [one, one]] {
            let error = #expect(throws: AnnotationError.self) {
                try AnnotationReading.read(pair)
            }
            for part in ["a.json", pair[1].file.lastPathComponent, "2.jpg"] {
                #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
            }
        }
    }

    /// DetNAS's VOC: trainval07 and trainval12, whose trees may hold files of one name.
    @Test func `two VOC trees and a json become one set`() throws {
        let lists = try Lists()
        defer { lists.remove() }
        let old = try TemporaryTree("VOC2007", in: lists.folder)
        let new = try TemporaryTree("VOC2012", in: lists.folder)
        try old.write("000005", objects: [TemporaryTree.object("chair")])
        try new.write("000005", objects: [TemporaryTree.object("dog", ["0", "1", "5", "5"])])
        try new.write("2008_000002", objects: [TemporaryTree.object("tvmonitor")])
        try old.write(list: "trainval", "000005")
        try new.write(list: "trainval", "000005\n2008_000002\n")
        let json = try lists.json("c", images: ["x.jpg"], classes: [(5, "dog"), (9, "yak")])
        let reading = try AnnotationReading.read([
            AnnotationList(voc: old.list("trainval")), AnnotationList(voc: new.list("trainval")),
            json,
        ])
        let images = reading.dataset.images
        #expect(
            images.map(\.fileName) == [
                "VOC2007/JPEGImages/000005.jpg", "VOC2012/JPEGImages/000005.jpg",
                "VOC2012/JPEGImages/2008_000002.jpg", "images/x.jpg",
            ]
        )
        #expect(images[0].id == 5 && images[1].id != 5 && images[2].id == 2_008_000_002)
        #expect(reading.dataset.categories.map(\.name) == VocClasses.names + ["yak"])
        #expect(
            images.flatMap { reading.dataset.annotations(ofImage: $0.id) }.map {
                reading.dataset.category(id: $0.categoryID)?.name
            } == ["chair", "dog", "tvmonitor", "dog", "yak"]
        )
        #expect(reading.problems.map(\.kind) == [.boxPartlyOutside, .duplicateID])
        #expect(
            reading.problems[0].place == .object(file: "VOC2012/Annotations/000005.xml", number: 1)
        )
        #expect(reading.files.count == 1 + 1 + 1 + 2 + 1)
    }
}
