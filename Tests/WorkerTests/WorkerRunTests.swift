// What a worker finds of earlier attempts, whole or torn, and what it does when it cannot write.

import Configs
import Foundation
import Jobs
import Pipelines
import SearchSpaces
import Testing

@testable import Worker

struct WorkerRunTests {
    /// A run directory of its own and a run on its next epoch.
    private func withRuns(_ body: (RunDirectory, () throws -> WorkerRun) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "worker-\(UUID().uuidString)"
        )
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let text = """
            {"format": 1, "id": "job_01arz3ndektsv4rrffq69g5fav", "kind": "search.evolution", "seed": 7,
             "device": "cpu", "cores": [0], "spec": {}, "inputs": {}, "datasetRoots": []}
            """
        let job = try JSONDecoder().decode(JobFile.self, from: Data(text.utf8))
        let directory = RunDirectory(folder.path)
        try body(directory) { try WorkerRun(job, directory.claimEpoch()) }
    }

    private func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    private func commit(_ run: WorkerRun, step: Int) throws -> StoredCheckpoint {
        try run.commit(name: "step-\(step)", step: step, kind: "supernet", final: false) { url in
            let data = Data("weights of step \(step)".utf8)
            try data.write(to: url)
            return (SHA256.digest(data).hex, data.count)
        }
    }

    @Test func `a journal that was cut within a line is read up to that line`() throws {
        try withRuns { _, next in
            let first = try next()
            for line in ["one", "two"] { try first.journal(Data("\(line)\n".utf8)) }
            try first.journal(Data("thr".utf8))
            #expect(
                try next().earlierCandidates().map { String(decoding: $0, as: UTF8.self) } == [
                    "one", "two",
                ]
            )
        }
    }

    @Test func `the longest journal counts, not the newest`() throws {
        try withRuns { _, next in
            let (first, second) = (try next(), try next())
            try write("one\ntwo\n", to: first.epoch.candidatesPath)
            try write("one\n", to: second.epoch.candidatesPath)
            #expect(try next().earlierCandidates().count == 2)
        }
    }

    @Test func `a checkpoint whose bytes were changed is not resumed from, and that is said`()
        throws
    {
        try withRuns { _, next in
            let stored = try commit(next(), step: 5)
            #expect(try next().resumable()?.lastPathComponent == "step-5.safetensors")
            try write("weights of stop 5", to: stored.url.path)
            let run = try next()
            #expect(try run.resumable() == nil)
            let events = try String(contentsOfFile: run.epoch.eventsPath, encoding: .utf8)
            #expect(events.contains("damaged_checkpoint") && events.contains("step-5"))
        }
    }

    @Test func `an attempt that another has overtaken writes no checkpoint and no candidate`()
        throws
    {
        try withRuns { _, next in
            let slow = try next()
            _ = try commit(slow, step: 1)
            _ = try next()
            #expect(throws: Superseded.self) { try commit(slow, step: 2) }
            #expect(throws: Superseded.self) { try slow.journal(Data("late\n".utf8)) }
            #expect(slow.epoch.run.newestCheckpoint()?.step == 1)
        }
    }
}
