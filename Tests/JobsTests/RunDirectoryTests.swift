// The run directory: who owns it, what counts as whole.

import Configs
import Foundation
import Jobs
import Testing

private func withRun(_ body: (RunDirectory) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "/detnas-run-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let run = RunDirectory(folder + "/deep/run")
    try Files.makeFolder(run.path)
    try body(run)
}

@Suite struct RunDirectoryTests {
    @Test func `of many that claim at once each gets its own epoch`() throws {
        try withRun { run in
            let claimed = Mutexed<[Int]>([])
            DispatchQueue.concurrentPerform(iterations: 16) { _ in
                guard let epoch = try? run.claimEpoch() else { return }
                claimed.mutate { $0.append(epoch.number) }
            }
            #expect(claimed.value.sorted() == Array(1...16))
            #expect(run.epochs().map(\.number) == Array(1...16))
        }
    }

    @Test func `what is handed in joins one generation, whole lists at a time`() throws {
        try withRun { run in
            #expect(try run.join(1, most: 9) == [])
            try run.handIn(["a", "b"])
            try run.handIn(["c", "d"])
            try run.handIn(["e"])
            #expect(try run.joined() == [:])
            #expect(try run.join(1, most: 3) == ["a", "b"])
            #expect(try run.join(2, most: 3) == ["c", "d", "e"])
            #expect(try run.join(3, most: 3) == [])
            #expect(try run.joined() == [1: ["a", "b"], 2: ["c", "d", "e"]])
        }
    }

    @Test func `an older epoch knows that it is superseded`() throws {
        try withRun { run in
            let first = try run.claimEpoch()
            #expect(!first.isSuperseded)
            let second = try run.claimEpoch()
            #expect(first.isSuperseded)
            #expect(!second.isSuperseded)
        }
    }

    @Test func `the newest whole checkpoint counts, over all epochs`() throws {
        try withRun { run in
            let first = try run.claimEpoch()
            try Data("12345".utf8).write(
                to: URL(filePath: first.checkpointsPath + "/a.safetensors")
            )
            let file = CheckpointFile(
                name: "a",
                path: "epoch-1/checkpoints/a.safetensors",
                kind: "supernet",
                step: 5,
                sha256: String(repeating: "0", count: 64),
                bytes: 5,
            )
            try first.write(file)
            let second = try run.claimEpoch()
            #expect(run.newestCheckpoint() == file)

            // Its weights are missing: the older one stays the newest whole.
            var lost = file
            lost.path = "epoch-2/checkpoints/b.safetensors"
            try second.write(lost)
            #expect(run.newestCheckpoint() == file)

            // Torn JSON as well.
            try Data("{\"name\":".utf8).write(to: URL(filePath: second.checkpointPath))
            #expect(run.newestCheckpoint() == file)
        }
    }

    @Test func `a result of any epoch is the job's result`() throws {
        try withRun { run in
            let first = try run.claimEpoch()
            #expect(run.result() == nil)
            try first.write(ResultFile(outputs: JobOutputs(metrics: ["map": 0.5])))
            _ = try run.claimEpoch()
            #expect(run.result()?.outputs.metrics == ["map": 0.5])
        }
    }

    @Test func `only the newest epoch's error counts, and only if it is new`() throws {
        try withRun { run in
            let first = try run.claimEpoch()
            try first.write(ErrorFile(code: "internal", message: "", retriable: true))
            #expect(run.error()?.code == "internal")
            #expect(run.error(after: 1) == nil)
            _ = try run.claimEpoch()
            #expect(run.error() == nil)
        }
    }

    @Test func `a checkpoint may be ordered before the run directory is there, and is taken once`()
        throws
    {
        let path = NSTemporaryDirectory() + "run-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let run = RunDirectory(path)
        try run.orderCheckpoint()
        #expect(run.takeCheckpointOrder() && !run.takeCheckpointOrder())
    }

    @Test(arguments: ["/etc/passwd", "../x", "a/../../x", "", "a//b", "./a"])
    func `a path that leads out of the run directory is none`(path: String) {
        #expect(RunDirectory("/data/runs/x").resolve(path) == nil)
    }

    @Test func `events are whole lines`() throws {
        try withRun { run in
            let epoch = try run.claimEpoch()
            let log = try EventLog(epoch)
            DispatchQueue.concurrentPerform(iterations: 50) { n in
                try? log.append(NewEvent("metric", ["step": .int(n), "text": "a\nb"]))
            }
            let text = try String(contentsOfFile: epoch.eventsPath, encoding: .utf8)
            let lines = text.split(separator: "\n")
            #expect(lines.count == 50)
            for line in lines {
                _ = try JSON.read(NewEvent.self, from: Data(line.utf8))
            }
        }
    }

    @Test func `a job file reads back as it was written`() throws {
        try withRun { run in
            let job = Job(kind: .searchEvolution, spec: ["population": 50, "p": 0.1])
            let file = JobFile(
                job: job,
                cores: [0, 1],
                inputs: JobInputs(
                    checkpoint: InputCheckpoint(path: "/a", sha256: "b", kind: "supernet")
                ),
                datasetRoots: ["/data sets/ü"],
            )
            try run.writeJob(file)
            #expect(try run.readJob() == file)
        }
    }

    @Test func `a full disk is known by its error`() {
        // Every write to /dev/full fails with ENOSPC.
        #expect {
            let descriptor = open("/dev/full", O_WRONLY)
            defer { close(descriptor) }
            try Files.writeAll(Data("x".utf8), to: descriptor, path: "/dev/full")
        } throws: { error in
            (error as? FileError)?.isDiskFull == true
        }
    }
}

/// `@unchecked Sendable`: `lock` guards `value`.
private final class Mutexed<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private(set) var value: Value
    init(_ value: Value) { self.value = value }
    func mutate(_ body: (inout Value) -> Void) { lock.withLock { body(&value) } }
}
