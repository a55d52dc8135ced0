import Annotations
import Foundation
import SearchSpaces
import TestSupport
import Testing

@testable import Datasets

@Suite struct DatasetCheckTests {
    private static func coco(_ root: URL, width: Int = 16) throws -> AnnotationList {
        let file = root.appending(path: "annotations/a.json")
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(),
            withIntermediateDirectories: true,
        )
        func box(_ id: Int64, image: Int64, isCrowd: Bool = false, isDifficult: Bool = false)
            -> CocoAnnotation
        {
            CocoAnnotation(
                id: id,
                imageID: image,
                categoryID: 4,
                box: Box(x: 1, y: 1, width: 8, height: 8),
                isCrowd: isCrowd,
                isDifficult: isDifficult,
            )
        }
        try CocoDataset(
            images: (1...4).map {
                CocoImage(id: $0, fileName: "\($0).png", width: $0 == 4 ? width : 16, height: 12)
            },
            categories: [CocoCategory(id: 4, name: "x"), CocoCategory(id: 5, name: "y")],
            annotations: [
                box(1, image: 1), box(2, image: 2, isCrowd: true),
                box(3, image: 2, isDifficult: true), box(4, image: 4),
            ],
        ).write(to: file)
        for number in 1...4 {
            try Fixtures.write(
                Fixtures.gradient(height: 12, width: 16).png(),
                to: root.appending(path: "images/\(number).png"),
            )
        }
        return AnnotationList(file, images: root.appending(path: "images"))
    }

    @Test func `a sound set has counts, a digest, and neither problems nor failures`() throws {
        try Fixtures.withFolder { root in
            let list = try Self.coco(root)
            let report = DatasetCheck().detection([list])
            #expect(report.problems.isEmpty && report.failures.isEmpty)
            let counts = [
                "images": 4, "boxes": 4, "classes": 2, "classes with boxes": 1, "crowd": 1,
                "difficult": 1, "not learnt": 2, "empty": 1, "unreadable": 0,
            ]
            for (name, count) in counts { #expect(report.count(name) == count, "\(name)") }
            // What a training on it would remember.
            let set = try DetectionSet(
                dataset: CocoDataset.read(contentsOf: list.file).dataset,
                imageRoot: list.images,
                purpose: .training,
            )
            #expect(set.items.map(\.imageID) == [1, 4])
            #expect(report.digest == set.digest(annotations: [list.file]).description)
        }
    }

    @Test(arguments: [1, 3])
    func `spoilt pictures are told in order, and fail a job past its share`(threads: Int) throws {
        try Fixtures.withFolder { root in
            let list = try Self.coco(root, width: 32)  // of picture 4, whose file has 16
            try Data([1, 2, 3]).write(to: root.appending(path: "images/1.png"))
            try FileManager.default.removeItem(at: root.appending(path: "images/3.png"))
            var check = DatasetCheck()
            check.threads = threads
            var report = check.detection([list])
            #expect(report.count("unreadable") == 3)
            #expect(report.problems.count == 3)
            for (problem, part) in zip(
                report.problems,
                ["1.png: is not a JPEG or PNG file", "3.png: does not exist", "4.png: is 16 x 12"],
            ) { #expect(problem.contains(part), "\(problem)") }
            #expect(report.failures.count == 1)
            #expect(report.failures[0].hasPrefix("3 of 4 images cannot be read"))
            check.maxBroken = 0.75
            report = check.detection([list])
            #expect(report.failures.isEmpty && report.problems.count == 3)
            check.decodes = false
            report = check.detection([list])
            #expect(report.problems.count == 1 && report.count("unreadable") == 1)
        }
    }

    @Test func `lists that cannot be read, or without images, would fail a job`() throws {
        try Fixtures.withFolder { root in
            let list = try Self.coco(root)
            let missing = AnnotationList(root.appending(path: "no.json"), images: root)
            #expect(DatasetCheck().detection([missing]).failures.count == 1)
            #expect(DatasetCheck().detection([list, list]).failures[0].contains("share 4 images"))
            let elsewhere = AnnotationList(list.file, images: root.appending(path: "no"))
            #expect(DatasetCheck().detection([elsewhere]).failures[0].contains("is not a folder"))
        }
    }

    @Test func `class folders are looked at one by one, and must agree on their classes`() throws {
        try Fixtures.withFolder { root in
            let (train, val) = (root.appending(path: "train"), root.appending(path: "val"))
            try Fixtures.makeClasses(train, classes: 3, each: 2)
            try Fixtures.makeClasses(val, classes: 3, each: 1)
            try Data([0xFF, 0xD8, 0xFF]).write(to: train.appending(path: "b/0.png"))
            var report = DatasetCheck().classification([train, val])
            #expect(report.count("classes") == 3 && report.count("images in train") == 6)
            #expect(report.count("images in val") == 3 && report.count("unreadable in val") == 0)
            #expect(report.problems.count == 1 && report.problems[0].contains("train/b/0.png"))
            #expect(
                report.failures == [
                    "1 of 6 images in train cannot be read; a job bears a share of 0.05"
                ]
            )
            #expect(report.digest == (try? ImageFolder(root: train))?.digest().description)
            try FileManager.default.removeItem(at: val.appending(path: "c"))
            report = DatasetCheck().classification([train, val])
            #expect(report.failures.count == 1 && report.failures[0].contains("lacks c"))
        }
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `a real VOC tree passes`() throws {
        var check = DatasetCheck()
        check.threads = 2
        let report = check.detection([
            AnnotationList(voc: SharedData.url("det_voc100/VOC2012/ImageSets/Main/val.txt"))
        ])
        #expect(report.failures.isEmpty && report.problems.isEmpty)
        #expect(report.count("images") == 23 && report.count("boxes") == 64)
        #expect(report.count("unreadable") == 0 && report.count("classes") == 20)
    }
}
