import Annotations
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct DatasetFormTests {
    private static func make(_ files: [String], in root: URL) throws {
        for file in files { try Fixtures.write([], to: root.appending(path: file)) }
    }

    private static func names(_ form: DatasetForm?) -> [String]? {
        switch form {
        case .coco(let lists), .voc(let lists): lists.map(\.name)
        case .imageFolders(let folders): folders.map(\.lastPathComponent)
        case nil: nil
        }
    }

    @Test(arguments: [
        ("coco", ["annotations/b.json", "annotations/a.JSON", "images/1.jpg"], ["a", "b"]),
        ("coco", ["annotations/a.json", "annotations/images/1.jpg", "train/c/1.jpg"], ["a"]),
        // Lists of single classes are none.
        (
            "voc",
            ["ImageSets/Main/train.txt", "ImageSets/Main/val.txt", "ImageSets/Main/dog_train.txt"],
            ["train", "val"],
        ),
        (
            "voc",
            ["VOC2007/ImageSets/Main/trainval.txt", "VOC2012/ImageSets/Main/test.txt"],
            ["VOC2007/trainval", "VOC2012/test"],
        ),
        ("imagenet", ["train/a/1.jpg", "val/a/2.jpg", "other/b/3.jpg"], ["train", "val"]),
        ("imagenet", ["train/a/1.jpg"], ["train"]),
        // `train` is a class like the other.
        ("imagenet", ["train/1.jpg", "bus/2.jpg"], ["ROOT"]),
    ])
    func `a folder is what lies in it`(name: String, files: [String], parts: [String]) throws {
        try Fixtures.withFolder { folder in
            let root = folder.appending(path: "ROOT")
            try Self.make(files, in: root)
            let form = try #require(DatasetForm(of: root))
            #expect(form.name == name && Self.names(form) == parts)
        }
    }

    @Test(arguments: [
        [], ["1.jpg", "2.jpg"], [".git/x"], ["ImageSets.txt"],
    ])
    func `pictures or files alone are no data set`(files: [String]) throws {
        try Fixtures.withFolder { root in
            try Self.make(files, in: root)
            #expect(Self.names(DatasetForm(of: root)) == nil)
            #expect(Self.names(DatasetForm(of: root.appending(path: "missing"))) == nil)
        }
    }

    /// Then nobody can say what the list is of.
    @Test func `a list without images nearby is not taken`() throws {
        try Fixtures.withFolder { root in
            try Self.make(["annotations/a.json", "pictures/1.jpg"], in: root)
            let list = root.appending(path: "annotations/a.json")
            #expect(AnnotationList(withImagesNear: list) == nil)
            #expect(
                AnnotationList.places(near: list).map { $0.path.dropFirst(root.path.count) }
                    == ["/annotations/images", "/images"]
            )
        }
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `real sets are known by their lists`() throws {
        let voc = DatasetForm(of: SharedData.url("det_voc100"))
        #expect(voc?.name == "voc" && Self.names(voc)?.contains("VOC2012/val") == true)
    }
}
