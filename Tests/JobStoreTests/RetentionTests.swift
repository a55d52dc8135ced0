// What is removed is what nobody needs, whole, and whenever the server dies.

import Configs
import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite struct RetentionTests {
    /// Writes a checkpoint of `job` as a worker does, and stores it.
    @discardableResult
    private func checkpoint(_ store: JobStore, _ job: Job, step: Int, final: Bool = false) throws
        -> Checkpoint
    {
        let path = "epoch-1/checkpoints/step-\(step).safetensors"
        let run = store.runDirectory(of: job.id)
        try Files.makeFolder(run.path + "/epoch-1/checkpoints")
        try Data("weights".utf8).write(to: URL(filePath: run.path + "/" + path))
        let file = CheckpointFile(
            name: "step-\(step)",
            path: path,
            kind: "supernet",
            step: step,
            sha256: "\(step)",
            bytes: 7,
        )
        _ = try store.database.write { db in
            try store.keep(file, of: job.id, final: final, at: Timestamp.text(Date()), db)
        }
        return try #require(try store.checkpoint(of: job.id, at: path))
    }

    private func evaluate(_ store: JobStore, _ job: Job, step: Int, top1: Double) throws {
        try store.change(job.id) { _ in
            [NewEvent("evaluation", ["step": .int(step), "top1": .double(top1)])]
        }
    }

    private func steps(_ store: JobStore, _ job: Job) throws -> [Int] {
        try store.checkpoints(of: job.id, limit: 100).elements.map(\.step)
    }

    @Test func `the newest stay, the best, the final, and those that others begin from`() throws {
        try withStore { store in
            let job = try startedJob(store, kind: .supernetPretrain)
            let made = try (1...9).map {
                try checkpoint(store, job, step: $0 * 10, final: $0 == 2)
            }
            try evaluate(store, job, step: 50, top1: 0.5)
            try evaluate(store, job, step: 90, top1: 0.25)
            let spec: JSONValue = [
                "train": ["dataset": "a", "annotations": "b.json"],
                "checkpoint": .string(made[0].id), "training": ["steps": 1],
            ]
            let user = try store.insert([Job(kind: .detectorFinetune, spec: spec)])[0]
            #expect(try store.removeSurplusCheckpoints(keeping: nil).isEmpty)
            let gone = try store.removeSurplusCheckpoints(keeping: 2)
            #expect(gone.map(\.step) == [70, 60, 40, 30])
            #expect(try steps(store, job) == [90, 80, 50, 20, 10])
            let folder = store.runDirectory(of: job.id).path + "/epoch-1/checkpoints"
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(
                Set(names) == Set([90, 80, 50, 20, 10].map { "step-\($0).safetensors" })
            )
            let events = try store.events(
                of: job.id,
                after: 0,
                types: ["checkpoint.deleted"],
                limit: 9,
            )
            #expect(events.map { $0.data["step"]?.int } == [70, 60, 40, 30])
            // The user has ended: nobody begins from the first any more.
            try store.change(user.id) { try $0.requestCancel(.now, at: Date()) }
            #expect(try store.removeSurplusCheckpoints(keeping: 2).map(\.step) == [10])
            #expect(try store.removeSurplusCheckpoints(keeping: 2).isEmpty)
        }
    }

    @Test func `a job's own number counts before the server's`() throws {
        try withStore { store in
            let job = try startedJob(store)
            for step in 1...4 { try checkpoint(store, job, step: step) }
            try store.change(job.id) { job in
                job.keepCheckpoints = 3
                return []
            }
            _ = try store.removeSurplusCheckpoints(keeping: nil)
            #expect(try steps(store, job) == [4, 3, 2])
        }
    }

    @Test func `a checkpoint from which a job is to be tried again stays`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let made = try (1...4).map { try checkpoint(store, job, step: $0) }
            let path = try #require(store.runDirectory(of: job.id).resolve(made[1].path))
            try store.change(job.id) { job in
                job.restart = Restart(
                    afterEpoch: 1,
                    checkpoint: InputCheckpoint(path: path, sha256: "2", kind: "supernet"),
                )
                return []
            }
            _ = try store.removeSurplusCheckpoints(keeping: 1)
            #expect(try steps(store, job) == [4, 2])
        }
    }

    @Test func `a crash at any moment of a removal leaves a checkpoint whole or gone`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let made = try (1...4).map { try checkpoint(store, job, step: $0) }
            let run = store.runDirectory(of: job.id)
            func move(_ index: Int) throws {
                let path = run.path + "/" + made[index].path
                try FileManager.default.moveItem(atPath: path, toPath: path + ".removed")
            }
            // Renamed, and the transaction was lost; renamed and forgotten, but not yet removed.
            try move(0)
            try move(1)
            try store.database.write {
                try $0.execute(sql: "DELETE FROM checkpoints WHERE step = 2")
            }
            try store.removeLeftovers()
            let folder = run.path + "/epoch-1/checkpoints"
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(Set(names) == Set([1, 3, 4].map { "step-\($0).safetensors" }))
            // A file that somebody removed does not keep its row.
            try FileManager.default.removeItem(atPath: run.path + "/" + made[0].path)
            #expect(try store.removeSurplusCheckpoints(keeping: 1).map(\.step) == [3, 1])
            #expect(try steps(store, job) == [4])
        }
    }

    @Test func `when the store refuses, the files keep their names`() throws {
        try withStore { store in
            let job = try startedJob(store)
            for step in 1...3 { try checkpoint(store, job, step: step) }
            try store.database.write {
                try $0.execute(
                    sql: """
                        CREATE TRIGGER refuse BEFORE DELETE ON checkpoints WHEN OLD.step = 1
                        BEGIN SELECT RAISE(ABORT, 'no'); END
                        """
                )
            }
            #expect(throws: DatabaseError.self) { try store.removeSurplusCheckpoints(keeping: 1) }
            let folder = store.runDirectory(of: job.id).path + "/epoch-1/checkpoints"
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 3)
            #expect(try steps(store, job) == [3, 2, 1])
        }
    }

    @Test func `of an old job only metrics and logs are dropped, in whatever pieces`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let young = try startedJob(store)
            let types = ["metric", "log", "evaluation", "metric", "generation.finished", "log"]
            for id in [job.id, young.id] {
                try store.change(id) { _ in types.map { NewEvent($0) } }
            }
            try store.settle(
                job.id,
                WorkerEnd(exit: .code(0), result: ResultFile(outputs: JobOutputs())),
                attempt: nil,
                ranUntil: Date(),
                backoff: Backoff(),
            )
            #expect(try store.compactEvents(endedBefore: Date() - 60) == 0)
            #expect(try store.compactEvents(endedBefore: Date() + 60, at: 2) == 4)
            #expect(try store.compactEvents(endedBefore: Date() + 60, at: 2) == 0)
            let left = try store.events(of: job.id, after: 0, limit: 99)
            #expect(
                left.map(\.type) == [
                    "job.state", "job.state", "attempt.started", "evaluation",
                    "generation.finished", "job.state", "job.end",
                ]
            )
            #expect(left.map(\.seq) == [1, 2, 3, 6, 8, 10, 11])
            #expect(try store.compactedTo(of: job.id) == 9)
            #expect(try store.compactedTo(of: young.id) == 0)
            #expect(try store.totals().events == 11 + young.lastSeq + types.count)
        }
    }
}
