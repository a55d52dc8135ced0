// Where jobs are kept: one SQLite file, opened by one server.

package import Configs
import Foundation
import GRDB
import Glibc
package import Jobs
import Synchronization

package enum StoreError: Error, Equatable, CustomStringConvertible {
    /// Another server owns the data directory.
    case inUse(folder: String, owner: String)
    case noSuchJob(JobID)
    /// A request of this name was taken already.
    case repeatedRequest(String)
    /// The database cannot be read.
    case damaged(folder: String, String)
    case notWritable(folder: String, String)
    case full(folder: String)
    /// The database was written by a later version.
    case tooNew(folder: String)
    case noSuchCheckpoint(String)
    case noSuchUpload(String)
    case noSuchDataset(String)
    /// A data set of this name, or of this folder, is registered.
    case datasetExists(Dataset)
    /// Unfinished jobs need the checkpoint.
    case referenced([Referrer])

    package var description: String {
        switch self {
        case .inUse(let folder, let owner):
            "the data directory \(folder) is in use by another detnas (process \(owner));"
                + " stop that one or choose another --data"
        case .noSuchJob(let id):
            "there is no job \(id)"
        case .repeatedRequest(let key):
            "a request with the key \(key) was taken before"
        case .damaged(let folder, let reason):
            "the database \(folder)/detnas.db is damaged (\(reason)); look at it with"
                + " `detnas doctor --data \(folder)`, then put a backup into another folder with"
                + " `detnas restore BACKUP FOLDER` and serve that"
        case .notWritable(let folder, let reason):
            "the data directory \(folder) cannot be used (\(reason)); this process must be able to"
                + " read and write it and everything in it"
        case .full(let folder):
            "the file system of the data directory \(folder) is full; make room and start again"
        case .tooNew(let folder):
            "the database \(folder)/detnas.db was written by a later version of detnas; start that"
                + " version, or one that is newer still"
        case .noSuchCheckpoint(let id):
            "there is no checkpoint \(id)"
        case .noSuchUpload(let id):
            "there is no upload \(id)"
        case .noSuchDataset(let id):
            "there is no data set \(id)"
        case .datasetExists(let dataset):
            "\(dataset.id) has the name \(dataset.name) and the folder \(dataset.folder)"
        case .referenced(let by):
            "needed by " + by.map(\.description).joined(separator: ", ")
        }
    }
}

/// Jobs, their events, and what they made. Reads may come from any thread; each write is one transaction, and those who
/// watch a job are woken after it.
package final class JobStore: Sendable {
    /// Absolute.
    package let folder: String
    package let changes = JobChanges()
    package let tally = Tally()
    let database: DatabasePool
    let damageFound = Mutex<String?>(nil)
    private let unsettled = Mutex<Set<JobID>>([])
    private let lock: Int32

    /// Opens the store in `folder`, which is made where it is missing.
    /// - Throws: `StoreError`: `inUse` when another server has it open, others when it cannot be used.
    package init(folder: String) throws {
        self.folder = folder
        // It holds digests of tokens and everybody's specs; whoever makes the folder beforehand may let others in.
        try Files.makeFolder(folder, mode: 0o700)
        try Files.makeFolder(folder + "/uploads")
        lock = try JobStore.takeLock(folder)
        do {
            var configuration = Configuration()
            configuration.maximumReaderCount = 4
            configuration.busyMode = .timeout(5)
            // Of each reader and the writer; what is asked for again and again is little, and the system caches files too.
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = -1000") }
            database = try DatabasePool(
                path: folder + "/detnas.db",
                configuration: configuration,
            )
            // What was answered with 201 is there after a power cut too.
            try database.writeWithoutTransaction {
                try $0.execute(sql: "PRAGMA synchronous = FULL")
            }
            guard try !database.read(migrations.hasBeenSuperseded) else {
                throw StoreError.tooNew(folder: folder)
            }
            try migrations.migrate(database)
        } catch {
            close(lock)
            throw JobStore.explained(error, folder)
        }
    }

    deinit {
        try? database.close()
        close(lock)
    }

    /// Notes that the worker of a job has ended, and that this cannot be stored, or that it is.
    package func note(_ job: JobID, isUnsettled: Bool) {
        unsettled.withLock { jobs in
            if isUnsettled { jobs.insert(job) } else { jobs.remove(job) }
        }
    }

    /// Whether a job that is running by what is stored has lost its worker.
    package func isUnsettled(_ job: JobID) -> Bool { unsettled.withLock { $0.contains(job) } }

    package func runDirectory(of job: JobID) -> RunDirectory {
        RunDirectory("\(folder)/runs/\(job)")
    }

    /// Close-on-exec: a worker that outlives its server must not hold the lock.
    private static func takeLock(_ folder: String) throws -> Int32 {
        let path = folder + "/detnas.lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw StoreError.notWritable(folder: folder, "\(FileError("open", path))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            let owner = (try? String(contentsOfFile: path, encoding: .utf8)) ?? "?"
            throw StoreError.inUse(folder: folder, owner: owner)
        }
        ftruncate(descriptor, 0)
        // Only for the message above; the lock itself is the kernel's.
        try? Files.writeAll(Data("\(getpid())".utf8), to: descriptor, path: path)
        return descriptor
    }
}

// Jobs
extension JobStore {
    /// Stores new jobs, all or none, with their first events; `pipeline` is the request they came from.
    ///
    /// - Parameter request: under which name the same request is told from a repeated one; stored with the jobs.
    /// - Throws: `StoreError.repeatedRequest` where there is one of that name; then nothing is stored.
    package func insert(
        _ jobs: [Job],
        pipeline: (id: String, name: String?, submitted: JSONValue)? = nil,
        request: NamedRequest? = nil,
    ) throws -> [Job] {
        let now = Date()
        let stored = try database.write { db in
            if let request { try insert(request, at: now, db) }
            if let pipeline {
                try db.execute(
                    sql:
                        "INSERT INTO pipelines (id, name, createdAt, submitted) VALUES (?, ?, ?, ?)",
                    arguments: [
                        pipeline.id, pipeline.name, Timestamp.text(now),
                        try JSON.text(pipeline.submitted),
                    ],
                )
            }
            return try jobs.map { try insert($0, at: now, db) }
        }
        changes.signal(stored.map(\.id))
        return stored
    }

    func insert(_ job: Job, at now: Date, _ db: Database) throws -> Job {
        var job = job
        let events = job.submitted(at: now)
        try db.execute(
            sql: "INSERT INTO jobs (id, kind, state, pipeline, document) VALUES (?, ?, ?, ?, '')",
            arguments: [job.id.rawValue, job.kind.rawValue, job.state.rawValue, job.pipeline],
        )
        try append(events, to: &job, db)
        try save(&job, db)
        try noteSubmitted(check: job, db)
        return job
    }

    package func job(_ id: JobID) throws -> Job? {
        try database.read { db in try fetch(id, db) }
    }

    /// Changes a job and stores the events that tell of it, together.
    /// - Throws: `StoreError.noSuchJob`, or what `body` throws; then nothing is changed.
    @discardableResult
    package func change(_ id: JobID, _ body: (inout Job) throws -> [NewEvent]) throws -> Job {
        let job = try database.write { db in
            guard var job = try fetch(id, db) else { throw StoreError.noSuchJob(id) }
            let before = job
            let events = try body(&job)
            try append(events, to: &job, db)
            if job != before { try save(&job, db) }
            return job
        }
        changes.signal([id])
        return job
    }

    /// All jobs in one of `states`, oldest first.
    package func jobs(in states: Set<JobState>) throws -> [Job] {
        try database.read { db in
            let marks = databaseQuestionMarks(count: states.count)
            let sql = """
                SELECT document FROM jobs WHERE state IN (\(marks)) AND deletedAt IS NULL
                ORDER BY number
                """
            return try decode(
                String.fetchAll(
                    db,
                    sql: sql,
                    arguments: StatementArguments(states.map(\.rawValue)),
                )
            )
        }
    }

    /// The waiting jobs that need what others make, oldest first.
    package func dependentJobs() throws -> [Job] {
        try database.read { db in
            try decode(
                String.fetchAll(
                    db,
                    sql: """
                        SELECT document FROM jobs WHERE state = 'queued' AND deletedAt IS NULL
                            AND json_array_length(document, '$.needs') > 0
                        ORDER BY number
                        """,
                )
            )
        }
    }

    /// How many jobs are in each state.
    package func counts() throws -> [JobState: Int] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT state, COUNT(*) AS n FROM jobs WHERE deletedAt IS NULL GROUP BY state
                    """,
            )
            return rows.reduce(into: [:]) { counts, row in
                if let state = JobState(rawValue: row["state"]) { counts[state] = row["n"] }
            }
        }
    }

    func fetch(_ id: JobID, _ db: Database) throws -> Job? {
        let text = try String.fetchOne(
            db,
            sql: "SELECT document FROM jobs WHERE id = ? AND deletedAt IS NULL",
            arguments: [id.rawValue],
        )
        return try text.map { try JSON.read(Job.self, from: Data($0.utf8)) }
    }

    /// Stores `job` with its next revision, and makes it what a reader will get (times are kept in milliseconds).
    func save(_ job: inout Job, _ db: Database) throws {
        job.revision += 1
        let document = try JSON.data(job)
        try db.execute(
            sql: "UPDATE jobs SET state = ?, document = ? WHERE id = ?",
            arguments: [
                job.state.rawValue, String(decoding: document, as: UTF8.self), job.id.rawValue,
            ],
        )
        job = try JSON.read(Job.self, from: document)
    }

    func append(_ events: [NewEvent], to job: inout Job, _ db: Database) throws {
        guard !events.isEmpty else { return }
        let insert = try db.cachedStatement(
            sql: "INSERT INTO events (job, seq, ts, attempt, type, data) VALUES (?, ?, ?, ?, ?, ?)"
        )
        let publish = try db.cachedStatement(sql: "INSERT INTO feed (job, seq) VALUES (?, ?)")
        for event in events {
            job.lastSeq += 1
            try insert.execute(arguments: [
                job.id.rawValue, job.lastSeq, event.ts, job.attempt, event.type,
                try JSON.text(event.data),
            ])
            tally.note(event, of: job)
            if !EventType.details.contains(event.type) {
                try publish.execute(arguments: [job.id.rawValue, job.lastSeq])
            }
        }
    }

    func decode(_ documents: [String]) throws -> [Job] {
        try documents.map { try JSON.read(Job.self, from: Data($0.utf8)) }
    }
}

// Attempts
extension JobStore {
    package func save(_ attempt: Attempt) throws {
        try database.write { db in
            try db.execute(
                sql: """
                    INSERT INTO attempts (job, n, startedAt, document) VALUES (?, ?, ?, ?)
                    ON CONFLICT (job, n) DO UPDATE SET document = excluded.document
                    """,
                arguments: [
                    attempt.job.rawValue, attempt.n, Timestamp.text(attempt.startedAt),
                    try JSON.text(attempt),
                ],
            )
        }
    }

    /// The attempts of a job, oldest first.
    package func attempts(of job: JobID) throws -> [Attempt] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db,
                sql: "SELECT document, heardAt FROM attempts WHERE job = ? ORDER BY n",
                arguments: [job.rawValue],
            )
            return try rows.map { row in
                let document: String = row["document"]
                var attempt = try JSON.read(Attempt.self, from: Data(document.utf8))
                let heardAt: String? = row["heardAt"]
                attempt.heardAt = heardAt.flatMap(Timestamp.date)
                return attempt
            }
        }
    }
}

extension JSON {
    static func text(_ value: some Encodable) throws -> String {
        String(decoding: try data(value), as: UTF8.self)
    }
}
