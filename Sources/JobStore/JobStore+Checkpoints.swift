// Checkpoints beyond their list: which of a job's is the best, who needs one, how one is forgotten or taken in.

package import Configs
import Foundation
import GRDB
import Glibc
package import Jobs

/// An unfinished job that needs a checkpoint.
package struct Referrer: Equatable, Sendable, CustomStringConvertible {
    package enum Reason: String, Sendable {
        case input  // its spec names it, or the step that made it
        case restart  // its next attempt begins there
        case newest  // it would go on from there
    }

    package var job: JobID
    package var reason: Reason

    package var description: String { "\(job) (\(reason.rawValue))" }
}

/// The checkpoint of a job that its evaluations speak for.
package struct BestCheckpoint: Equatable, Sendable {
    package var checkpoint: Checkpoint
    /// What it was measured by; nil when no checkpoint that is there was measured: then it is the newest.
    package var metric: String?
    package var value: Double?

    package init(checkpoint: Checkpoint, metric: String? = nil, value: Double? = nil) {
        self.checkpoint = checkpoint
        self.metric = metric
        self.value = value
    }
}

extension JobStore {
    /// Where imported checkpoints lie.
    package var importFolder: String { folder + "/checkpoints" }

    /// The absolute path of a checkpoint's file, which may be gone; nil for one whose path leads out of its folder.
    package func path(of checkpoint: Checkpoint) -> String? {
        checkpoint.job.map { runDirectory(of: $0).resolve(checkpoint.path) }
            ?? RunDirectory(importFolder).resolve(checkpoint.path)
    }

    /// The checkpoints of a job whose files are there, newest first.
    private func presentCheckpoints(of job: JobID) throws -> [Checkpoint] {
        try checkpoints(of: job, limit: 100_000).elements.filter {
            path(of: $0).map { access($0, R_OK) == 0 } ?? false
        }
    }

    /// The newest checkpoint of a job whose file is there.
    package func latestCheckpoint(of job: JobID) throws -> Checkpoint? {
        try presentCheckpoints(of: job).first
    }

    /// Among the checkpoints that are there and of the newest one's kind, the one of the step whose evaluation is the
    /// best: by `map` for detectors, by `top1` for classifiers. Of equal ones the newest.
    package func bestCheckpoint(of job: JobID) throws -> BestCheckpoint? {
        let present = try presentCheckpoints(of: job)
        guard let newest = present.first else { return nil }
        let isDetector = newest.kind.hasPrefix(CheckpointKind.detector.rawValue)
        let metric = isDetector ? "map" : "top1"
        var values: [Int: Double] = [:]
        for event in try events(of: job, after: 0, types: [EventType.evaluation], limit: 100_000) {
            guard let step = event.data["step"]?.int, let value = event.data[metric]?.double
            else { continue }
            values[step] = value
        }
        var best = BestCheckpoint(checkpoint: newest)
        for checkpoint in present where checkpoint.kind == newest.kind {
            guard let value = values[checkpoint.step], value > best.value ?? -.infinity
            else { continue }
            best = BestCheckpoint(checkpoint: checkpoint, metric: metric, value: value)
        }
        return best
    }

    /// Forgets a checkpoint, removes its file and says so in the log of its job. A download that has it open goes on.
    ///
    /// - Throws: `StoreError.referenced` while unfinished jobs need it, `StoreError.noSuchCheckpoint`; `FileError` when
    ///   the file cannot be removed. Then nothing is changed.
    package func deleteCheckpoint(_ id: String) throws {
        let maker = try database.write { db -> JobID? in
            guard let checkpoint = try fetchCheckpoint(id, db) else {
                throw StoreError.noSuchCheckpoint(id)
            }
            let by = try referrers(to: checkpoint, db)
            guard by.isEmpty else { throw StoreError.referenced(by) }
            try db.execute(sql: "DELETE FROM checkpoints WHERE id = ?", arguments: [id])
            if let maker = checkpoint.job, var job = try fetch(maker, db) {
                try append([checkpoint.deleted(by: "request")], to: &job, db)
                try save(&job, db)
            }
            // Before the commit: after a crash in between, the row is still there to be deleted again.
            if let path = path(of: checkpoint) { try remove(path) }
            return checkpoint.job
        }
        if let maker { changes.signal([maker]) }
    }

    func fetchCheckpoint(_ id: String, _ db: Database) throws -> Checkpoint? {
        try Checkpoint.fetchOne(db, sql: "SELECT * FROM checkpoints WHERE id = ?", arguments: [id])
    }

    /// The unfinished jobs that need a checkpoint or are about to.
    private func referrers(to checkpoint: Checkpoint, _ db: Database) throws -> [Referrer] {
        let path = path(of: checkpoint)
        let newest = try Int64.fetchOne(
            db,
            sql: "SELECT MAX(number) FROM checkpoints WHERE job = ?",
            arguments: [checkpoint.job?.rawValue],
        )
        let jobs = try unfinishedJobs(db)
        /// Whether the step of `job`'s pipeline left this very file.
        func isMade(by step: String, of job: Job) throws -> Bool {
            guard let pipeline = job.pipeline, let maker = checkpoint.job,
                let made = try fetch(maker, db), made.pipeline == pipeline, made.step == step
            else { return false }
            return made.outputs?.checkpoint?.path == checkpoint.path
        }
        return try jobs.compactMap { job in
            if job.id == checkpoint.job, newest == checkpoint.number {
                return Referrer(job: job.id, reason: .newest)
            }
            if let restart = job.restart?.checkpoint, restart.path == path {
                return Referrer(job: job.id, reason: .restart)
            }
            guard case .success(let spec) = JobSpec.resolve(kind: job.kind, job.spec) else {
                return nil
            }
            let isInput = try spec.references.contains { need in
                guard case .checkpoint = need.expected else { return false }
                return switch need.reference {
                case .id(let id): id == checkpoint.id
                case .from(let step, _, _): try isMade(by: step, of: job)
                }
            }
            return isInput ? Referrer(job: job.id, reason: .input) : nil
        }
    }

    /// Oldest first.
    func unfinishedJobs(_ db: Database) throws -> [Job] {
        try decode(
            String.fetchAll(
                db,
                sql: """
                    SELECT document FROM jobs
                    WHERE state IN ('queued', 'running', 'paused') AND deletedAt IS NULL
                    ORDER BY number
                    """,
            )
        )
    }

    /// Makes a checkpoint of an upload that is whole and was found to be one; the upload is no more then.
    ///
    /// - Parameter id: `ckpt_` and a ULID.
    /// - Throws: `StoreError.noSuchUpload`; `StoreError.repeatedRequest`; `FileError`. Then nothing is changed.
    package func importCheckpoint(
        _ upload: Upload,
        as id: String,
        named name: String,
        _ header: CheckpointHeader,
        request: NamedRequest? = nil,
    ) throws -> Checkpoint {
        let now = Date()
        let file = "\(id).safetensors"
        let target = "\(importFolder)/\(file)"
        try Files.makeFolder(importFolder)
        let source = path(of: upload)
        let checkpoint = try database.write { db in
            guard let bytes = upload.bytes, let sha256 = upload.sha256,
                try fetchUpload(upload.id, db) != nil
            else { throw StoreError.noSuchUpload(upload.id) }
            if let request { try insert(request, at: now, db) }
            try db.execute(
                sql: """
                    INSERT INTO checkpoints (id, job, name, path, step, kind, sha256, bytes, final,
                        createdAt, space, shuffle)
                    VALUES (?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    id, name, file, header.step, header.kind.rawValue, sha256, bytes,
                    header.isFinal, Timestamp.text(now), try JSON.text(header.space),
                    header.shuffle,
                ],
            )
            try db.execute(sql: "DELETE FROM uploads WHERE id = ?", arguments: [upload.id])
            // A second name first: after a crash before the commit, the upload is still whole.
            guard link(source, target) == 0 || rename(source, target) == 0 else {
                throw FileError("rename", source)
            }
            try Files.sync(importFolder)
            guard let checkpoint = try fetchCheckpoint(id, db) else {
                throw StoreError.noSuchCheckpoint(id)
            }
            return checkpoint
        }
        unlink(source)
        return checkpoint
    }
}
