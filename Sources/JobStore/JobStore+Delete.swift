// Forgetting a job: first in the store, in one transaction, then on the disk. A crash between the two leaves a folder that
// the next start removes.

import Configs
import Foundation
import GRDB
package import Jobs

extension JobStore {
    /// The unfinished jobs that need what `id` made.
    package func users(of id: JobID) throws -> [JobID] {
        let checkpoints = try Set(checkpoints(of: id, limit: 100_000).elements.map(\.id))
        let architectures = try Set(architectures(of: id, limit: 100_000).elements.map(\.hash))
        return try jobs(in: Set(JobState.allCases.filter { !$0.isTerminal })).filter { job in
            if job.forkOf == id, job.restart?.checkpoint != nil { return true }
            guard case .success(let spec) = JobSpec.resolve(kind: job.kind, job.spec) else {
                return false
            }
            return job.needs.contains(id)
                || spec.references.contains { need in
                    guard case .id(let name) = need.reference else { return false }
                    return checkpoints.contains(name) || architectures.contains(name)
                }
        }.map(\.id)
    }

    /// Forgets an ended job, its events, attempts and candidates, and, unless `keepsFiles`, its checkpoints and folder.
    /// - Throws: `StoreError.noSuchJob`; `JobError` when it has not ended.
    package func delete(_ id: JobID, keepsFiles: Bool) throws {
        try database.write { db in
            guard let job = try fetch(id, db) else { throw StoreError.noSuchJob(id) }
            guard job.state.isTerminal else {
                throw JobError.illegalMove(from: job.state, to: .cancelled)
            }
            for table in ["events", "feed", "attempts", "candidates", "followed"]
                + (keepsFiles ? [] : ["checkpoints"])
            {
                try db.execute(
                    sql: "DELETE FROM \(table) WHERE job = ?",
                    arguments: [id.rawValue],
                )
            }
            try db.execute(
                sql: "UPDATE jobs SET deletedAt = ?, keepsFiles = ? WHERE id = ?",
                arguments: [Timestamp.text(Date()), keepsFiles, id.rawValue],
            )
        }
        changes.signal([id])
        if !keepsFiles { try? FileManager.default.removeItem(atPath: runDirectory(of: id).path) }
    }

    /// Removes the folders of deleted jobs, the files of checkpoints that are no more, those of uploads and imports that
    /// came to nothing, and folders of data sets that were not unpacked in full.
    package func removeLeftovers() throws {
        try settleRemovedFiles()
        try removeUnknownFiles()
        try removeUnknownDatasets()
        let ids = try database.read { db in
            try String.fetchAll(
                db,
                sql: "SELECT id FROM jobs WHERE deletedAt IS NOT NULL AND NOT keepsFiles",
            )
        }
        for id in ids.compactMap(JobID.init(rawValue:)) {
            try? FileManager.default.removeItem(atPath: runDirectory(of: id).path)
        }
    }
}
