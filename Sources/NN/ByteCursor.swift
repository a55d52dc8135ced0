// Reading a file of unknown intent from front to back: no read passes the end.

/// A place in a file's bytes.
struct ByteCursor {
    let bytes: UnsafeRawBufferPointer
    /// The file's name, for errors.
    let file: String
    private(set) var offset: Int

    init(_ bytes: UnsafeRawBufferPointer, file: String, offset: Int = 0) {
        self.bytes = bytes
        self.file = file
        self.offset = offset
    }

    var remaining: Int { bytes.count - offset }

    /// The byte at the cursor, which stays; nil at the end.
    var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    /// The next `count` bytes.
    /// - Throws: `CheckpointError.malformed` naming `place` and offset where fewer are left.
    mutating func take(_ count: Int, _ place: String) throws(CheckpointError)
        -> UnsafeRawBufferPointer
    {
        guard count >= 0, count <= remaining else {
            throw error(place, found: "a length of \(count)", allowed: "0 to \(remaining) here")
        }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    /// The next little-endian integer.
    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _: Value.Type,
        _ place: String,
    ) throws(CheckpointError) -> Value {
        Value(
            littleEndian: try take(MemoryLayout<Value>.size, place).loadUnaligned(as: Value.self)
        )
    }

    /// The next byte.
    mutating func byte(_ place: String) throws(CheckpointError) -> UInt8 {
        guard offset < bytes.count else {
            throw error(place, found: "the end of the file", allowed: "a byte")
        }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// Moves past the byte that `peek` showed.
    mutating func skip() { offset = min(offset + 1, bytes.count) }

    /// An error at this place.
    func error(_ place: String, found: String, allowed: String) -> CheckpointError {
        .malformed(
            file: file,
            place: "\(place) (at byte \(offset))",
            found: found,
            allowed: allowed,
        )
    }
}
