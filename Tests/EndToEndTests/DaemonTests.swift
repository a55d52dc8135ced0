// The daemon as users meet it: started as a program, spoken to with curl, killed without warning.

import Foundation
import SearchSpaces
import TestSupport
import Testing

extension Process {
    /// Makes it the built program, with a limit on the size of the files that it writes, KiB.
    func becomeDetnas(_ detnas: [String], fileLimit: Int? = nil) {
        executableURL = URL(filePath: "/bin/bash")
        let program = Bundle.main.executableURL?.deletingLastPathComponent().appending(
            path: "detnas"
        )
        arguments =
            [
                "-c", "ulimit -f \(fileLimit.map { "\($0)" } ?? "unlimited") && exec \"$0\" \"$@\"",
                program?.path ?? "",
            ]
            + detnas
    }
}

/// A running `detnas serve`.
final class Daemon {
    let folder: URL
    /// How large a file it and its workers may write, KiB; nil: as the disk allows.
    private let fileLimit: Int?
    private var process = Process()
    private(set) var url = ""

    init(_ folder: URL, fileLimit: Int? = nil) throws {
        self.folder = folder
        self.fileLimit = fileLimit
        try start()
    }

    /// Starts it, again after a kill; returns when it listens.
    func start() throws {
        process = Process()
        process.becomeDetnas(
            [
                "serve", "--data", folder.path, "--datasets", try #require(SharedData.root).path,
                "--port", "0",
            ],
            fileLimit: fileLimit,
        )
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        url = String(try #require(line.firstMatch(of: /http:\/\/[0-9.:]+/)).output)
    }

    func send(_ signal: Int32) { Foundation.kill(process.processIdentifier, signal) }

    func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Kills the workers of a run directory.
    func killWorkers() {
        let killing = Process()
        killing.executableURL = URL(filePath: "/usr/bin/pkill")
        killing.arguments = ["-KILL", "-f", "worker \(folder.path)"]
        try? killing.run()
        killing.waitUntilExit()
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
        killWorkers()
    }

    func get(_ path: String, _ options: [String] = []) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: curl(path, options)) as? [String: Any]
        )
    }

    /// What curl prints of an answer.
    func curl(_ path: String, _ options: [String] = []) throws -> Data {
        let curl = Process()
        curl.executableURL = URL(filePath: "/usr/bin/curl")
        curl.arguments = ["-sS"] + options + [url + path]
        let output = Pipe()
        curl.standardOutput = output
        try curl.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        curl.waitUntilExit()
        return data
    }

    func submit(_ job: String) throws -> String {
        let answer = try get("/v1/jobs", ["--json", job])
        return try #require(answer["id"] as? String, "\(answer)")
    }

    func finished(_ job: String) throws -> [String: Any] {
        try get("/v1/jobs/\(job)?wait=300s&until=terminal")
    }

    /// The digest of the job's final checkpoint.
    func finalDigest(of job: String) throws -> String {
        let list = try get("/v1/checkpoints?job=\(job)&limit=500")
        let checkpoints = try #require(list["data"] as? [[String: Any]])
        let final = try #require(checkpoints.first { $0["final"] as? Bool == true })
        return try #require(final["sha256"] as? String)
    }
}

@Suite(.serialized, .enabled(if: SharedData.isPresent, "needs the shared data folder"))
struct DaemonTests {
    private static func job(steps: Int) -> String {
        """
        {"kind": "supernet.pretrain", "seed": 3, "limits": {"maxAttempts": 50}, "spec": {
          "data": {"dataset": "cls_caltech10"}, "image": {"size": 32},
          "space": {"name": "tiny", "stem": 8, "lastConv": 32, "stages": [{"width": 16, "blocks": 1},
            {"width": 24, "blocks": 2}, {"width": 32, "blocks": 2}, {"width": 48, "blocks": 1}]},
          "training": {"steps": \(steps), "batch": 4, "checkpoint": {"everySteps": 20, "everySeconds": 0},
            "optimizer": {"kind": "adamw"}},
          "evaluation": {"paths": 0}}}
        """
    }

    private func withDaemon(_ body: (Daemon) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "daemon-\(UUID().uuidString)"
        )
        defer { try? FileManager.default.removeItem(at: folder) }
        let daemon = try Daemon(folder)
        defer { daemon.stop() }
        try body(daemon)
    }

    @Test func `a run that was paused, or forked from its middle, ends with the same bytes`() throws
    {
        try withDaemon { daemon in
            let calm = try daemon.submit(Self.job(steps: 600))
            #expect(try daemon.finished(calm)["state"] as? String == "succeeded")

            let paused = try daemon.submit(Self.job(steps: 600))
            for step in [40, 120] {
                #expect(
                    try eventually(within: 60) {
                        let progress = try daemon.get("/v1/jobs/\(paused)")["progress"]
                        return ((progress as? [String: Any])?["done"] as? Int ?? 0) >= step
                    }
                )
                _ = try daemon.get("/v1/jobs/\(paused)/pause", ["-X", "POST"])
                #expect(
                    try eventually(within: 60) {
                        try daemon.get("/v1/jobs/\(paused)")["state"] as? String == "paused"
                    }
                )
                _ = try daemon.get("/v1/jobs/\(paused)/resume", ["-X", "POST"])
            }
            let end = try daemon.finished(paused)
            #expect(end["state"] as? String == "succeeded")
            #expect((end["attempts"] as? [Any])?.count == 3)
            #expect(try daemon.finalDigest(of: paused) == daemon.finalDigest(of: calm))

            let list = try daemon.get("/v1/checkpoints?job=\(calm)&limit=500")["data"]
            let middle = try #require(
                (list as? [[String: Any]])?.first { $0["step"] as? Int == 140 }
            )
            let id = try #require(middle["id"] as? String)
            let fork = try daemon.submit(#"{"forkOf": "\#(calm)", "from": "\#(id)"}"#)
            #expect(try daemon.finished(fork)["state"] as? String == "succeeded")
            #expect(try daemon.finalDigest(of: fork) == daemon.finalDigest(of: calm))
            let started = try daemon.get("/v1/jobs/\(fork)/events?types=metric&limit=1")["data"]
            let first = (started as? [[String: Any]])?.first?["data"] as? [String: Any]
            #expect(first?["step"] as? Int ?? 0 > 140)
        }
    }

    @Test func `killing the daemon, its worker, or both loses no job and changes no byte`() throws {
        try withDaemon { daemon in
            let calm = try daemon.submit(Self.job(steps: 400))
            #expect(try daemon.finished(calm)["state"] as? String == "succeeded")

            let harried = try daemon.submit(Self.job(steps: 400))
            var random = CounterRandom(seed: 4, stream: "daemon kills")
            for kill in 0..<6 {
                usleep(UInt32(200_000 + random.below(900_000)))
                if kill % 3 != 0 { daemon.killWorkers() }
                if kill % 3 != 1 {
                    daemon.kill()
                    usleep(UInt32(random.below(300_000)))
                    try daemon.start()
                }
            }
            let end = try daemon.finished(harried)
            #expect(end["state"] as? String == "succeeded", "\(end)")
            #expect(try daemon.finalDigest(of: harried) == daemon.finalDigest(of: calm))
        }
    }

    @Test func `a hangup ends nothing, and the log tells of the job's steps`() throws {
        try withDaemon { daemon in
            let id = try daemon.submit(Self.job(steps: 40))
            daemon.send(SIGHUP)
            let end = try daemon.get(
                "/v1/jobs/\(id)?wait=300s&until=terminal",
                ["--unix-socket", daemon.folder.path + "/detnas.sock"],
            )
            #expect(end["state"] as? String == "succeeded")
            #expect((end["attempts"] as? [Any])?.count == 1)
            let log = String(decoding: try daemon.curl("/v1/jobs/\(id)/logs"), as: UTF8.self)
            #expect(log.contains(" metric ") && log.contains(" checkpoint.created "), "\(log)")
        }
    }

    @Test func `a second daemon on the same data directory refuses to start`() throws {
        try withDaemon { daemon in
            let second = Process()
            second.executableURL = Bundle.main.executableURL?.deletingLastPathComponent()
                .appending(path: "detnas")
            second.arguments = ["serve", "--data", daemon.folder.path, "--port", "0"]
            let output = Pipe()
            second.standardError = output
            try second.run()
            let text = String(
                decoding: output.fileHandleForReading.readDataToEndOfFile(),
                as: UTF8.self,
            )
            second.waitUntilExit()
            #expect(second.terminationStatus != 0)
            #expect(text.contains(daemon.folder.lastPathComponent), "\(text)")
        }
    }

    @Test func `the daemon answers within 250 ms while every slot trains`() throws {
        try withDaemon { daemon in
            let cores = try #require(try daemon.get("/v1/system")["cores"] as? [Any]).count
            let jobs = try (0..<cores).map { _ in try daemon.submit(Self.job(steps: 100_000)) }
            while try jobs.contains(where: {
                try daemon.get("/v1/jobs/\($0)")["state"] as? String != "running"
            }) { usleep(50_000) }
            var slowest = 0.0
            let end = Date(timeIntervalSinceNow: 10)
            while Date() < end {
                // The time that curl measured, so that starting curl on a busy core does not count.
                let curl = Process()
                curl.executableURL = URL(filePath: "/usr/bin/curl")
                curl.arguments = [
                    "-sS", "-o", "/dev/null", "-w", "%{time_total}", daemon.url + "/healthz",
                ]
                let output = Pipe()
                curl.standardOutput = output
                try curl.run()
                let text = String(
                    decoding: output.fileHandleForReading.readDataToEndOfFile(),
                    as: UTF8.self,
                )
                curl.waitUntilExit()
                slowest = max(slowest, try #require(Double(text)))
                usleep(20_000)
            }
            print("slowest answer: \(slowest) s")
            #expect(slowest < 0.25)
            for job in jobs {
                _ = try daemon.get("/v1/jobs/\(job)/cancel", ["--json", #"{"mode": "now"}"#])
            }
        }
    }
}
