// What bad input gets where only the program shows it: full disks, losses that blow up, a port that is taken.

import Foundation
import SearchSpaces
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: SharedData.isPresent, "needs the shared data folder"))
struct BadInputTests {
    private static let tiny = """
        {"name": "tiny", "stem": 8, "lastConv": 32, "stages": [{"width": 16, "blocks": 1},
          {"width": 24, "blocks": 2}, {"width": 32, "blocks": 2}, {"width": 48, "blocks": 1}]}
        """

    private static func spec(
        steps: Int,
        space: String = tiny,
        optimizer: String = #"{"kind": "adamw"}"#,
        checkpointEvery: Int = 5,
    ) -> String {
        """
        {"data": {"dataset": "cls_caltech10"}, "image": {"size": 32}, "space": \(space),
         "training": {"steps": \(steps), "batch": 4, "logEverySteps": 1, "optimizer": \(optimizer),
           "checkpoint": {"everySteps": \(checkpointEvery), "everySeconds": 0}},
         "evaluation": {"paths": 0}}
        """
    }

    private static func job(_ spec: String, attempts: Int = 3) -> String {
        #"{"kind": "supernet.pretrain", "seed": 3, "limits": {"maxAttempts": \#(attempts)}, "spec": \#(spec)}"#
    }

    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "bad-\(UUID().uuidString)"
        )
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try body(folder)
    }

    private func object(_ url: URL) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any]
        )
    }

    // MARK: A full disk, which a limit on file sizes stands in for

    /// Starts a worker on a run directory with room for files of `fileLimit` KiB.
    private func worker(_ folder: URL, attempt: Int, fileLimit: Int? = nil) throws -> Process {
        let process = Process()
        process.becomeDetnas(
            ["worker", folder.path, "--attempt", "\(attempt)"],
            fileLimit: fileLimit,
        )
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    private func writeJob(_ folder: URL) throws {
        let text = """
            {"format": 1, "id": "job_01arz3ndektsv4rrffq69g5fav", "kind": "supernet.pretrain", "seed": 7,
             "device": "cpu", "cores": [0], "spec": \(Self.spec(steps: 80)), "inputs": {},
             "datasetRoots": ["\(try #require(SharedData.root).path)"]}
            """
        try Data(text.utf8).write(to: folder.appending(path: "job.json"))
    }

    @Test
    func
        `a checkpoint for which there is no room ends the worker with disk_full; the older one goes on`()
        throws
    {
        try withFolder { folder in
            try writeJob(folder)
            let first = try worker(folder, attempt: 1)
            #expect(
                eventually(within: 20) {
                    FileManager.default.fileExists(
                        atPath: folder.appending(path: "epoch-1/checkpoint.json").path
                    )
                }
            )
            first.terminate()
            first.waitUntilExit()
            #expect(first.terminationStatus == 75)
            let stored = try object(folder.appending(path: "epoch-1/checkpoint.json"))

            let second = try worker(folder, attempt: 2, fileLimit: 64)
            second.waitUntilExit()
            #expect(second.terminationReason == .exit && second.terminationStatus == 1)
            let error = try object(folder.appending(path: "epoch-2/error.json"))
            #expect(error["code"] as? String == "disk_full", "\(error)")
            #expect((error["message"] as? String ?? "").contains("safetensors"), "\(error)")
            #expect(
                try FileManager.default.contentsOfDirectory(
                    atPath: folder.appending(path: "epoch-2/checkpoints").path
                ).isEmpty
            )
            let path = try #require(stored["path"] as? String)
            #expect(
                try SHA256.digest(file: folder.appending(path: path)).hex == stored["sha256"]
                    as? String
            )

            let third = try worker(folder, attempt: 3)
            third.waitUntilExit()
            #expect(third.terminationStatus == 0)
            let events = try String(
                contentsOf: folder.appending(path: "epoch-3/events.jsonl"),
                encoding: .utf8,
            )
            #expect(!events.contains(#""step":1,"#), "it went on from the older checkpoint")
        }
    }

    @Test func `events for which there is no room end the worker with disk_full`() throws {
        try withFolder { folder in
            try writeJob(folder)
            let process = try worker(folder, attempt: 1, fileLimit: 4)
            process.waitUntilExit()
            #expect(process.terminationReason == .exit && process.terminationStatus == 1)
            let error = try object(folder.appending(path: "epoch-1/error.json"))
            #expect(error["code"] as? String == "disk_full", "\(error)")
            #expect(
                !FileManager.default.fileExists(
                    atPath: folder.appending(path: "epoch-1/reserve").path
                )
            )
        }
    }

    @Test func `a job that fills the disk fails alone: the daemon lives and the next job succeeds`()
        throws
    {
        try withFolder { folder in
            let daemon = try Daemon(folder, fileLimit: 4096)
            defer { daemon.stop() }
            let large = try daemon.submit(
                Self.job(Self.spec(steps: 20, space: #""detnas-300m""#), attempts: 2)
            )
            let failed = try daemon.finished(large)
            #expect(failed["state"] as? String == "failed", "\(failed)")
            #expect(
                (failed["error"] as? [String: Any])?["code"] as? String == "disk_full",
                "\(failed)",
            )
            let small = try daemon.submit(Self.job(Self.spec(steps: 6)))
            #expect(try daemon.finished(small)["state"] as? String == "succeeded")
        }
    }

    // MARK: A loss that blows up

    @Test
    func
        `a job whose loss blows up fails with its step and images, and its good checkpoint can be fetched`()
        throws
    {
        try withFolder { folder in
            let daemon = try Daemon(folder)
            defer { daemon.stop() }
            let spec = Self.spec(
                steps: 40,
                optimizer: #"{"kind": "sgd", "learningRate": 1e30}"#,
                checkpointEvery: 1,
            ).replacing(
                #""batch": 4,"#,
                with:
                    #""batch": 4, "schedule": {"kind": "constant", "warmupSteps": 4, "warmupFactor": 1e-33},"#,
            )
            let id = try daemon.submit(Self.job(spec))
            let job = try daemon.finished(id)
            #expect(job["state"] as? String == "failed", "\(job)")
            let error = try #require(job["error"] as? [String: Any], "\(job)")
            #expect(error["code"] as? String == "nan_loss", "\(error)")
            let step = try #require(error["step"] as? Int, "\(error)")
            let message = try #require(error["message"] as? String)
            #expect(message.contains("step \(step) ") && message.contains(".jpg"), "\(message)")
            // Not retriable: it would blow up again.
            #expect(job["attempt"] as? Int ?? 1 == 1)

            let list = try daemon.get("/v1/checkpoints?job=\(id)")
            let checkpoints = try #require(list["data"] as? [[String: Any]])
            #expect(
                !checkpoints.isEmpty
                    && checkpoints.allSatisfy { ($0["step"] as? Int ?? 99) <= step }
            )
            for checkpoint in checkpoints {
                let file = folder.appending(path: "fetched")
                let curl = Process()
                curl.executableURL = URL(filePath: "/usr/bin/curl")
                curl.arguments = [
                    "-sSfo", file.path,
                    "\(daemon.url)/v1/checkpoints/\(try #require(checkpoint["id"] as? String))/content",
                ]
                try curl.run()
                curl.waitUntilExit()
                #expect(curl.terminationStatus == 0)
                #expect(try SHA256.digest(file: file).hex == checkpoint["sha256"] as? String)
            }
        }
    }

    // MARK: The daemon's own start

    @Test func `a port that is taken is named, and nothing starts`() throws {
        try withFolder { folder in
            let daemon = try Daemon(folder.appending(path: "one"))
            defer { daemon.stop() }
            let port = try #require(daemon.url.split(separator: ":").last.map(String.init))
            let second = Process()
            second.becomeDetnas([
                "serve", "--data", folder.appending(path: "two").path, "--port", port,
            ])
            let output = Pipe()
            second.standardError = output
            second.standardOutput = FileHandle.nullDevice
            try second.run()
            let text = String(
                decoding: output.fileHandleForReading.readDataToEndOfFile(),
                as: UTF8.self,
            )
            second.waitUntilExit()
            #expect(second.terminationStatus != 0)
            #expect(text.contains(port), "\(text)")
        }
    }
}
