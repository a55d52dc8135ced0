// Writing that survives a crash: aside, synced, renamed.

package import Foundation
import Glibc

/// A file operation that the system refused.
package struct FileError: Error, Equatable, CustomStringConvertible {
    package let operation: String
    package let path: String
    package let errno: Int32

    package init(_ operation: String, _ path: String, errno: Int32 = Glibc.errno) {
        self.operation = operation
        self.path = path
        self.errno = errno
    }

    /// Whether the disk, or a quota on it, is full, or a limit on file sizes reached.
    package var isDiskFull: Bool { [ENOSPC, EDQUOT, EFBIG].contains(errno) }

    package var description: String {
        "cannot \(operation) \(path): \(String(cString: strerror(errno)))"
    }
}

package enum Files {
    /// Writes `data` beside `path`, syncs it, renames it over `path` and syncs the folder: a reader sees
    /// the old content or the new, also after a power cut.
    package static func replace(_ path: String, with data: Data) throws(FileError) {
        let aside = "\(path).\(getpid()).tmp"
        do throws(FileError) {
            try write(data, to: aside)
            guard rename(aside, path) == 0 else { throw FileError("rename", aside) }
        } catch {
            unlink(aside)
            throw error
        }
        try sync((path as NSString).deletingLastPathComponent)
    }

    /// Syncs a file that is whole, then gives it its name.
    package static func publish(_ aside: String, to path: String) throws(FileError) {
        try sync(aside, flags: O_RDONLY)
        guard rename(aside, path) == 0 else { throw FileError("rename", aside) }
    }

    /// Makes `path` and the folders above it.
    package static func makeFolder(_ path: String, mode: mode_t = 0o755) throws(FileError) {
        guard mkdir(path, mode) != 0, errno != EEXIST else { return }
        guard errno == ENOENT, path != "/", !path.isEmpty else { throw FileError("make", path) }
        try makeFolder((path as NSString).deletingLastPathComponent)
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileError("make", path) }
    }

    /// Makes a folder's entries (new names, renames) survive a power cut.
    package static func sync(_ folder: String) throws(FileError) {
        try sync(folder, flags: O_RDONLY | O_DIRECTORY)
    }

    private static func sync(_ path: String, flags: Int32) throws(FileError) {
        let descriptor = open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileError("sync", path) }
    }

    private static func write(_ data: Data, to path: String) throws(FileError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError("create", path) }
        defer { close(descriptor) }
        try writeAll(data, to: descriptor, path: path)
        guard fsync(descriptor) == 0 else { throw FileError("sync", path) }
    }

    /// Writes every byte, or says why not.
    package static func writeAll(
        _ data: Data,
        to descriptor: Int32,
        path: String,
    ) throws(FileError) {
        var rest = data[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if written < 0 {
                if errno == EINTR { continue }
                throw FileError("write", path)
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Up to `count` bytes from `offset`; nil where there is no such file.
    package static func read(
        _ path: String,
        from offset: Int,
        count: Int,
    ) throws(FileError) -> Data? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw FileError("open", path)
        }
        defer { close(descriptor) }
        var data = Data(count: count)
        let got = data.withUnsafeMutableBytes {
            pread(descriptor, $0.baseAddress, $0.count, offset)
        }
        guard got >= 0 else { throw FileError("read", path) }
        return data.prefix(got)
    }
}
