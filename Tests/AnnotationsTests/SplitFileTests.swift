import Annotations
import Foundation
import Testing

struct SplitFileTests {
    private func withTree(_ body: (TemporaryTree) throws -> Void) throws {
        let tree = try TemporaryTree()
        defer { tree.remove() }
        let names = (0..<20).map { "2007_0000\($0 + 10)" }
        for name in names {
            try tree.write(
                name,
                objects: [TemporaryTree.object("dog", more: "<difficult>1</difficult>")],
            )
        }
        try tree.write(list: "trainval", names.map { "\($0)  1\r\n" }.joined() + "missing\n")
        try body(tree)
    }

    @Test func `a VOC list is split into lists, with the same bytes for the same seed`() throws {
        try withTree { tree in
            let list = AnnotationList(voc: tree.list("trainval"))
            let folder = tree.root.appending(path: "ImageSets/split")
            func write(seed: UInt64) throws -> [String] {
                let written = try list.writeSplit(
                    .count(5),
                    seed: seed,
                    to: folder,
                    overwriting: true,
                )
                #expect(written.weights.images == 15 && written.architecture.images == 5)
                #expect(written.problems.map(\.kind) == [.unreadableFile])
                return try [written.weights.file, written.architecture.file].map {
                    try String(contentsOf: $0, encoding: .utf8)
                }
            }
            let first = try write(seed: 1)
            #expect(try write(seed: 2) != first)
            #expect(try write(seed: 1) == first)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            #expect(names == ["trainval_architecture.txt", "trainval_weights.txt"])

            // The files hold what a job's `part` would take.
            let whole = try AnnotationReading.read([list]).dataset
            let sides = whole.split(architectureShare: 0.25, seed: 1)
            for (name, side) in zip(names, [sides.architecture, sides.weights]) {
                let file = folder.appending(path: name)
                let part = try AnnotationReading.read([AnnotationList(voc: file)])
                #expect(part.problems.isEmpty)
                #expect(part.dataset.images == side.images)
                #expect(part.dataset.annotations.count == side.annotations.count)
            }
        }
    }

    @Test func `a json is split into json that keeps difficult marks and classes`() throws {
        try withTree { tree in
            let json = tree.folder.appending(path: "instances.json")
            let whole = try AnnotationReading.read([AnnotationList(voc: tree.list("trainval"))])
            try whole.dataset.write(to: json)
            let written = try AnnotationList(json, images: tree.folder).writeSplit(
                .share(0.3),
                seed: 9,
                to: tree.folder.appending(path: "new/folder"),
            )
            #expect(written.architecture.file.lastPathComponent == "instances_architecture.json")
            let sides = whole.dataset.split(architectureShare: 0.3, seed: 9)
            let weights = try CocoDataset.read(contentsOf: written.weights.file).dataset
            let architecture = try CocoDataset.read(contentsOf: written.architecture.file).dataset
            #expect(weights == sides.weights && architecture == sides.architecture)
            #expect(architecture.images.count == 6)
            #expect(architecture.annotations.allSatisfy { $0.isDifficult })
        }
    }

    @Test func `files that are there, parts without images and foreign folders are refused`() throws
    {
        try withTree { tree in
            let list = AnnotationList(voc: tree.list("trainval"))
            let main = tree.root.appending(path: "ImageSets/Main")
            func reason(_ amount: SplitAmount, _ folder: URL) -> String {
                let error = #expect(throws: AnnotationError.self) {
                    try list.writeSplit(amount, seed: 0, to: folder)
                }
                return error?.description ?? ""
            }
            for count in [0, 20, 21, -1] {
                #expect(reason(.count(count), main).contains("\(count) images of 20"))
            }
            #expect(reason(.share(0.001), main).contains("allowed are 1...19 images"))
            #expect(reason(.count(5), tree.folder).contains("/ImageSets"))
            try tree.write(list: "trainval_architecture", "mine")
            #expect(reason(.count(5), main).contains("trainval_architecture.txt"))
            let kept = try String(contentsOf: tree.list("trainval_architecture"), encoding: .utf8)
            #expect(kept == "mine")
            let lists = try FileManager.default.contentsOfDirectory(atPath: main.path)
            #expect(lists.count == 2)
        }
    }
}
