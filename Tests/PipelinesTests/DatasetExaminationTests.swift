// `dataset.check` on small trees: what it finds, and that it tells of no place on the disk.

import Configs
import Foundation
import TestSupport
import Testing

@testable import Datasets
@testable import Pipelines

/// A root of data sets, removed afterwards, and a run on it.
///
/// Sendable: `lock` guards what changes.
private final class Examined: @unchecked Sendable {
    let root = FileManager.default.temporaryDirectory.appending(path: "roots-\(UUID().uuidString)")
    private let lock = NSLock()
    private var told: [JSONValue] = []
    private var looks = 0
    var progress: [JSONValue] { lock.withLock { told } }

    deinit { try? FileManager.default.removeItem(at: root) }

    func put(_ path: String, _ bytes: [UInt8]) throws {
        let file = root.appending(path: path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(),
            withIntermediateDirectories: true,
        )
        try Data(bytes).write(to: file)
    }

    func picture(_ path: String) throws {
        let pixels = [UInt8](repeating: 90, count: 8 * 8 * 3)
        try put(path, Image(height: 8, width: 8, pixels: pixels).png())
    }

    /// - Parameter looks: after how many the run is asked to stop; nil: never.
    func run(
        _ dataset: String,
        stopsAfter: Int? = nil,
        _ change: (inout CheckConfig) -> Void = { _ in },
    ) throws -> (metrics: [String: JSONValue], problems: [String]) {
        var config = CheckConfig(dataset: dataset)
        change(&config)
        let context = try FolderRun(
            folder: root.appending(path: ".run"),
            seed: 0,
            cores: [0, 1],
            datasetRoots: [root],
            progressInterval: .zero,
            shouldStop: { [self] in
                lock.withLock {
                    looks += 1
                    return stopsAfter.map { looks > $0 } ?? false
                }
            },
            report: { [self] type, data in
                if type == "job.progress" { lock.withLock { told.append(data) } }
            },
        )
        let result = try DatasetExamination(config, context).run()
        let file = try #require(result.files.first)
        #expect(file.name == CheckConfig.problems && result.files.count == 1)
        let list = try JSONValue(parsing: Data(contentsOf: file.url)).array ?? []
        return (result.metrics, list.compactMap(\.string))
    }
}

@Suite struct DatasetExaminationTests {
    private func coco(_ names: [String]) -> [UInt8] {
        let images = names.enumerated().map { index, name in
            #"{"id":\#(index + 1),"file_name":"\#(name)","width":8,"height":8}"#
        }
        let boxes = names.indices.map { index in
            #"{"id":\#(index + 1),"image_id":\#(index + 1),"category_id":1,"bbox":[1,1,4,4],"area":16,"iscrowd":0}"#
        }
        return Array(
            """
            {"images":[\(images.joined(separator: ","))],"annotations":[\(boxes.joined(separator: ","))],\
            "categories":[{"id":1,"name":"cell"}]}
            """.utf8
        )
    }

    @Test
    func `each list of a set with boxes is a split with its counts, and broken pictures are named`()
        throws
    {
        let examined = Examined()
        try examined.put("cells/annotations/train.json", coco(["1.png", "2.png"]))
        try examined.put("cells/annotations/val.json", coco(["3.png", "4.png", "5.png"]))
        for number in 1...4 { try examined.picture("cells/images/\(number).png") }
        try examined.put("cells/images/5.png", [1, 2, 3])
        let (metrics, problems) = try examined.run("cells")
        #expect(metrics["form"] == "coco" && metrics["images"] == 5 && metrics["boxes"] == 5)
        #expect(metrics["classes"] == 1 && metrics["problems"] == 1)
        #expect(metrics["digest"]?.string?.count == 64)
        let splits = metrics["splits"]?.array ?? []
        #expect(splits.map { $0["name"] } == ["train", "val"])
        #expect(
            splits.map { $0["images"] } == [2, 3] && splits.map { $0["unreadable"] } == [0, 1]
        )
        #expect(Set(splits.compactMap { $0["digest"]?.string }).count == 2)
        #expect(problems == ["images/5.png: is not a JPEG or PNG file"])
        #expect(
            metrics["failures"]?.array?.compactMap(\.string) == [
                "val: 1 of 3 images cannot be read; a job bears a share of 0.05"
            ]
        )
        let last = examined.progress.last
        #expect(last?["phase"] == "checking" && last?["stage"] == "val" && last?["done"] == 3)

        let (borne, _) = try examined.run("cells") { $0.maxBadImages = 0.5 }
        #expect(borne["failures"] == [] && borne["problems"] == 1)
        let (undecoded, none) = try examined.run("cells") { $0.decode = false }
        #expect(undecoded["failures"] == [] && none == [])
        #expect(undecoded["digest"] == metrics["digest"])
    }

    @Test func `folders of classes are splits without boxes`() throws {
        let examined = Examined()
        for (folder, count) in [("train", 3), ("val", 1)] {
            for label in ["a", "b"] {
                for number in 0..<count {
                    try examined.picture("photos/\(folder)/\(label)/\(number).png")
                }
            }
        }
        let (metrics, problems) = try examined.run("photos")
        #expect(metrics["form"] == "imagenet" && metrics["images"] == 8 && metrics["classes"] == 2)
        #expect(metrics["boxes"] == .null && metrics["failures"] == [] && problems == [])
        let splits = metrics["splits"]?.array ?? []
        #expect(splits.map { $0["name"] } == ["train", "val"])
        #expect(
            splits.map { $0["images"] } == [6, 2] && splits.allSatisfy { $0["boxes"] == .null }
        )
        #expect(Set(splits.compactMap { $0["digest"]?.string }).count == 2)

        try FileManager.default.removeItem(at: examined.root.appending(path: "photos/val/b"))
        let (wrong, _) = try examined.run("photos")
        let failure = wrong["failures"]?.array?.first?.string ?? ""
        #expect(failure.contains("lacks b") && !failure.contains(examined.root.path), "\(failure)")
        #expect(wrong["digest"] == .null)
    }

    @Test func `what is no data set fails, and says what it looked for`() throws {
        let examined = Examined()
        try examined.put("notes/readme.txt", [65])
        for name in ["notes", "missing"] {
            do {
                _ = try examined.run(name)
                Issue.record("\(name) was taken")
            } catch RunError.badData(let words) {
                #expect(words.contains(name) && !words.contains(examined.root.path), "\(words)")
            }
        }
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `a real set is checked in full`() throws {
        let examined = Examined()
        let place = examined.root.appending(path: "bccd")
        try FileManager.default.createDirectory(
            at: examined.root,
            withIntermediateDirectories: true,
        )
        try FileManager.default.createSymbolicLink(
            at: place,
            withDestinationURL: SharedData.url("det_bccd"),
        )
        let (metrics, problems) = try examined.run("bccd")
        #expect(metrics["form"] == "coco" && metrics["failures"] == [] && problems == [])
        #expect(metrics["images"] == 364 && metrics["boxes"] == 4886 && metrics["classes"] == 3)
    }

    @Test func `a check that is asked to stop stops, and has no result`() throws {
        let examined = Examined()
        try examined.put("cells/annotations/a.json", coco((1...50).map { "\($0).png" }))
        for number in 1...50 { try examined.picture("cells/images/\(number).png") }
        do {
            _ = try examined.run("cells", stopsAfter: 10)
            Issue.record("it did not stop")
        } catch RunError.stopped {}
        #expect(examined.progress.count <= 10)
    }
}
