// Image folders and detection sets: what is taken, what is left out, and how mistakes are told.

import Annotations
import Foundation
import SearchSpaces
import TestSupport
import Testing

@testable import Datasets

@Suite struct ImageFolderTests {
    @Test func `classes and files are numbered in the order of their names`() throws {
        try Fixtures.withFolder { root in
            try Fixtures.makeClasses(root, classes: 3, each: 2)
            try Fixtures.write([1], to: root.appending(path: "b/.hidden.jpg"))
            try Fixtures.write([1], to: root.appending(path: "b/notes.txt"))
            try Fixtures.write([1], to: root.appending(path: "README"))
            let folder = try ImageFolder(root: root)
            #expect(folder.classes == ["a", "b", "c"])
            #expect(folder.count == 6)
            #expect((0..<6).map { folder.label(of: $0) } == [0, 0, 1, 1, 2, 2])
            #expect(
                (0..<6).map { folder.name(of: $0) }
                    == ["a/0.png", "a/1.png", "b/0.png", "b/1.png", "c/0.png", "c/1.png"]
            )
        }
    }

    @Test func `a folder's two parts hold each image once, and another seed is another split`()
        throws
    {
        try Fixtures.withFolder { root in
            try Fixtures.makeClasses(root, classes: 3, each: 4)
            let folder = try ImageFolder(root: root)
            let parts = folder.split(architectureShare: 0.25, seed: 1)
            #expect(parts.architecture.count == 3)
            #expect((parts.weights + parts.architecture).sorted() == Array(0..<12))
            #expect(parts.architecture == parts.architecture.sorted())
            #expect(
                folder.split(architectureShare: 0.25, seed: 1).architecture == parts.architecture
            )
            #expect(
                folder.split(architectureShare: 0.25, seed: 2).architecture != parts.architecture
            )
            // A larger part holds the smaller one.
            let larger = folder.split(architectureShare: 0.5, seed: 1).architecture
            #expect(Set(larger).isSuperset(of: parts.architecture))
        }
    }

    @Test func `a folder without classes or images is refused by name`() throws {
        try Fixtures.withFolder { root in
            func code(_ path: String) -> DatasetError.Code? {
                do {
                    _ = try ImageFolder(root: root.appending(path: path))
                    return nil
                } catch {
                    #expect(error.description.contains(root.path))
                    return error.code
                }
            }
            #expect(code("missing") == .missingFolder)
            #expect(code("") == .noClasses)
            try Fixtures.makeClasses(root.appending(path: "set"))
            #expect(code("set") == nil)
            try Fixtures.write([1], to: root.appending(path: "set/empty/x.txt"))
            #expect(code("set") == .noImages)
        }
    }

    @Test func `other classes in validation are named`() throws {
        try Fixtures.withFolder { root in
            try Fixtures.makeClasses(root.appending(path: "train"), classes: 3)
            try Fixtures.makeClasses(root.appending(path: "val"), classes: 2)
            let train = try ImageFolder(root: root.appending(path: "train"))
            try train.checkClasses(of: train)
            let error = #expect(throws: DatasetError.self) {
                try train.checkClasses(of: ImageFolder(root: root.appending(path: "val")))
            }
            #expect(error?.code == .classMismatch)
            #expect(error?.description.hasSuffix("but lacks c") == true)
        }
    }

    @Test func `the digest changes with a name or a size, not with the place`() throws {
        try Fixtures.withFolder { root in
            try Fixtures.makeClasses(root.appending(path: "one"))
            try Fixtures.makeClasses(root.appending(path: "two"))
            func digest(_ name: String) throws -> String {
                try ImageFolder(root: root.appending(path: name)).digest().hex
            }
            let before = try digest("one")
            #expect(try digest("two") == before)
            try Fixtures.write([1], to: root.appending(path: "two/a/0.png"))
            #expect(try digest("two") != before)
        }
    }
}

@Suite struct DetectionSetTests {
    /// Sparse category ids; an image with a crowd, a sliver and a box that hangs over; an empty one.
    static let dataset = CocoDataset(
        images: [
            CocoImage(id: 7, fileName: "x/1.png", width: 100, height: 80),
            CocoImage(id: 9, fileName: "2.png", width: 50, height: 50),
        ],
        categories: [CocoCategory(id: 90, name: "late"), CocoCategory(id: 3, name: "early")],
        annotations: [
            CocoAnnotation(
                id: 1,
                imageID: 7,
                categoryID: 90,
                box: Box(x: -10, y: 20, width: 40, height: 30),
            ),
            CocoAnnotation(
                id: 2,
                imageID: 7,
                categoryID: 3,
                box: Box(x: 5, y: 5, width: 30, height: 30),
                isCrowd: true,
            ),
            CocoAnnotation(
                id: 3,
                imageID: 7,
                categoryID: 3,
                box: Box(x: 5, y: 5, width: 30, height: 1),
            ),
            CocoAnnotation(
                id: 4,
                imageID: 9,
                categoryID: 3,
                box: Box(x: 60, y: 5, width: 30, height: 10),
            ),
        ],
    )

    @Test func `category ids become classes without gaps, and boxes lie in their image`() throws {
        let set = try DetectionSet(
            dataset: Self.dataset,
            imageRoot: Fixtures.folder,
            purpose: .evaluation,
        )
        #expect(set.classNames == ["early", "late"])
        #expect(set.categoryIDs == [3, 90])
        #expect(set.items.map(\.imageID) == [7, 9])
        #expect(set.items[0].boxes == [Box(x: 0, y: 20, width: 30, height: 30)])
        #expect(set.items[0].labels == [1])
        #expect(set.items[1].boxes.isEmpty)
        #expect(set.droppedObjects == 3)
    }

    @Test func `difficult objects and those to be ignored are not learnt`() throws {
        func object(_ id: Int64, ignore: Bool = false, isDifficult: Bool = false) -> CocoAnnotation
        {
            CocoAnnotation(
                id: id,
                imageID: 7,
                categoryID: 3,
                box: Box(x: Double(id), y: 0, width: 20, height: 20),
                ignore: ignore,
                isDifficult: isDifficult,
            )
        }
        let set = try DetectionSet(
            dataset: CocoDataset(
                images: Self.dataset.images,
                categories: Self.dataset.categories,
                annotations: [object(1, isDifficult: true), object(2), object(3, ignore: true)],
            ),
            imageRoot: Fixtures.folder,
            purpose: .training,
        )
        #expect(set.items.map(\.boxes) == [[Box(x: 2, y: 0, width: 20, height: 20)]])
        #expect(set.droppedObjects == 2)
    }

    @Test func `training leaves out images without objects`() throws {
        let set = try DetectionSet(
            dataset: Self.dataset,
            imageRoot: Fixtures.folder,
            purpose: .training,
        )
        #expect(set.items.map(\.imageID) == [7])
    }

    @Test(arguments: ["../secret.png", "/etc/passwd", "", "a//b.png", "a/../../b.png"])
    func `a file name never leads out of the image folder`(name: String) {
        let dataset = CocoDataset(
            images: [CocoImage(id: 1, fileName: name, width: 1, height: 1)],
            categories: [CocoCategory(id: 1, name: "a")],
            annotations: [],
        )
        let error = #expect(throws: DatasetError.self) {
            try DetectionSet(dataset: dataset, imageRoot: Fixtures.folder, purpose: .evaluation)
        }
        #expect(error?.code == .badFileName)
    }

    @Test func `missing files and folders are named`() throws {
        let set = try DetectionSet(
            dataset: Self.dataset,
            imageRoot: Fixtures.folder,
            purpose: .evaluation,
        )
        #expect(set.missingFiles().map(\.file) == [0, 1].map { set.path(of: $0) })
        #expect(set.missingFiles(limit: 1).count == 1)
        let error = #expect(throws: DatasetError.self) {
            try DetectionSet(
                dataset: Self.dataset,
                imageRoot: URL(filePath: "/no/such"),
                purpose: .training,
            )
        }
        #expect(error?.code == .missingFolder)
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `real sets lose their crowds and empty images and nothing else`() throws {
        let root = SharedData.url("det_coco128")
        let file = root.appending(path: "annotations/instances_train.json")
        let dataset = try CocoDataset.read(contentsOf: file).dataset
        let set = try DetectionSet(
            dataset: dataset,
            imageRoot: root.appending(path: "images"),
            purpose: .training,
        )
        // 99 images and 776 annotations, of which 8 are crowds; 2 images have none.
        #expect(set.items.count == 97)
        #expect(set.items.map(\.boxes.count).reduce(0, +) + set.droppedObjects == 776)
        #expect((8...12).contains(set.droppedObjects))
        #expect(set.classNames.count == 80)
        #expect(set.missingFiles().isEmpty)
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `no real picture is taken for broken`() throws {
        let root = SharedData.url("det_coco128")
        let (dataset, _) = try CocoDataset.read(
            contentsOf: root.appending(path: "annotations/instances_train.json")
        )
        let set = try DetectionSet(
            dataset: dataset,
            imageRoot: root.appending(path: "images"),
            purpose: .evaluation,
        )
        #expect(set.items.count == 99)
        for (index, item) in set.items.enumerated() {
            let file = try ImageFile(path: set.path(of: index))
            #expect(file.size == item.size)
            _ = try file.decoded()
        }
    }
}
