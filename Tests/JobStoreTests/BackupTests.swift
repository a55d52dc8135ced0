// A backup is as the data directory was, and becomes one again.

import Configs
import Foundation
import GRDB
import Jobs
import SearchSpaces
import Testing

@testable import JobStore

@Suite struct BackupTests {
    private final class Folders {
        let root = NSTemporaryDirectory() + "/detnas-backup-\(UUID().uuidString)"
        var data: String { root + "/data" }
        var backup: String { root + "/backup" }
        var restored: String { root + "/restored" }
        deinit { try? FileManager.default.removeItem(atPath: root) }
    }

    /// A job in the middle of its work, with one checkpoint and half a line in its log.
    private func work(_ store: JobStore, events: Int = 10) throws -> Job {
        let job = try startedJob(store, kind: .supernetPretrain)
        let run = store.runDirectory(of: job.id)
        try Files.makeFolder(run.path)
        let epoch = try run.claimEpoch()
        let path = "epoch-1/checkpoints/a.safetensors"
        let weights = Data((0..<5000).map { UInt8(truncatingIfNeeded: $0) })
        try weights.write(to: URL(filePath: run.path + "/" + path))
        let file = CheckpointFile(
            name: "a",
            path: path,
            kind: "supernet",
            step: 5,
            sha256: SHA256.digest(weights).hex,
            bytes: weights.count,
        )
        try epoch.write(file)
        var log = Data()
        for step in 0..<events { log += try line("metric", ["step": .int(step), "loss": 0.5]) }
        log += try line("checkpoint.created", JSON.value(file).object ?? [:])
        let offset = try store.ingest(log, job: job.id, epoch: 1, at: 0)
        #expect(offset == log.count)
        try (log + Data("{\"half".utf8)).write(to: URL(filePath: epoch.eventsPath))
        return try #require(try store.job(job.id))
    }

    @Test func `a backup of a store in use becomes a store with the same content`() throws {
        let folders = Folders()
        let store = try JobStore(folder: folders.data)
        let job = try work(store)
        let made = try Backup.make(of: folders.data, in: folders.backup)
        #expect(made.faults == [])
        #expect(made.jobs == 1 && made.files == 4)
        // What comes later is not in it.
        let later = try startedJob(store)
        let report = try Backup.restore(folders.backup, into: folders.restored)
        #expect(report.files == made.files && report.bytes == made.bytes && report.jobs == 1)

        let again = try JobStore(folder: folders.restored)
        #expect(try again.job(job.id) == job)
        #expect(try again.job(later.id) == nil)
        #expect(
            try again.events(of: job.id, after: 0, limit: 99)
                == store.events(of: job.id, after: 0, limit: 99)
        )
        #expect(try again.offsets(of: job.id) == store.offsets(of: job.id))
        #expect(again.runDirectory(of: job.id).newestCheckpoint()?.name == "a")
        // The restored files are its own: the log that goes on is not the backup's.
        let log = folders.backup + "/runs/\(job.id)/epoch-1/events.jsonl"
        let before = try Data(contentsOf: URL(filePath: log))
        let handle = try FileHandle(
            forWritingTo: URL(filePath: log.replacing(folders.backup, with: folders.restored))
        )
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("more".utf8))
        #expect(try Data(contentsOf: URL(filePath: log)) == before)
    }

    @Test func `a backup taken while events come in has each of them once, or not yet`() throws {
        let folders = Folders()
        let store = try JobStore(folder: folders.data)
        let job = try startedJob(store)
        let goesOn = Counter()
        let writer = Thread {
            var offset = 0
            for step in 0..<2000 where goesOn.value == 0 {
                guard let one = try? line("metric", ["step": .int(step)]) else { return }
                offset = (try? store.ingest(one, job: job.id, epoch: 1, at: offset)) ?? offset
            }
        }
        writer.start()
        for n in 0..<3 {
            let report = try Backup.make(of: folders.data, in: folders.backup + "\(n)")
            #expect(report.faults.isEmpty)
            _ = try Backup.restore(folders.backup + "\(n)", into: folders.restored + "\(n)")
            let copy = try JobStore(folder: folders.restored + "\(n)")
            let seqs = try copy.events(of: job.id, after: 0, limit: 10_000).map(\.seq)
            #expect(seqs == Array(1...seqs.count))
            #expect(try copy.job(job.id)?.lastSeq == seqs.count)
        }
        goesOn.add()
    }

    @Test func `a damaged file keeps a backup from being restored, unless it is left out`() throws {
        let folders = Folders()
        let store = try JobStore(folder: folders.data)
        let job = try work(store)
        _ = try Backup.make(of: folders.data, in: folders.backup)
        let path = "runs/\(job.id)/epoch-1/checkpoints/a.safetensors"
        // Not through the link, which is the live file too.
        try FileManager.default.removeItem(atPath: folders.backup + "/" + path)
        try Data("other".utf8).write(to: URL(filePath: folders.backup + "/" + path))
        #expect(throws: BackupError.damaged(folder: folders.backup, files: [path])) {
            try Backup.restore(folders.backup, into: folders.restored)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folders.restored).isEmpty)
        let report = try Backup.restore(
            folders.backup,
            into: folders.restored,
            leavesOutDamaged: true,
        )
        #expect(report.faults == ["\(path) is damaged and was left out"])
        #expect(try JobStore(folder: folders.restored).job(job.id) == job)
        #expect(!FileManager.default.fileExists(atPath: folders.restored + "/" + path))
    }

    @Test func `a backup says what the data directory has lost`() throws {
        let folders = Folders()
        let store = try JobStore(folder: folders.data)
        let job = try work(store)
        let run = store.runDirectory(of: job.id)
        try FileManager.default.removeItem(
            atPath: run.path + "/epoch-1/checkpoints/a.safetensors"
        )
        let report = try Backup.make(of: folders.data, in: folders.backup)
        #expect(report.faults.count == 1)
        #expect(report.faults.first?.contains("a.safetensors is missing") == true)
    }

    @Test func `neither goes into a folder that has something in it`() throws {
        let folders = Folders()
        let store = try JobStore(folder: folders.data)
        _ = try work(store)
        #expect(throws: BackupError.notEmpty(folder: folders.data)) {
            try Backup.make(of: folders.data, in: folders.data)
        }
        _ = try Backup.make(of: folders.data, in: folders.backup)
        #expect(throws: BackupError.notEmpty(folder: folders.data)) {
            try Backup.restore(folders.backup, into: folders.data)
        }
        #expect(throws: BackupError.noDatabase(folder: folders.root)) {
            try Backup.make(of: folders.root, in: folders.restored)
        }
        try FileManager.default.removeItem(atPath: folders.backup + "/backup.json")
        #expect(throws: BackupError.self) {
            try Backup.restore(folders.backup, into: folders.restored)
        }
    }

    @Test func `a job that begins at a named checkpoint finds it where it was restored`() throws {
        let folders = Folders()
        let store = try JobStore(folder: folders.data)
        let job = try work(store)
        let run = store.runDirectory(of: job.id)
        let path = run.path + "/epoch-1/checkpoints/a.safetensors"
        try store.change(job.id) { job in
            job.restart = Restart(
                afterEpoch: 1,
                checkpoint: InputCheckpoint(path: path, sha256: "x", kind: "supernet"),
            )
            return []
        }
        _ = try Backup.make(of: folders.data, in: folders.backup)
        _ = try Backup.restore(folders.backup, into: folders.restored)
        let again = try JobStore(folder: folders.restored)
        let place = try #require(try again.job(job.id)?.restart?.checkpoint?.path)
        #expect(place.hasPrefix(folders.restored + "/runs/"))
        #expect(FileManager.default.fileExists(atPath: place))
    }
}
