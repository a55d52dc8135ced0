// Checkpoints that any program can read: safetensors, mapped into memory.

package import Foundation

/// A safetensors file, its header checked in full before the first tensor is handed out.
///
/// The file is mapped, not read: a checkpoint of any size costs the pages that are looked at.
/// Should another process shorten the file meanwhile, touching the lost part ends this process
/// (SIGBUS); the writer here replaces files by renaming, which is safe.
package final class SafeTensorsFile: Sendable {
    package let url: URL
    /// In the order of their bytes.
    package let records: [TensorRecord]
    /// The header's `__metadata__`.
    package let metadata: [String: String]
    private let index: [String: Int]
    private let dataStart: Int
    private let mapped: MappedFile

    /// Maps the file and checks its header.
    ///
    /// - Throws: `CheckpointError` naming file, tensor, value and what is allowed: for a length
    ///   beyond the file, ill-formed JSON, an unknown type, a range that is not what type and shape
    ///   take, and ranges that overlap, leave holes or do not end with the file.
    package init(_ url: URL) throws(CheckpointError) {
        let mapped = try MappedFile(url)
        let header = try SafeTensorsHeader(mapped.bytes, file: url.path(percentEncoded: false))
        self.url = url
        self.mapped = mapped
        records = header.records
        metadata = header.metadata
        dataStart = header.dataStart
        index = Dictionary(
            header.records.enumerated().map { ($1.name, $0) },
            uniquingKeysWith: { first, _ in first },
        )
    }

    /// The tensor called `name`, or nil.
    package subscript(name: String) -> TensorRecord? { index[name].map { records[$0] } }

    /// The tensor's bytes: row-major, little-endian, valid while this object lives, and not always
    /// aligned to the element size (files of other writers need not be). Nil where there is none.
    package func bytes(of name: String) -> UnsafeRawBufferPointer? {
        guard let range = self[name]?.range else { return nil }
        return UnsafeRawBufferPointer(
            rebasing: mapped.bytes[dataStart + range.lowerBound..<dataStart + range.upperBound]
        )
    }

    /// Calls `body` with the bytes of the tensor called `name`, as `bytes(of:)` describes them.
    ///
    /// - Throws: what `body` throws, and `CheckpointError.malformed` where there is no such tensor.
    package func withBytes<Result>(
        of name: String,
        _ body: (UnsafeRawBufferPointer) throws -> Result,
    ) throws -> Result {
        try withExtendedLifetime(self) {
            guard let bytes = bytes(of: name) else {
                throw CheckpointError.malformed(
                    file: url.path(percentEncoded: false),
                    place: "tensor \(CheckpointError.quoted(name))",
                    found: "no such tensor",
                    allowed: "one of the \(records.count) in the file",
                )
            }
            return try body(bytes)
        }
    }

    /// Calls `body` with the bytes of `record`, one of `records`.
    package func withBytes<Result>(
        of record: TensorRecord,
        _ body: (UnsafeRawBufferPointer) throws -> Result,
    ) throws -> Result {
        try withBytes(of: record.name, body)
    }
}
