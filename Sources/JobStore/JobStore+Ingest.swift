// From a worker's lines to stored events, each exactly once: the events and the number of bytes they took are stored in
// one transaction, so that whoever reads on after a crash reads on at the right byte.

import Configs
package import Foundation
import GRDB
package import Jobs
package import SearchSpaces

extension JobStore {
    /// The longest line that is taken, in bytes.
    package static let lineLimit = 1 << 20

    /// How far the events of each epoch have been stored.
    package func offsets(of job: JobID) throws -> [Int: Int] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: "SELECT epoch, offset FROM followed WHERE job = ?",
                arguments: [job.rawValue],
            )
            return rows.reduce(into: [:]) { $0[$1["epoch"]] = $1["offset"] }
        }
    }

    /// Stores the whole lines at the start of `chunk`, which begins at byte `offset` of the epoch's `events.jsonl`.
    ///
    /// A line without its end is left for the next time, unless it is longer than `lineLimit`.
    /// - Returns: where to read on. When `offset` is not where the store stands, nothing is stored.
    package func ingest(
        _ chunk: Data,
        job id: JobID,
        epoch: Int,
        at offset: Int,
    ) throws -> Int {
        let now = Date()
        let (position, changed) = try database.write { db -> (Int, Bool) in
            let stored = try Int.fetchOne(
                db,
                sql: "SELECT offset FROM followed WHERE job = ? AND epoch = ?",
                arguments: [id.rawValue, epoch],
            )
            guard (stored ?? 0) == offset else { return (stored ?? 0, false) }
            guard var job = try fetch(id, db) else { throw StoreError.noSuchJob(id) }
            let (events, used) = JobStore.lines(of: chunk, at: now)
            guard used > 0 else { return (offset, false) }

            let before = job
            var stays: [NewEvent] = []
            for var event in events {
                job.note(event)
                guard event.type != EventType.heartbeat else { continue }
                try keep(&event, of: job, db)
                stays.append(event)
            }
            try append(stays, to: &job, db)
            if job != before { try save(&job, db) }
            try db.execute(
                sql: """
                    INSERT INTO followed (job, epoch, attempt, offset) VALUES (?, ?, ?, ?)
                    ON CONFLICT (job, epoch) DO UPDATE SET offset = excluded.offset
                    """,
                arguments: [id.rawValue, epoch, job.attempt, offset + used],
            )
            try db.execute(
                sql: "UPDATE attempts SET heardAt = ? WHERE job = ? AND n = ?",
                arguments: [Timestamp.text(now), id.rawValue, job.attempt],
            )
            return (offset + used, job != before)
        }
        if changed { changes.signal([id]) }
        return position
    }

    /// The events of the whole lines in `chunk`, and the bytes they take.
    private static func lines(of chunk: Data, at now: Date) -> (events: [NewEvent], used: Int) {
        let newline = UInt8(ascii: "\n")
        guard let end = chunk.lastIndex(of: newline) else {
            guard chunk.count >= lineLimit else { return ([], 0) }
            return ([unreadable("longer than \(lineLimit) bytes", at: now)], chunk.count)
        }
        let whole = chunk[...end]
        let events = whole.split(separator: newline).map { line in
            (try? JSON.read(NewEvent.self, from: Data(line)))
                ?? unreadable(String(decoding: line.prefix(200), as: UTF8.self), at: now)
        }
        return (events, whole.count)
    }

    private static func unreadable(_ what: String, at now: Date) -> NewEvent {
        NewEvent(
            EventType.warning,
            ["code": "unreadable_event", "message": .string("unreadable line: \(what)")],
            at: now,
        )
    }

    /// Keeps what an event tells of beyond itself: a checkpoint gets an id, a candidate its row.
    private func keep(_ event: inout NewEvent, of job: Job, _ db: Database) throws {
        guard case .object(var data) = event.data else { return }
        switch event.type {
        case EventType.checkpoint:
            guard let file = try? JSON.read(CheckpointFile.self, from: JSON.data(event.data)),
                runDirectory(of: job.id).resolve(file.path) != nil
            else { return }
            let final = data["final"]?.bool ?? false
            data["id"] = .string(try keep(file, of: job.id, final: final, at: event.ts, db))
            event.data = .object(data)
        case EventType.candidate:
            guard let genome = data["genome"]?.string, let macs = data["macs"]?.int,
                let params = data["params"]?.int
            else { return }
            // A candidate that is evaluated again after a crash keeps its row.
            try db.execute(
                sql: """
                    INSERT INTO candidates (job, genome, place, generation, map, map50, loss, macs,
                        params, standardError, seconds, top1, top5, origin, failure, halted)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (job, genome) DO UPDATE SET place = excluded.place,
                        generation = excluded.generation, map = excluded.map, map50 = excluded.map50,
                        loss = excluded.loss, standardError = excluded.standardError,
                        seconds = excluded.seconds, top1 = excluded.top1, top5 = excluded.top5,
                        origin = excluded.origin, failure = excluded.failure,
                        halted = excluded.halted
                    """,
                arguments: [
                    job.id.rawValue, genome, data["index"]?.int ?? 0,
                    data["generation"]?.int ?? 0, data["map"]?.double, data["map50"]?.double,
                    data["loss"]?.double, macs, params, data["standardError"]?.double,
                    data["seconds"]?.double, data["top1"]?.double, data["top5"]?.double,
                    data["origin"]?.string, data["failure"]?.string,
                    data["halted"]?.canonical,
                ],
            )
        case EventType.front:
            guard let space = job.searchSpace, let front = data["front"]?.array else { return }
            data["front"] = .array(
                try front.map { try keep(member: $0, space, of: job, at: event.ts, db) }
            )
            event.data = .object(data)
        default:
            break
        }
    }

    /// The id of the checkpoint, which is stored unless it is known.
    @discardableResult
    func keep(
        _ file: CheckpointFile,
        of job: JobID,
        final: Bool,
        at ts: String,
        _ db: Database,
    ) throws -> String {
        let known = try String.fetchOne(
            db,
            sql: "SELECT id FROM checkpoints WHERE job = ? AND path = ? AND sha256 = ?",
            arguments: [job.rawValue, file.path, file.sha256],
        )
        if let known { return known }
        let id = "ckpt_" + ULID.make()
        try db.execute(
            sql: """
                INSERT INTO checkpoints
                    (id, job, name, path, step, kind, sha256, bytes, final, createdAt)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                id, job.rawValue, file.name, file.path, file.step, file.kind, file.sha256,
                file.bytes, final, ts,
            ],
        )
        return id
    }
}

extension JobStore {
    /// Ends an attempt: what follows from how its worker ended, with everything it left behind, in one transaction.
    @discardableResult
    package func settle(
        _ id: JobID,
        _ end: WorkerEnd,
        attempt: Attempt?,
        ranUntil: Date,
        backoff: Backoff,
    ) throws -> Job {
        let now = Date()
        let job = try database.write { db in
            guard var job = try fetch(id, db) else { throw StoreError.noSuchJob(id) }
            // Settled before: a crash came between this and what the caller does next.
            guard job.state == .running else { return job }
            let number = job.attempt
            let events = try job.settle(end, ranUntil: ranUntil, at: now, backoff: backoff)
            if job.state == .succeeded, let outputs = job.outputs {
                try keep(outputs, of: id, at: Timestamp.text(now), db)
                try noteSucceeded(check: job, at: Timestamp.text(now), db)
            }
            try append(events, to: &job, db)
            try save(&job, db)
            if var attempt {
                attempt.endedAt = ranUntil
                attempt.outcome = events.first?.data["cause"]?.string ?? job.state.rawValue
                try db.execute(
                    sql: "UPDATE attempts SET document = ? WHERE job = ? AND n = ?",
                    arguments: [try JSON.text(attempt), id.rawValue, number],
                )
            }
            return job
        }
        changes.signal([id])
        return job
    }

    /// Keeps the architecture of one member of a front, which may be far from the best ones that its search ends with.
    /// - Returns: the member with the architecture's id.
    private func keep(
        member: JSONValue,
        _ space: SearchSpace,
        of job: Job,
        at ts: String,
        _ db: Database,
    ) throws -> JSONValue {
        guard case .object(var told) = member, let word = told["genome"]?.string,
            let genome = try? Genome(parsing: word, in: space), let macs = told["macs"]?.int,
            let params = try Int.fetchOne(
                db,
                sql: "SELECT params FROM candidates WHERE job = ? AND genome = ?",
                arguments: [job.id.rawValue, word],
            )
        else { return member }
        let hash = Architecture.hash(space, genome)
        let found = FoundArchitecture(
            genome: word,
            space: job.space ?? .null,
            macs: macs,
            params: params,
            score: told["score"]?.double,
            hash: hash,
        )
        try keep(found, of: job.id, at: ts, db)
        told["architecture"] = .string(hash)
        return .object(told)
    }

    private func keep(_ outputs: JobOutputs, of job: JobID, at ts: String, _ db: Database) throws {
        if let file = outputs.checkpoint, runDirectory(of: job).resolve(file.path) != nil {
            try keep(file, of: job, final: true, at: ts, db)
            try db.execute(
                sql:
                    "UPDATE checkpoints SET final = TRUE WHERE job = ? AND path = ? AND sha256 = ?",
                arguments: [job.rawValue, file.path, file.sha256],
            )
        }
        for found in outputs.architectures ?? [] { try keep(found, of: job, at: ts, db) }
    }

    /// One that was found before stays with the first search that found it.
    private func keep(
        _ found: FoundArchitecture,
        of job: JobID,
        at ts: String,
        _ db: Database,
    ) throws {
        try db.execute(
            sql: """
                INSERT INTO architectures
                    (hash, job, genome, space, macs, params, score, createdAt)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING
                """,
            arguments: [
                found.hash, job.rawValue, found.genome, try JSON.text(found.space), found.macs,
                found.params, found.score, ts,
            ],
        )
    }
}

extension Job {
    /// The search space of what it makes, as far as its spec and inputs say.
    package var searchSpace: SearchSpace? {
        space.flatMap { try? JSON.read(SearchSpace.self, from: JSON.data($0)) }
    }
}
