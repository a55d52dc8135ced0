// A copy of a data directory that can be made while a server works on it, and that becomes one again.
//
// First the database, as of one moment; then the run directories, as they are a little later. For the store that is like
// a crash in between: it reads on in the events from where the copy stands. The list of files comes last of all: a
// backup without it is not whole.

import Configs
package import Foundation
import GRDB
import Glibc
package import Jobs
import SearchSpaces

/// `backup.json`: every file of a backup, with its content's digest.
struct BackupManifest: Codable {
    struct File: Codable {
        /// Within the data directory, and within the backup.
        var path: String
        var sha256: String
        var bytes: Int
    }

    static let currentFormat = 1
    static let name = "backup.json"

    var format = BackupManifest.currentFormat
    var createdAt: Date
    /// The data directory, as it was called.
    var folder: String
    /// The database last.
    var files: [File]
}

package enum BackupError: Error, Equatable, CustomStringConvertible {
    case noDatabase(folder: String)
    case notEmpty(folder: String)
    /// `backup.json` is missing or of another format.
    case notWhole(folder: String, String)
    case damaged(folder: String, files: [String])

    package var description: String {
        switch self {
        case .noDatabase(let folder):
            "\(folder) is no data directory: it has no detnas.db"
        case .notEmpty(let folder):
            "\(folder) is not empty; name a folder that is empty or not there yet"
        case .notWhole(let folder, let reason):
            "\(folder) is no whole backup: \(reason); use one that `detnas backup` finished"
        case .damaged(let folder, let files):
            "\(files.count) files of the backup \(folder) are missing or not what they were, among them "
                + files.prefix(3).joined(separator: ", ")
        }
    }
}

/// What was copied.
package struct BackupReport: Equatable, Sendable {
    package var jobs = 0
    package var files = 0
    package var bytes = 0
    /// What is not as the database says, in words; the copy is whole but for that.
    package var faults: [String] = []
}

package enum Backup {
    private static let database = "detnas.db"
    /// Of checkpoints that no job made.
    private static let imports = "checkpoints"

    /// Copies the data directory `folder` into `target`, which is empty or not there yet. Checkpoints are linked where
    /// both are on one file system: nobody ever changes one.
    package static func make(of folder: String, in target: String) throws -> BackupReport {
        guard FileManager.default.fileExists(atPath: "\(folder)/\(database)") else {
            throw BackupError.noDatabase(folder: folder)
        }
        try makeEmpty(target)
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            let live = try DatabaseQueue(
                path: "\(folder)/\(database)",
                configuration: configuration,
            )
            try live.vacuum(into: "\(target)/\(database)")
            let copy = try DatabaseQueue(path: "\(target)/\(database)")
            var report = BackupReport()
            var files: [BackupManifest.File] = []
            for job in try jobs(in: copy) {
                files += try copyRun("runs/\(job)", from: folder, to: target)
                report.jobs += 1
            }
            files += try copyImports(from: folder, to: target)
            // Uploads that nothing was made of are not copied.
            try copy.write { try $0.execute(sql: "DELETE FROM uploads") }
            report.faults = try check(copy, against: live, files)
            try copy.close()
            files.append(try describe(database, in: target))
            sync()
            let manifest = BackupManifest(createdAt: Date(), folder: folder, files: files)
            try Files.replace("\(target)/\(BackupManifest.name)", with: JSON.data(manifest))
            report.files = files.count
            report.bytes = files.reduce(0) { $0 + $1.bytes }
            return report
        } catch {
            throw JobStore.explained(error, folder)
        }
    }

    /// Makes the data directory `folder`, which is empty or not there yet, from a backup, and checks every file.
    ///
    /// - Parameter leavesOutDamaged: whether checkpoints and other files of jobs that are damaged are left out; otherwise
    ///   nothing is restored then.
    package static func restore(
        _ backup: String,
        into folder: String,
        leavesOutDamaged: Bool = false,
    ) throws -> BackupReport {
        let manifest = try manifest(of: backup)
        try makeEmpty(folder)
        var report = BackupReport()
        var damaged: [String] = []
        do {
            // The database comes last: before that no server starts on it by mistake.
            for file in manifest.files {
                guard let path = RunDirectory(backup).resolve(file.path),
                    let copied = try copy(path, to: "\(folder)/\(file.path)"),
                    copied.sha256 == file.sha256
                else {
                    damaged.append(file.path)
                    continue
                }
                report.files += 1
                report.bytes += file.bytes
            }
            guard damaged.isEmpty || (leavesOutDamaged && !damaged.contains(database)) else {
                throw BackupError.damaged(folder: backup, files: damaged)
            }
            for path in damaged { unlink("\(folder)/\(path)") }
            let restored = try DatabaseQueue(path: "\(folder)/\(database)")
            report.jobs = try jobs(in: restored).count
            try move(restored, from: manifest.folder, to: folder)
            try restored.close()
            sync()
        } catch {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
            }
            throw error
        }
        report.faults = damaged.map { "\($0) is damaged and was left out" }
        return report
    }

    private static func manifest(of backup: String) throws -> BackupManifest {
        guard let data = try? Data(contentsOf: URL(filePath: "\(backup)/\(BackupManifest.name)"))
        else {
            throw BackupError.notWhole(folder: backup, "it has no \(BackupManifest.name)")
        }
        guard let manifest = try? JSON.read(BackupManifest.self, from: data),
            manifest.format == BackupManifest.currentFormat
        else {
            throw BackupError.notWhole(
                folder: backup,
                "its \(BackupManifest.name) is not readable",
            )
        }
        return manifest
    }

    private static func makeEmpty(_ folder: String) throws {
        try Files.makeFolder(folder, mode: 0o700)
        guard try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty else {
            throw BackupError.notEmpty(folder: folder)
        }
    }

    /// The jobs whose folders belong to the store.
    private static func jobs(in database: DatabaseQueue) throws -> [JobID] {
        try database.read { db in
            try String.fetchAll(
                db,
                sql: "SELECT id FROM jobs WHERE deletedAt IS NULL OR keepsFiles ORDER BY number",
            )
        }.compactMap(JobID.init(rawValue:))
    }

    /// Copies what tells of files before the files themselves: what is told of is then there.
    private static func copyRun(
        _ run: String,
        from folder: String,
        to target: String,
    ) throws -> [BackupManifest.File] {
        let source = "\(folder)/\(run)"
        func take(_ path: String, links: Bool) throws -> BackupManifest.File? {
            try Backup.take("\(run)/\(path)", from: folder, to: target, links: links)
        }
        let first = try paths(in: source).filter { !isArtifact($0) }.compactMap {
            try take($0, links: false)
        }
        // Looked at again: what the copied files tell of may be newer than the first look.
        return try first
            + paths(in: source).filter(isArtifact).compactMap { try take($0, links: true) }
    }

    private static func copyImports(
        from folder: String,
        to target: String,
    ) throws -> [BackupManifest.File] {
        try paths(in: "\(folder)/\(imports)").compactMap {
            try take("\(imports)/\($0)", from: folder, to: target, links: true)
        }
    }

    /// Copies one file, or links it where both places are on one file system.
    private static func take(
        _ path: String,
        from folder: String,
        to target: String,
        links: Bool,
    ) throws -> BackupManifest.File? {
        if links {
            try Files.makeFolder(("\(target)/\(path)" as NSString).deletingLastPathComponent)
            if link("\(folder)/\(path)", "\(target)/\(path)") == 0 {
                return try describe(path, in: target)
            }
        }
        return try copy("\(folder)/\(path)", to: "\(target)/\(path)").map {
            BackupManifest.File(path: path, sha256: $0.sha256, bytes: $0.bytes)
        }
    }

    /// Every whole file below `folder`, and the folders.
    private static func paths(in folder: String) -> [String] {
        (FileManager.default.enumerator(atPath: folder)?.allObjects ?? []).compactMap {
            $0 as? String
        }.filter { !$0.hasSuffix(".tmp") && !$0.hasSuffix(".removed") }
    }

    /// Whether `path` in a run directory is a file that nobody changes any more.
    private static func isArtifact(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        return parts.count > 2 && ["checkpoints", "files"].contains(parts[1])
    }

    /// What the copy's rows say that its files do not. Rows that were removed meanwhile are removed from the copy too.
    private static func check(
        _ copy: DatabaseQueue,
        against live: DatabaseQueue,
        _ files: [BackupManifest.File],
    ) throws -> [String] {
        let digests = Dictionary(files.map { ($0.path, $0.sha256) }) { $1 }
        let checkpoints = try copy.read {
            try Checkpoint.fetchAll($0, sql: "SELECT * FROM checkpoints ORDER BY number")
        }
        var faults: [String] = []
        for checkpoint in checkpoints {
            let place = checkpoint.job.map { "runs/\($0)" } ?? imports
            let path = "\(place)/\(checkpoint.path)"
            guard digests[path] != checkpoint.sha256 else { continue }
            let isThere = try live.read {
                try Bool.fetchOne(
                    $0,
                    sql: "SELECT 1 FROM checkpoints WHERE id = ?",
                    arguments: [checkpoint.id],
                ) ?? false
            }
            if isThere {
                let fault = digests[path] == nil ? "is missing" : "is not what it was"
                faults.append("\(checkpoint.id): \(path) \(fault)")
            } else {
                try copy.write {
                    try $0.execute(
                        sql: "DELETE FROM checkpoints WHERE id = ?",
                        arguments: [checkpoint.id],
                    )
                }
            }
        }
        return faults
    }

    /// Jobs that begin at a named file say where it lies.
    private static func move(_ database: DatabaseQueue, from old: String, to new: String) throws {
        try database.write { db in
            let documents = try String.fetchAll(
                db,
                sql: """
                    SELECT document FROM jobs
                    WHERE json_extract(document, '$.restart.checkpoint.path') IS NOT NULL
                    """,
            )
            for document in documents {
                var job = try JSON.read(Job.self, from: Data(document.utf8))
                guard let path = job.restart?.checkpoint?.path, path.hasPrefix(old + "/") else {
                    continue
                }
                job.restart?.checkpoint?.path = new + path.dropFirst(old.count)
                try db.execute(
                    sql: "UPDATE jobs SET document = ? WHERE id = ?",
                    arguments: [try JSON.text(job), job.id.rawValue],
                )
            }
        }
    }

    private static func describe(_ path: String, in folder: String) throws -> BackupManifest.File {
        guard let found = try read("\(folder)/\(path)", { _ in }) else {
            throw FileError("open", "\(folder)/\(path)", errno: ENOENT)
        }
        return .init(path: path, sha256: found.sha256, bytes: found.bytes)
    }

    /// - Returns: nil when `source` is no file, or is gone.
    private static func copy(
        _ source: String,
        to place: String,
    ) throws -> (sha256: String, bytes: Int)? {
        var kind = stat()
        guard stat(source, &kind) == 0, kind.st_mode & S_IFMT == S_IFREG else { return nil }
        try Files.makeFolder((place as NSString).deletingLastPathComponent)
        let descriptor = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError("create", place) }
        defer { close(descriptor) }
        return try read(source) { try Files.writeAll($0, to: descriptor, path: place) }
    }

    /// Reads a file to its end, piece by piece; nil where there is none.
    private static func read(
        _ path: String,
        _ take: (Data) throws -> Void,
    ) throws -> (sha256: String, bytes: Int)? {
        var (hash, offset) = (SHA256(), 0)
        while let data = try Files.read(path, from: offset, count: 1 << 20) {
            guard !data.isEmpty else { return (hash.finalize().hex, offset) }
            hash.update(data)
            try take(data)
            offset += data.count
        }
        return nil
    }
}
