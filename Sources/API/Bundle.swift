// Files as one tar stream (POSIX ustar), read as fast as the client takes them.

internal import Foundation
internal import Glibc
internal import HTTP
internal import Jobs
internal import SearchSpaces

/// Some files and texts under one folder name.
struct Bundle {
    enum Content {
        case bytes(Data)
        /// A file of so many bytes.
        case file(String, bytes: Int)
        case temporary(TemporaryFile)

        var count: Int {
            switch self {
            case .bytes(let data): data.count
            case .file(_, let bytes): bytes
            case .temporary(let file): file.bytes
            }
        }
    }

    /// The largest file that ustar can tell of: 11 octal digits.
    static let mostBytes = 0o77777777777

    private(set) var entries: [(name: String, content: Content)] = []

    /// - Parameter name: at most 100 bytes of ASCII.
    mutating func add(_ name: String, _ content: Content) {
        guard name.utf8.count <= 100, content.count <= Bundle.mostBytes else { return }
        entries.append((name, content))
    }

    /// The 512 bytes before an entry's content.
    static func header(_ name: String, bytes: Int, at date: Date) -> Data {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(name, at: 0)
        put(octal(0o644, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(bytes, 11), at: 124)
        put(octal(max(0, Int(date.timeIntervalSince1970)), 11), at: 136)
        put("        ", at: 148)
        put("0", at: 156)
        put("ustar\u{0}00", at: 257)
        let sum = block.reduce(0) { $0 + Int($1) }
        put(octal(sum, 6) + "\u{0} ", at: 148)
        return Data(block)
    }

    static func padding(after bytes: Int) -> Data {
        Data(count: (512 - bytes % 512) % 512)
    }
}

/// Sends a bundle; nothing is read before the client has taken what was sent.
///
/// `@unchecked Sendable`: what changes is used on `queue` alone.
final class BundleStream: @unchecked Sendable {
    private static let pieceSize = 1 << 18

    private let stream: any HTTPStream
    private let queue: DispatchQueue
    private let made: Date
    private var rest: ArraySlice<(name: String, content: Bundle.Content)>
    private var file: (handle: FileHandle, left: Int, bytes: Int)?
    private var isOver = false

    init(_ bundle: Bundle, to stream: any HTTPStream, queue: DispatchQueue, at date: Date) {
        self.stream = stream
        self.queue = queue
        made = date
        rest = bundle.entries[...]
    }

    func start() {
        queue.async { [self] in
            // Not whole, also when the server stops.
            stream.onClose { [self] in queue.async { self.giveUp() } }
            pump()
        }
    }

    private func pump() {
        guard !isOver else { return }
        guard let piece = next() else { return giveUp() }
        guard stream.write(piece) else { return }
        if isOver { return stream.end() }
        stream.whenSent { [self] in queue.async { self.pump() } }
    }

    private func giveUp() {
        guard !isOver else { return }
        isOver = true
        stream.abort()
    }

    /// What is sent next; nil when a file is not there as it should be.
    private func next() -> Data? {
        if let (handle, left, bytes) = file {
            let count = min(left, BundleStream.pieceSize)
            guard let piece = try? handle.read(upToCount: count), !piece.isEmpty else { return nil }
            guard piece.count == left else {
                file = (handle, left - piece.count, bytes)
                return piece
            }
            try? handle.close()
            file = nil
            return piece + Bundle.padding(after: bytes)
        }
        guard let (name, content) = rest.popFirst() else {
            isOver = true
            return Data(count: 1024)
        }
        let header = Bundle.header(name, bytes: content.count, at: made)
        switch content {
        case .bytes(let data):
            return header + data + Bundle.padding(after: data.count)
        case .file(let path, let bytes):
            guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
            if bytes > 0 { file = (handle, bytes, bytes) }
            return header
        case .temporary(let made):
            if made.bytes > 0 { file = (made.handle, made.bytes, made.bytes) }
            return header
        }
    }
}

/// A text that is made as a file without a name, so that nothing stays of it; hashed as it is written.
final class TemporaryFile {
    let handle: FileHandle
    private(set) var bytes = 0
    private(set) var digest = SHA256()
    private var pending = Data()
    private static let pieceSize = 1 << 16

    /// - Throws: `FileError` where nothing can be written to `folder`.
    init(in folder: String) throws {
        let path = "\(folder)/\(UUID().uuidString)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0, unlink(path) == 0 else { throw FileError("make", path) }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    func append(_ text: String) throws {
        pending.append(contentsOf: text.utf8)
        if pending.count >= TemporaryFile.pieceSize { try write() }
    }

    /// Nothing is added after; what is read comes from the start.
    func finish() throws {
        try write()
        try handle.seek(toOffset: 0)
    }

    private func write() throws {
        try handle.write(contentsOf: pending)
        digest.update(pending)
        bytes += pending.count
        pending.removeAll(keepingCapacity: true)
    }
}
