// Files that clients send: first announced, then stored whole under their id, then taken by what needs them.

import Foundation
import GRDB
import Glibc
import Jobs

extension JobStore {
    /// The most uploads that are kept at once.
    package static let mostUploads = 1000

    /// Where bodies are stored while they come, and uploads until they are taken.
    package var uploadFolder: String { folder + "/uploads" }

    /// Where the upload lies when it is whole. The id is one of the store's, never of a request.
    package func path(of upload: Upload) -> String { "\(uploadFolder)/\(upload.id)" }

    /// Announces an upload.
    ///
    /// - Parameters:
    ///   - id: `up_` and a ULID.
    ///   - bytes: how many there will be, where that is known; so with `sha256`.
    /// - Returns: nil when there are `mostUploads`.
    /// - Throws: `StoreError.repeatedRequest` where a request of that name was taken before.
    package func makeUpload(
        id: String,
        name: String,
        bytes: Int?,
        sha256: String?,
        request: NamedRequest? = nil,
    ) throws -> Upload? {
        let now = Date()
        return try database.write { db in
            let count = try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM uploads") ?? 0
            guard count < JobStore.mostUploads else { return nil }
            if let request { try insert(request, at: now, db) }
            try db.execute(
                sql: """
                    INSERT INTO uploads (id, name, bytes, sha256, createdAt) VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [id, name, bytes, sha256, Timestamp.text(now)],
            )
            return try fetchUpload(id, db)
        }
    }

    package func upload(_ id: String) throws -> Upload? {
        try database.read { db in try fetchUpload(id, db) }
    }

    func fetchUpload(_ id: String, _ db: Database) throws -> Upload? {
        try Upload.fetchOne(db, sql: "SELECT * FROM uploads WHERE id = ?", arguments: [id])
    }

    /// Uploads, newest first.
    package func uploads(after: ListCursor? = nil, limit: Int) throws -> Page<Upload> {
        var filter = Filter()
        if let after { filter.add("number < ?", after.number) }
        return try page(
            "SELECT * FROM uploads \(filter.text) ORDER BY number DESC",
            filter,
            limit,
        ) { ListCursor(number: $0.number) }
    }

    /// Notes that the file of an upload is in its place.
    ///
    /// - Returns: nil when it was deleted meanwhile; its file is then removed.
    package func completeUpload(_ id: String, bytes: Int, sha256: String) throws -> Upload? {
        try database.write { db in
            try db.execute(
                sql: """
                    UPDATE uploads SET bytes = ?, sha256 = ?, storedAt = ?
                    WHERE id = ? AND storedAt IS NULL
                    """,
                arguments: [bytes, sha256, Timestamp.text(Date()), id],
            )
            guard let upload = try fetchUpload(id, db) else {
                unlink("\(uploadFolder)/\(id)")
                return nil
            }
            return upload
        }
    }

    /// Forgets an upload and removes its file.
    /// - Returns: false when there is none.
    package func deleteUpload(_ id: String) throws -> Bool {
        try database.write { db in
            guard let upload = try fetchUpload(id, db) else { return false }
            try remove(path(of: upload))
            try db.execute(sql: "DELETE FROM uploads WHERE id = ?", arguments: [id])
            return true
        }
    }

    /// Removes a file that may be gone already. Whoever has it open keeps it.
    func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw FileError("remove", path) }
    }

    /// Removes bodies that were cut off, and the files of uploads and imports that were not recorded before a crash;
    /// and forgets uploads whose file is gone.
    func removeUnknownFiles() throws {
        let files = FileManager.default
        let (stored, imported) = try database.read { db in
            (
                try String.fetchSet(db, sql: "SELECT id FROM uploads WHERE storedAt IS NOT NULL"),
                try String.fetchSet(db, sql: "SELECT path FROM checkpoints WHERE job IS NULL"),
            )
        }
        for (folder, known) in [(uploadFolder, stored), (importFolder, imported)] {
            let names = (try? files.contentsOfDirectory(atPath: folder)) ?? []
            for name in names where !known.contains(name) { unlink("\(folder)/\(name)") }
        }
        let lost = stored.filter {
            !files.fileExists(atPath: "\(uploadFolder)/\($0)")
        }
        guard !lost.isEmpty else { return }
        try database.write { db in
            for id in lost {
                try db.execute(sql: "DELETE FROM uploads WHERE id = ?", arguments: [id])
            }
        }
    }
}
