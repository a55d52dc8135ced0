// What is removed so that a server can run for years: checkpoints that nobody needs, details of jobs that ended long ago.
//
// A file is first renamed, in the transaction that forgets it, and removed after that. A crash in between leaves a renamed
// file: the next start gives it its name back when the store still knows it, and removes it otherwise.

import Configs
package import Foundation
import GRDB
import Glibc
package import Jobs

extension JobStore {
    /// What a renamed file's name ends in.
    private static let removed = ".removed"

    /// The types of events that are dropped of old jobs. All that tells what came of a job stays.
    package static let droppedTypes = [EventType.metric, EventType.progress, EventType.log]

    /// Removes the checkpoints of every job beyond its newest ones.
    ///
    /// The final one stays, the best one, and those that an unfinished job names.
    /// - Parameter usual: how many newest ones are kept of a job that does not say it itself; nil: all.
    package func removeSurplusCheckpoints(keeping usual: Int?) throws -> [Checkpoint] {
        let jobs = try database.read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT job FROM checkpoints JOIN jobs ON jobs.id = job GROUP BY job
                    HAVING COUNT(*) > COALESCE(json_extract(document, '$.keepCheckpoints'), ?)
                    """,
                arguments: [usual],
            )
        }
        return try jobs.compactMap(JobID.init(rawValue:)).flatMap { id -> [Checkpoint] in
            guard let job = try job(id), let count = job.keepCheckpoints ?? usual else { return [] }
            return try removeSurplusCheckpoints(of: id, keeping: max(1, count))
        }
    }

    private func removeSurplusCheckpoints(of id: JobID, keeping count: Int) throws -> [Checkpoint] {
        let run = runDirectory(of: id)
        let best = try bestCheckpoint(of: id)?.checkpoint.number
        var renamed: [String] = []
        do {
            let surplus = try database.write { db -> [Checkpoint] in
                guard var job = try fetch(id, db) else { return [] }
                let (kept, surplus) = try divide(job, count, best: best, db)
                guard !surplus.isEmpty else { return [] }
                let keptPaths = Set(kept.map(\.path))
                for checkpoint in surplus {
                    // A later checkpoint may have taken the place of an earlier one.
                    if !keptPaths.contains(checkpoint.path),
                        let path = run.resolve(checkpoint.path),
                        rename(path, path + JobStore.removed) == 0
                    {
                        renamed.append(path)
                    }
                    try db.execute(
                        sql: "DELETE FROM checkpoints WHERE number = ?",
                        arguments: [checkpoint.number],
                    )
                }
                try append(surplus.map { $0.deleted(by: "retention") }, to: &job, db)
                try save(&job, db)
                return surplus
            }
            for path in renamed { unlink(path + JobStore.removed) }
            if !surplus.isEmpty { changes.signal([id]) }
            return surplus
        } catch {
            for path in renamed { rename(path + JobStore.removed, path) }
            throw error
        }
    }

    /// Which checkpoints of `job` stay and which go, both newest first.
    private func divide(
        _ job: Job,
        _ count: Int,
        best: Int64?,
        _ db: Database,
    ) throws -> (kept: [Checkpoint], surplus: [Checkpoint]) {
        let all = try Checkpoint.fetchAll(
            db,
            sql: "SELECT * FROM checkpoints WHERE job = ? ORDER BY number DESC",
            arguments: [job.id.rawValue],
        )
        guard all.count > count else { return (all, []) }
        let mayGo = all.dropFirst(count).filter { !$0.final && $0.number != best }
        // Most often nothing may go, and nobody needs to be asked.
        guard !mayGo.isEmpty else { return (all, []) }
        let named = try namedCheckpoints(db)
        let run = runDirectory(of: job.id)
        let surplus = mayGo.filter { checkpoint in
            !named.contains(checkpoint.id)
                && run.resolve(checkpoint.path).map(named.contains) != true
        }
        let gone = Set(surplus.map(\.number))
        return (all.filter { !gone.contains($0.number) }, surplus)
    }

    /// The ids and paths of checkpoints that unfinished jobs begin from.
    private func namedCheckpoints(_ db: Database) throws -> Set<String> {
        var named: Set<String> = []
        for job in try unfinishedJobs(db) {
            if let path = job.restart?.checkpoint?.path { named.insert(path) }
            guard case .success(let spec) = JobSpec.resolve(kind: job.kind, job.spec) else {
                continue
            }
            for case .id(let name) in spec.references.map(\.reference) { named.insert(name) }
        }
        return named
    }

    /// Gives files that a crash left renamed their names back, or removes them.
    func settleRemovedFiles() throws {
        let files = FileManager.default
        let runs = folder + "/runs"
        for name in (try? files.contentsOfDirectory(atPath: runs)) ?? [] {
            guard let id = JobID(rawValue: name) else { continue }
            for epoch in runDirectory(of: id).epochs() {
                let inside = (try? files.contentsOfDirectory(atPath: epoch.checkpointsPath)) ?? []
                for file in inside where file.hasSuffix(JobStore.removed) {
                    let path = epoch.checkpointsPath + "/" + file
                    let before = String(file.dropLast(JobStore.removed.count))
                    let place = "epoch-\(epoch.number)/checkpoints/\(before)"
                    if try checkpoint(of: id, at: place) != nil {
                        rename(path, epoch.checkpointsPath + "/" + before)
                    } else {
                        unlink(path)
                    }
                }
            }
        }
    }
}

// Events
extension JobStore {
    /// Drops `droppedTypes` of the jobs that ended before `limit`, a few thousand events in a transaction so that
    /// nobody waits for long.
    /// - Returns: how many were dropped.
    package func compactEvents(endedBefore limit: Date, at once: Int = 5000) throws -> Int {
        let jobs = try database.read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT id FROM jobs
                    WHERE state IN ('succeeded', 'failed', 'cancelled') AND deletedAt IS NULL
                        AND json_extract(document, '$.endedAt') < ?
                        AND json_extract(document, '$.lastSeq') > compactedThrough
                    """,
                arguments: [Timestamp.text(limit)],
            )
        }
        var dropped = 0
        for id in jobs {
            while let count = try compact(id, at: once) { dropped += count }
        }
        return dropped
    }

    /// - Returns: how many were dropped; nil when all of the job's events have been looked at.
    private func compact(_ id: String, at once: Int) throws -> Int? {
        try database.write { db in
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT compactedThrough, json_extract(document, '$.lastSeq') AS last FROM jobs
                    WHERE id = ? AND state IN ('succeeded', 'failed', 'cancelled')
                    """,
                arguments: [id],
            )
            guard let row, let first: Int = row["compactedThrough"], let last: Int = row["last"],
                first < last
            else { return nil }
            let end = min(last, first + once)
            let marks = databaseQuestionMarks(count: JobStore.droppedTypes.count)
            let range = "job = ? AND seq > ? AND seq <= ? AND type IN (\(marks))"
            let arguments =
                StatementArguments([id, first, end] as [any DatabaseValueConvertible])
                + StatementArguments(JobStore.droppedTypes)
            let newest = try Int.fetchOne(
                db,
                sql: "SELECT MAX(seq) FROM events WHERE \(range)",
                arguments: arguments,
            )
            try db.execute(sql: "DELETE FROM events WHERE \(range)", arguments: arguments)
            let count = db.changesCount
            try db.execute(
                sql: """
                    UPDATE jobs SET compactedThrough = ?, compactedTo = COALESCE(?, compactedTo)
                    WHERE id = ?
                    """,
                arguments: [end, newest, id],
            )
            return count
        }
    }

    /// The number of the newest event of a job that was dropped; 0: none was.
    package func compactedTo(of job: JobID) throws -> Int {
        try database.read { db in
            try Int.fetchOne(
                db,
                sql: "SELECT compactedTo FROM jobs WHERE id = ?",
                arguments: [job.rawValue],
            ) ?? 0
        }
    }
}

extension Checkpoint {
    /// The event that tells that it is gone.
    func deleted(by reason: String) -> NewEvent {
        NewEvent(
            EventType.checkpointDeleted,
            [
                "id": .string(id), "name": .string(name), "kind": .string(kind),
                "step": .int(step), "bytes": .int(bytes), "reason": .string(reason),
            ],
        )
    }
}
