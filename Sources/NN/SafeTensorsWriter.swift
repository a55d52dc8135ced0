// Writing a checkpoint so that it is there whole or not at all.

package import Foundation
import SearchSpaces

/// A tensor to be written: what it is, and a closure that hands over its bytes when asked.
package struct TensorSource {
    package let name: String
    package let type: ElementType
    package let shape: [Int]
    /// Calls its argument with the tensor's bytes, contiguous, row-major, little-endian; in pieces
    /// if that is easier.
    package let provide: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

    package init(
        name: String,
        type: ElementType,
        shape: [Int],
        provide: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void,
    ) {
        self.name = name
        self.type = type
        self.shape = shape
        self.provide = provide
    }
}

/// Writes safetensors files.
package enum SafeTensorsWriter {
    /// Writes `tensors` beside `url`, then renames: readers meet the old file or the whole new one.
    ///
    /// Equal input gives equal bytes: larger element types come first (every tensor is then aligned,
    /// as PyTorch's reader needs it), names in the order of their UTF-8 within a type, and the header
    /// is padded with spaces to 8 bytes. File and folder are flushed to disk before this returns. One
    /// tensor is in memory at a time. A `NAME.partial` of an earlier attempt is written over.
    ///
    /// - Returns: the SHA-256 of the file in hexadecimal, and its size in bytes.
    /// - Throws: `CheckpointError.unwritable` for a shape or a name that cannot be, a name given
    ///   twice and a tensor of another size than it says; `.diskFull` and `.notWritten`; and what a
    ///   `provide` throws. The partial file is then gone, an older file at `url` untouched.
    package static func write(
        to url: URL,
        metadata: [String: String] = [:],
        tensors: [TensorSource],
    ) throws -> (sha256: String, bytes: Int) {
        let path = url.path(percentEncoded: false)
        let ordered = tensors.sorted {
            $0.type.size != $1.type.size
                ? $0.type.size > $1.type.size
                : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }
        let header = try header(of: ordered, metadata: metadata, file: path)
        let output = try PartialFile(replacing: path)
        do {
            try header.withUnsafeBytes { try output.append($0) }
            for tensor in ordered { try append(tensor, to: output, file: path) }
            try output.finish()
        } catch {
            output.discard()
            throw error
        }
        return (output.hash.finalize().hex, output.count)
    }

    private static func append(_ tensor: TensorSource, to output: PartialFile, file: String) throws
    {
        let start = output.count
        try tensor.provide { try output.append($0) }
        let size = tensor.type.byteCount(of: tensor.shape) ?? 0
        guard output.count - start == size else {
            throw CheckpointError.unwritable(
                file: file,
                place: "tensor \(CheckpointError.quoted(tensor.name))",
                found: "\(output.count - start) bytes",
                allowed: "\(size), which \(tensor.type.rawValue) \(tensor.shape) takes",
            )
        }
    }

    /// The 8 bytes of length and the JSON, padded.
    static func header(
        of tensors: [TensorSource],
        metadata: [String: String],
        file: String,
    ) throws(CheckpointError) -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted {
                $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
            }
            members.append(
                "\"__metadata__\":{"
                    + pairs.map { "\(literal($0.key)):\(literal($0.value))" }.joined(separator: ",")
                    + "}"
            )
        }
        var end = 0
        var names: Set<String> = []
        for tensor in tensors {
            let place = "tensor \(CheckpointError.quoted(tensor.name))"
            guard tensor.name != "__metadata__", names.insert(tensor.name).inserted else {
                throw .unwritable(
                    file: file,
                    place: place,
                    found: "the name twice or reserved",
                    allowed: "names that differ, other than `__metadata__`",
                )
            }
            let start = end
            let (sum, overflow) = start.addingReportingOverflow(
                tensor.type.byteCount(of: tensor.shape) ?? Int.max
            )
            guard !overflow, tensor.type.byteCount(of: tensor.shape) != nil else {
                throw .unwritable(
                    file: file,
                    place: place,
                    found: "the shape \(tensor.shape)",
                    allowed: "dimensions from 0, fewer than 2^63 bytes in all",
                )
            }
            end = sum
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            members.append(
                "\(literal(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\","
                    + "\"shape\":[\(shape)],\"data_offsets\":[\(start),\(end)]}"
            )
        }
        var json = Array("{\(members.joined(separator: ","))}".utf8)
        json += [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8)
        guard json.count <= SafeTensorsHeader.maximumLength else {
            throw .unwritable(
                file: file,
                place: "header",
                found: "\(json.count) bytes",
                allowed: "at most \(SafeTensorsHeader.maximumLength)",
            )
        }
        return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
    }

    /// `text` as a JSON string.
    private static func literal(_ text: String) -> String {
        var json = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": json += "\\\""
            case "\\": json += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: json.unicodeScalars.append(scalar)
            }
        }
        return json + "\""
    }
}

/// `NAME.partial`, which becomes `NAME` when it is whole.
private final class PartialFile {
    private(set) var hash = SHA256()
    private(set) var count = 0
    private let path: String
    private var partial: String { "\(path).partial" }
    private var descriptor: Int32

    init(replacing path: String) throws(CheckpointError) {
        self.path = path
        descriptor = -1
        descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure() }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func append(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = Foundation.write(descriptor, rest.baseAddress, rest.count)
            if written < 0 {
                if errno == EINTR { continue }
                throw failure()
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
        hash.update(bytes)
        count += bytes.count
    }

    /// Flushes, renames, and flushes the folder, so that the name outlives a power cut.
    func finish() throws(CheckpointError) {
        guard fsync(descriptor) == 0 else { throw failure() }
        let closed = close(descriptor)
        descriptor = -1
        guard closed == 0, rename(partial, path) == 0 else { throw failure() }
        let folder = (path as NSString).deletingLastPathComponent
        let handle = open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw failure() }
        defer { close(handle) }
        // EINVAL: a file system that cannot flush folders.
        guard fsync(handle) == 0 || errno == EINVAL else { throw failure() }
    }

    func discard() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        unlink(partial)
    }

    /// The last error of the system's.
    private func failure() -> CheckpointError {
        [ENOSPC, EDQUOT, EFBIG].contains(errno)
            ? .diskFull(file: path)
            : .notWritten(file: path, reason: String(cString: strerror(errno)))
    }
}
