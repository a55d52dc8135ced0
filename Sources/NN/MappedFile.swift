// A file as read-only memory.

import Foundation

/// A regular file mapped into memory for reading, for as long as this object lives.
///
/// A file that another process shortens while it is mapped ends this process with SIGBUS when the
/// lost part is read: checkpoints are replaced by renaming, never shortened.
// Sendable without a lock: the memory is never written, and is given back by `deinit` alone.
final class MappedFile: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    /// - Throws: `CheckpointError.unreadable` for a missing file, a folder, a pipe, or no permission.
    init(_ url: URL) throws(CheckpointError) {
        let path = url.path(percentEncoded: false)
        func failure(_ reason: String) -> CheckpointError {
            .unreadable(file: path, reason: reason)
        }
        // O_NONBLOCK: opening a pipe must not wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw failure(String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw failure("not a regular file") }
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
            memory != MAP_FAILED
        else { throw failure(String(cString: strerror(errno))) }
        bytes = UnsafeRawBufferPointer(start: memory, count: size)
    }

    deinit {
        guard let start = bytes.baseAddress else { return }
        munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
}
