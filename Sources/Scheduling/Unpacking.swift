// An archive becomes a folder: aside first, under its name when all of it is there.

internal import CLinux
internal import Foundation
internal import Glibc
internal import Jobs

/// Unpacks one tar archive, as it is or in gzip.
struct Unpacking {
    private static let pieceSize = 1 << 20

    /// The archive's path.
    var archive: String
    /// The folder to be made: where one is, other than an empty one, nothing is done.
    var target: String
    /// Where it is made, on the same file system; what is there is removed, whatever happens.
    var aside: String
    /// Asked before each piece that is written, with its bytes; throws where they are too many.
    var requireRoom: (Int) throws -> Void = { _ in }
    /// Asked now and then.
    var isWanted: () -> Bool = { true }

    /// Where its only top folder bears the target's name, that folder is left out.
    ///
    /// - Returns: false when it is not wanted any more.
    /// - Throws: `ArchiveError`; `FileError`; what `requireRoom` throws. Then nothing is left.
    func run() throws -> Bool {
        try? FileManager.default.removeItem(atPath: aside)
        defer { try? FileManager.default.removeItem(atPath: aside) }
        try Files.makeFolder(aside)
        let reader = TarReader(try ByteStream(path: archive))
        var entries = 0
        while let entry = try reader.next() {
            if entries % 256 == 0, !isWanted() { return false }
            entries += 1
            try write(entry, of: reader)
        }
        let top = try FileManager.default.contentsOfDirectory(atPath: aside)
        guard !top.isEmpty else { throw ArchiveError("there is nothing in it") }
        let name = (target as NSString).lastPathComponent
        let source = top == [name] && isFolder("\(aside)/\(name)") ? "\(aside)/\(name)" : aside
        try syncAll()
        guard rename(source, target) == 0 else { throw FileError("rename", target) }
        try Files.sync((target as NSString).deletingLastPathComponent)
        return true
    }

    private func write(_ entry: TarEntry, of reader: TarReader) throws {
        // `.` itself.
        guard !entry.path.isEmpty else { return }
        let path = ([aside] + entry.path).joined(separator: "/")
        guard !entry.isFolder else { return try makeFolder(path, for: entry) }
        try makeFolder((path as NSString).deletingLastPathComponent, for: entry)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            guard errno == EEXIST || errno == EISDIR else { throw FileError("create", path) }
            throw ArchiveError("\(entry.shown) is in it twice")
        }
        defer { close(descriptor) }
        while let piece = try reader.content(Self.pieceSize) {
            try requireRoom(piece.count)
            try Files.writeAll(piece, to: descriptor, path: path)
        }
    }

    private func makeFolder(_ path: String, for entry: TarEntry) throws {
        do throws(FileError) {
            try Files.makeFolder(path)
        } catch {
            guard error.errno == ENOTDIR else { throw error }
            throw ArchiveError("\(entry.shown) lies in what is a file")
        }
        guard isFolder(path) else {
            throw ArchiveError("\(entry.shown) is, or lies in, what is a file")
        }
    }

    private func isFolder(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// One flush for all its files instead of one for each.
    private func syncAll() throws {
        let descriptor = open(aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("open", aside) }
        defer { close(descriptor) }
        let problem = cl_sync_file_system(descriptor)
        guard problem == 0 else { throw FileError("sync", aside, errno: problem) }
    }
}
