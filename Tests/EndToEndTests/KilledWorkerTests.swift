// `kill -9` at any moment: what a run leaves in the end has the same bytes as if nothing had happened.

import Foundation
import SearchSpaces
import TestSupport
import Testing

/// A run directory and the worker processes started on it.
private struct WorkerRunner {
    let directory: URL

    /// - Parameter inputs: the JSON of `inputs` in job.json.
    init(_ root: URL, _ name: String, kind: String, spec: String, inputs: String = "{}") throws {
        directory = root.appending(path: name)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let roots = try #require(SharedData.root).path
        let job = """
            {"format": 1, "id": "job_01arz3ndektsv4rrffq69g5fav", "kind": "\(kind)", "seed": 7,
             "device": "cpu", "cores": [0], "spec": \(spec), "inputs": \(inputs), "datasetRoots": ["\(roots)"]}
            """
        try Data(job.utf8).write(to: directory.appending(path: "job.json"))
    }

    /// Starts a worker; kills it after `delay` seconds if it still runs then.
    /// - Returns: the exit code, or nil when it was killed.
    func work(attempt: Int, killAfter delay: Double?) throws -> Int32? {
        let process = Process()
        process.executableURL = Bundle.main.executableURL?.deletingLastPathComponent()
            .appending(path: "detnas")
        process.arguments = ["worker", directory.path, "--attempt", "\(attempt)"]
        let log = directory.appending(path: "worker.log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        if let delay {
            let end = Date(timeIntervalSinceNow: delay)
            while process.isRunning, Date() < end { usleep(2000) }
            if process.isRunning {
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                return nil
            }
        }
        process.waitUntilExit()
        if process.terminationStatus != 0 {
            Issue.record("\(String(decoding: try Data(contentsOf: log), as: UTF8.self))")
        }
        return process.terminationStatus
    }

    private func newest(_ name: String) -> URL? {
        (1...200).reversed().lazy
            .map { directory.appending(path: "epoch-\($0)/\(name)") }
            .first { FileManager.default.fileExists(atPath: $0.path) }
    }

    /// The run's results by name; the result file without the folder's number that its paths carry.
    func outcome() throws -> [String: String] {
        var outcome: [String: String] = [:]
        for name in [
            "checkpoints/final.safetensors", "checkpoints/detection-final.safetensors",
            "candidates.jsonl",
        ] {
            guard let url = newest(name) else { continue }
            outcome[name] = try SHA256.digest(file: url).hex
        }
        let result = try String(contentsOf: #require(newest("result.json")), encoding: .utf8)
        outcome["result.json"] = result.replacing(/epoch-\d+/, with: "epoch")
        return outcome
    }

    /// The newest final checkpoint as the `inputs` of the next kind.
    func asInput(_ name: String, kind: String) throws -> String {
        let url = try #require(newest("checkpoints/\(name).safetensors"))
        let digest = try SHA256.digest(file: url).hex
        return """
            {"checkpoint": {"path": "\(url.path)", "sha256": "\(digest)", "kind": "\(kind)"}}
            """
    }
}

@Suite(.serialized, .enabled(if: SharedData.isPresent, "needs the shared data folder"))
struct KilledWorkerTests {
    private static let training = """
        "training": {"steps": 12, "batch": 4, "logEverySteps": 2, "checkpoint": {"everySteps": 3, "everySeconds": 0},
          "optimizer": {"kind": "adamw"}, "schedule": {"kind": "cosine", "warmupSteps": 2}}
        """
    private static let space = """
        {"name": "tiny", "stem": 8, "lastConv": 32, "stages": [{"width": 16, "blocks": 1},
          {"width": 24, "blocks": 2}, {"width": 32, "blocks": 2}, {"width": 48, "blocks": 1}]}
        """
    private static let detector = """
        "detector": {"channels": 16, "groups": 4, "towerConvolutions": 1, "firstLevel": 3, "lastLevel": 5,
          "anchorSizes": [16, 32, 64], "octaveScales": 1, "ratios": [1]},
        "image": {"shortSide": 64, "longSide": 96}
        """
    private static let twoStage = """
        "detector": {"kind": "faster-rcnn", "channels": 16, "groups": 4, "firstLevel": 3, "lastLevel": 5,
          "proposals": {"anchorSizes": [16, 32, 64], "ratios": [1], "sample": 32, "before": [64, 64], "after": [32, 32]},
          "regions": {"sample": 32, "size": 3, "canonicalSize": 32}, "head": {"convolutions": 1, "norm": "batch", "width": 32}},
        "image": {"shortSide": 64, "longSide": 96}
        """
    private static func bccd(_ role: String) -> String {
        """
        {"dataset": "det_bccd", "annotations": "annotations/instances_train.json",
         "part": {"role": "\(role)", "architectureShare": 0.1}}
        """
    }
    private static let classification = """
        "data": {"dataset": "cls_caltech10"}, "image": {"size": 32}
        """

    /// Each kind is run once in peace, then again and killed five times at seeded moments.
    @Test func `25 kills at random moments of the five kinds change no byte of the results`()
        throws
    {
        let root = FileManager.default.temporaryDirectory.appending(path: "kills-\(getpid())")
        defer { try? FileManager.default.removeItem(at: root) }
        var random = CounterRandom(seed: 20, stream: "kills")
        var kills = 0

        func compare(_ name: String, kind: String, spec: String, inputs: String = "{}") throws
            -> WorkerRunner
        {
            let calm = try WorkerRunner(root, name, kind: kind, spec: spec, inputs: inputs)
            let start = Date()
            #expect(try calm.work(attempt: 1, killAfter: nil) == 0)
            let seconds = Date().timeIntervalSince(start)

            let harried = try WorkerRunner(
                root,
                "\(name)-killed",
                kind: kind,
                spec: spec,
                inputs: inputs,
            )
            var attempt = 1
            var here = 0
            while here < 5, attempt < 40 {
                let delay = random.uniform() * max(seconds * 0.6, 0.5)
                guard try harried.work(attempt: attempt, killAfter: delay) == nil else {
                    // It was done before its time: the job starts over for the kills that remain.
                    let names = try FileManager.default.contentsOfDirectory(
                        atPath: harried.directory.path
                    )
                    for name in names where name.hasPrefix("epoch-") {
                        try FileManager.default.removeItem(
                            at: harried.directory.appending(path: name)
                        )
                    }
                    attempt += 1
                    continue
                }
                here += 1
                attempt += 1
            }
            kills += here
            #expect(try harried.work(attempt: attempt, killAfter: nil) == 0)
            #expect(try harried.outcome() == calm.outcome(), "\(kind)")
            return calm
        }

        let pretrained = try compare(
            "pretrain",
            kind: "supernet.pretrain",
            spec: """
                {\(Self.classification), "space": \(Self.space), \(Self.training),
                 "evaluation": {"paths": 1, "images": 10, "recalibrationImages": 8}}
                """,
        )
        let tuned = try compare(
            "finetune",
            kind: "detector.finetune",
            spec: """
                {"train": \(Self.bccd("weights")), \(Self.detector), \(Self.training),
                 "checkpoint": "ckpt_given", "evaluation": {"paths": 0}}
                """,
            inputs: pretrained.asInput("final", kind: "supernet"),
        )
        _ = try compare(
            "search",
            kind: "search.evolution",
            spec: """
                {"checkpoint": "ckpt_given", "train": \(Self.bccd("weights")), "search": \(Self.bccd("architecture")),
                 "population": 8, "generations": 3, "parents": 3, "mutation": 3, "crossover": 3, "objective": "loss",
                 "statistics": {"images": 8}, "top": 2}
                """,
            inputs: tuned.asInput("final", kind: "detector-supernet"),
        )
        _ = try compare(
            "audit",
            kind: "search.audit",
            spec: """
                {"checkpoint": "ckpt_given", "train": \(Self.bccd("weights")), "search": \(Self.bccd("architecture")),
                 "architectures": {"count": 3, "sample": 8}, "statistics": {"images": 8}, \(Self.training)}
                """,
            inputs: tuned.asInput("final", kind: "detector-supernet"),
        )
        _ = try compare(
            "retrain",
            kind: "subnet.retrain",
            spec: """
                {"architecture": {"space": \(Self.space), "genome": "0,1,2,3,0,1"},
                 "classification": {\(Self.classification), \(Self.training)},
                 "detection": {"train": \(Self.bccd("weights")), \(Self.twoStage), \(Self.training)}}
                """,
        )
        #expect(kills == 25)
    }
}
