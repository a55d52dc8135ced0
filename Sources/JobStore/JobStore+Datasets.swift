// Data sets that were registered: what they are called, where their files came from, and what their newest check found.
//
// A check is a job like any other. Whoever submits one of a registered folder, the data set has its result.

import Configs
import Foundation
import GRDB
import Glibc
package import Jobs

extension JobStore {
    /// Where uploads are unpacked: a root like those that the server was given.
    package var unpackFolder: String { folder + "/unpacked" }

    /// Registers a data set, with the job that checks it where its files are there already.
    ///
    /// - Parameters:
    ///   - id: `ds_` and a ULID.
    ///   - files: the job that checks it, or the upload that it is to be made of.
    /// - Throws: `StoreError.datasetExists`; `StoreError.repeatedRequest`; `StoreError.noSuchUpload`. Then nothing is
    ///   stored.
    package func makeDataset(
        id: String,
        name: String,
        folder: String,
        decode: Bool,
        files: DatasetFiles,
        request: NamedRequest? = nil,
    ) throws -> Dataset {
        let now = Date()
        var upload: String?
        if case .upload(let id) = files { upload = id }
        let made = try database.write { db in
            let rival = try Dataset.fetchOne(
                db,
                sql: "SELECT * FROM datasets WHERE name = ? OR folder = ? OR upload = ?",
                arguments: [name, folder, upload],
            )
            if let rival { throw StoreError.datasetExists(rival) }
            if let request { try insert(request, at: now, db) }
            if let upload, try fetchUpload(upload, db)?.storedAt == nil {
                throw StoreError.noSuchUpload(upload)
            }
            try db.execute(
                sql: """
                    INSERT INTO datasets (id, name, folder, unpacked, upload, decode, createdAt)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    id, name, folder, upload != nil, upload, decode, Timestamp.text(now),
                ],
            )
            // After the row: the job finds it by its folder.
            if case .check(let job) = files { _ = try insert(job, at: now, db) }
            return try fetchDataset(id, db)
        }
        guard let made else { throw StoreError.noSuchDataset(id) }
        if let job = made.job { changes.signal([job]) }
        return made
    }

    package func dataset(_ id: String) throws -> Dataset? {
        try database.read { db in try fetchDataset(id, db) }
    }

    /// A data set and its newest check, as of one moment.
    package func checked(_ id: String) throws -> (dataset: Dataset, check: Job?)? {
        try database.read { db in
            guard let dataset = try fetchDataset(id, db) else { return nil }
            return (dataset, try dataset.job.flatMap { try fetch($0, db) })
        }
    }

    /// Oldest first.
    package func datasets() throws -> [Dataset] {
        try database.read { db in
            try Dataset.fetchAll(db, sql: "SELECT * FROM datasets ORDER BY number")
        }
    }

    private func fetchDataset(_ id: String, _ db: Database) throws -> Dataset? {
        try Dataset.fetchOne(db, sql: "SELECT * FROM datasets WHERE id = ?", arguments: [id])
    }

    // MARK: Unpacking

    /// The files of a data set are there, and `check` is to look at them; its upload is no more then.
    /// - Throws: `StoreError.noSuchDataset` when it was deleted meanwhile.
    package func unpacked(_ id: String, check: Job) throws {
        let (job, upload) = try database.write { db in
            guard let dataset = try fetchDataset(id, db) else {
                throw StoreError.noSuchDataset(id)
            }
            try db.execute(sql: "UPDATE datasets SET upload = NULL WHERE id = ?", arguments: [id])
            try db.execute(sql: "DELETE FROM uploads WHERE id = ?", arguments: [dataset.upload])
            return (try insert(check, at: Date(), db), dataset.upload)
        }
        changes.signal([job.id])
        // If this fails the next start removes it.
        if let upload { unlink("\(uploadFolder)/\(upload)") }
    }

    /// A data set could not be unpacked; its upload stays, for another one.
    package func failDataset(_ id: String, _ reason: String) throws {
        try database.write { db in
            try db.execute(
                sql: "UPDATE datasets SET failure = ?, upload = NULL WHERE id = ?",
                arguments: [reason, id],
            )
        }
    }

    // MARK: Checks

    func noteSubmitted(check job: Job, _ db: Database) throws {
        guard job.kind == .datasetCheck, let folder = job.spec["dataset"]?.string else { return }
        try db.execute(
            sql: "UPDATE datasets SET job = ? WHERE folder = ?",
            arguments: [job.id.rawValue, folder],
        )
    }

    /// Of two checks the one that was submitted later counts, whenever it ends.
    func noteSucceeded(check job: Job, at ts: String, _ db: Database) throws {
        guard job.kind == .datasetCheck, let folder = job.spec["dataset"]?.string,
            let found = job.outputs?.metrics
        else { return }
        try db.execute(
            sql: """
                UPDATE datasets SET result = ?, checkedBy = ?, checkedAt = ?
                WHERE folder = ? AND (checkedBy IS NULL OR checkedBy < ?)
                """,
            arguments: [try JSON.text(found), job.id.rawValue, ts, folder, job.id.rawValue],
        )
    }

    // MARK: Deleting

    /// Forgets a data set. A folder that was unpacked for it gets a hidden name, under which whoever calls removes it.
    ///
    /// - Returns: where that is; nil where there is none.
    /// - Throws: `StoreError.noSuchDataset`; `StoreError.referenced` while unfinished jobs read it.
    package func deleteDataset(_ id: String) throws -> String? {
        let dataset = try database.write { db in
            guard let dataset = try fetchDataset(id, db) else {
                throw StoreError.noSuchDataset(id)
            }
            let users = try unfinishedJobs(db).filter { job in
                guard case .success(let spec) = JobSpec.resolve(kind: job.kind, job.spec) else {
                    return false
                }
                return spec.datasets.contains { $0.dataset == dataset.folder }
            }
            guard users.isEmpty else {
                throw StoreError.referenced(users.map { Referrer(job: $0.id, reason: .input) })
            }
            try db.execute(sql: "DELETE FROM datasets WHERE id = ?", arguments: [id])
            return dataset
        }
        // Not while its files are still to come: whoever unpacks them sees that it is gone.
        guard dataset.unpacked, !dataset.isBeingUnpacked else { return nil }
        let hidden = "\(unpackFolder)/.gone-\(id)"
        // Should this fail, or not be reached, the next start removes the folder.
        return rename("\(unpackFolder)/\(dataset.folder)", hidden) == 0 ? hidden : nil
    }

    /// Removes what was unpacked in part, and what was to be removed, before a crash.
    func removeUnknownDatasets() throws {
        let known = try database.read { db in
            try String.fetchSet(
                db,
                sql: "SELECT folder FROM datasets WHERE unpacked AND upload IS NULL",
            )
        }
        let files = FileManager.default
        for name in (try? files.contentsOfDirectory(atPath: unpackFolder)) ?? []
        where !known.contains(name) {
            try? files.removeItem(atPath: "\(unpackFolder)/\(name)")
        }
    }
}

/// Where the files of a new data set are.
package enum DatasetFiles: Sendable {
    /// Below a root; this job checks them.
    case check(Job)
    /// In an upload, by its id.
    case upload(String)
}
