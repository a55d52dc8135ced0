// Runs that take a second: a tiny network on a dozen small photographs, and everything that it told.

import Configs
import Foundation
import Pipelines
import SearchSpaces
import TestSupport
import Testing

/// A detection set of its own in a temporary folder, cut from real photographs, to be spoilt.
struct CellSet {
    /// The data-set root; the set is `cells` below it.
    let root: URL
    /// The file names of each list.
    let train: [String]
    let search: [String]

    init(train trainCount: Int = 12, search searchCount: Int = 4) throws {
        root = FileManager.default.temporaryDirectory.appending(path: "cells-\(UUID().uuidString)")
        let folder = root.appending(path: "cells")
        let source = SharedData.url("det_bccd")
        for part in ["images", "annotations"] {
            try FileManager.default.createDirectory(
                at: folder.appending(path: part),
                withIntermediateDirectories: true,
            )
        }
        let all = try Self.object(source.appending(path: "annotations/instances_train.json"))
        let images = try #require(all["images"] as? [[String: Any]])
        let annotations = try #require(all["annotations"] as? [[String: Any]])
        var names: [[String]] = []
        let lists = [
            ("train", images.prefix(trainCount)),
            ("search", images.dropFirst(trainCount).prefix(searchCount)),
        ]
        for (list, chosen) in lists {
            let ids = Set(chosen.compactMap { $0["id"] as? Int })
            let part: [String: Any] = [
                "images": Array(chosen), "categories": all["categories"] ?? [],
                "annotations": annotations.filter { ids.contains($0["image_id"] as? Int ?? 0) },
            ]
            try JSONSerialization.data(withJSONObject: part).write(
                to: folder.appending(path: "annotations/\(list).json")
            )
            names.append(chosen.compactMap { $0["file_name"] as? String })
        }
        train = names[0]
        search = names[1]
        for name in train + search {
            try FileManager.default.copyItem(
                at: source.appending(path: "images/\(name)"),
                to: folder.appending(path: "images/\(name)"),
            )
        }
    }

    func remove() { try? FileManager.default.removeItem(at: root) }

    func image(_ name: String) -> URL { root.appending(path: "cells/images/\(name)") }

    func list(_ name: String) -> URL { root.appending(path: "cells/annotations/\(name).json") }

    func truncate(_ name: String) throws {
        let data = try Data(contentsOf: image(name))
        try data.prefix(data.count / 2).write(to: image(name))
    }

    /// Changes a list of annotations.
    func edit(_ name: String, _ change: (inout [String: Any]) throws -> Void) throws {
        var object = try Self.object(list(name))
        try change(&object)
        try JSONSerialization.data(withJSONObject: object).write(to: list(name))
    }

    /// Adds one annotation to a list, the first of which stands in for what `fields` does not say.
    func annotate(_ name: String, _ fields: [String: Any]) throws {
        try edit(name) { object in
            var annotations = try #require(object["annotations"] as? [[String: Any]])
            annotations.append(try #require(annotations.first).merging(fields) { $1 })
            object["annotations"] = annotations
        }
    }

    private static func object(_ url: URL) throws -> [String: Any] {
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
        return try #require(json as? [String: Any])
    }
}

/// What a run told while it ran.
///
/// Sendable: `lock` guards `all`.
final class Events: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [(type: String, data: JSONValue)] = []

    func add(_ type: String, _ data: JSONValue) { lock.withLock { all.append((type, data)) } }

    func data(of type: String) -> [JSONValue] {
        lock.withLock { all.filter { $0.type == type }.map(\.data) }
    }

    /// The warnings with a code.
    func warnings(_ code: String) -> [(message: String, images: [String])] {
        data(of: "warning").compactMap(\.object).filter { $0["code"]?.string == code }.map {
            ($0["message"]?.string ?? "", ($0["images"]?.array ?? []).compactMap(\.string))
        }
    }
}

/// A run's process, in memory but for its checkpoints.
///
/// Sendable: one thread calls what changes; events have their own lock.
final class RecordedRun: RunContext, @unchecked Sendable {
    let seed: UInt64 = 7
    let cores: [Int]
    let device = "cpu"
    let datasetRoots: [URL]
    let stopRequested = false
    let events = Events()
    /// The journal that an earlier try left.
    var earlier: [Data] = []
    /// What was handed in while the run went on, by the generation that it joins.
    var handedIn: [Int: [String]] = [:]
    var joinings: [Int: [String]] = [:]
    private(set) var journaled: [Data] = []
    private(set) var checkpoints: [StoredCheckpoint] = []
    private let folder: URL

    init(_ set: CellSet, cores: [Int] = [0]) throws {
        self.cores = cores
        datasetRoots = [set.root, SharedData.url("")]
        folder = set.root.appending(path: "run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func emit(_ type: String, _ data: JSONValue) { events.add(type, data) }

    func commit(
        name: String,
        step: Int,
        kind: String,
        final: Bool,
        _ write: (URL) throws -> (sha256: String, bytes: Int),
    ) throws -> StoredCheckpoint {
        let url = folder.appending(path: "\(name).safetensors")
        let (sha256, bytes) = try write(url)
        let stored = StoredCheckpoint(
            name: name,
            url: url,
            step: step,
            kind: kind,
            sha256: sha256,
            bytes: bytes,
        )
        checkpoints.append(stored)
        return stored
    }

    func keep(_ name: String, _ write: (URL) throws -> Void) throws -> StoredFile {
        let url = folder.appending(path: name)
        try write(url)
        return try StoredFile(name: name, at: url)
    }

    func resumable() throws -> URL? { nil }
    func joined() -> [Int: [String]] { joinings }

    func join(_ generation: Int, most: Int) -> [String] {
        joinings[generation] = handedIn[generation]
        return handedIn[generation] ?? []
    }

    func earlierCandidates() throws -> [Data] { earlier }
    func journal(_ line: Data) throws { journaled.append(line) }
    func pin(to core: Int) {}

    @discardableResult
    func run(_ kind: JobKind, _ spec: String, _ inputs: RunInputs = RunInputs()) throws -> RunResult
    {
        switch JobSpec.resolve(kind: kind, try JSONValue(parsing: spec)) {
        case .success(let spec): return try Pipeline.run(spec, inputs, self)
        case .failure(let violations): throw RunError.badData("the test's spec: \(violations)")
        }
    }

    /// The error that a run ends with.
    func failure(_ kind: JobKind, _ spec: String, _ inputs: RunInputs = RunInputs()) throws
        -> RunError
    {
        let error = #expect(throws: RunError.self) { try self.run(kind, spec, inputs) }
        return try #require(error)
    }
}

/// The specs of runs that take a second.
enum Small {
    static let space = """
        {"name": "tiny", "stem": 8, "lastConv": 32, "stages": [{"width": 16, "blocks": 1},
          {"width": 24, "blocks": 2}, {"width": 32, "blocks": 2}, {"width": 48, "blocks": 1}]}
        """
    static let detector = """
        "detector": {"channels": 16, "groups": 4, "towerConvolutions": 1, "firstLevel": 3, "lastLevel": 5,
          "anchorSizes": [16, 32, 64], "octaveScales": 1, "ratios": [1]},
        "image": {"shortSide": 64, "longSide": 96}
        """

    /// Batch norms everywhere: pyramid and head are recalibrated for each path.
    static let twoStage = """
        "detector": {"kind": "faster-rcnn", "channels": 16, "neckNorm": "batch", "firstLevel": 3, "lastLevel": 5,
          "proposals": {"anchorSizes": [16, 32, 64], "ratios": [1], "sample": 32, "before": [64, 64], "after": [32, 32]},
          "regions": {"sample": 32, "size": 3, "canonicalSize": 32}, "head": {"convolutions": 1, "norm": "batch", "width": 32}},
        "image": {"shortSide": 64, "longSide": 96}
        """

    static func list(_ name: String, dataset: String = "cells") -> String {
        #"{"dataset": "\#(dataset)", "annotations": "annotations/\#(name).json"}"#
    }

    static func training(steps: Int = 4, everySteps: Int = 0) -> String {
        """
        "training": {"steps": \(steps), "batch": 4, "logEverySteps": 1, "maxBadImages": 0.1,
          "optimizer": {"kind": "adamw"}, "checkpoint": {"everySteps": \(everySteps), "everySeconds": 0}}
        """
    }

    static func finetune(
        train: String = list("train"),
        validation: String? = nil,
        space: String? = Small.space,
        detector: String = Small.detector,
        training: String = Small.training(),
        evaluation: String = #"{"paths": 0}"#,
        more: String = "",
    ) -> String {
        """
        {"train": \(train), \(validation.map { "\"validation\": \($0)," } ?? "")
         \(space.map { "\"space\": \($0)," } ?? "") \(detector), \(training), \(more)
         "evaluation": \(evaluation)}
        """
    }

    static func search(
        train: String = list("train"),
        search: String = list("search"),
        more: String = "",
    ) -> String {
        """
        {"checkpoint": "ckpt_given", "train": \(train), "search": \(search), "population": 6, "generations": 3,
         "parents": 3, "mutation": 2, "crossover": 2, "objective": "loss",
         "statistics": {"images": 6}, \(more) "top": 2}
        """
    }

    static func pretrain(_ data: String, training: String = Small.training()) -> String {
        """
        {"data": \(data), "space": \(space), "image": {"size": 32}, \(training), "evaluation": {"paths": 0}}
        """
    }
}

/// Every suite of runs, one after another: they set libtorch's threads and share the cores.
@Suite(.serialized, .enabled(if: SharedData.isPresent, "needs the shared data folder"))
struct Runs {
    /// A run on a set of its own.
    static func withCells(
        cores: [Int] = [0],
        _ body: (CellSet, RecordedRun) throws -> Void,
    ) throws {
        let cells = try CellSet()
        defer { cells.remove() }
        try body(cells, RecordedRun(cells, cores: cores))
    }

    /// The inputs of a run on a checkpoint.
    static func given(_ checkpoint: StoredCheckpoint) -> RunInputs {
        RunInputs(checkpoint: checkpoint.url, checkpointDigest: checkpoint.sha256)
    }
}
