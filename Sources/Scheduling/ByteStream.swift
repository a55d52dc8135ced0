// The bytes of a file in order, as they are or out of gzip.

internal import CZlib
internal import Foundation
internal import Jobs

/// Why an archive cannot be unpacked: the place, what is there, what is allowed.
struct ArchiveError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Reads a file from its start to its end; gzip (RFC 1952, also several members in a row) is undone.
final class ByteStream {
    private let file: FileHandle
    private let inflater: Inflater?
    /// What was read and not taken: `piece[next...]`.
    private var piece: Data
    private var next: Int

    /// How much is made at once.
    static let pieceSize = 256 << 10

    init(path: String) throws {
        guard let file = FileHandle(forReadingAtPath: path) else { throw FileError("open", path) }
        self.file = file
        let first = try file.read(upToCount: Self.pieceSize) ?? Data()
        let isGzip = first.starts(with: [0x1f, 0x8b])
        inflater = isGzip ? try Inflater(first) : nil
        piece = isGzip ? Data() : first
        next = piece.startIndex
    }

    deinit { try? file.close() }

    /// Takes up to `count` bytes, fewer only at the end.
    func read(_ count: Int) throws -> Data {
        var taken = Data()
        while taken.count < count {
            if next == piece.endIndex {
                piece = try inflater?.next(from: file) ?? more()
                next = piece.startIndex
                guard !piece.isEmpty else { break }
            }
            let end = min(piece.endIndex, next + (count - taken.count))
            taken += piece[next..<end]
            next = end
        }
        return taken
    }

    private func more() throws -> Data { try file.read(upToCount: Self.pieceSize) ?? Data() }
}

/// zlib's state, which must not move while it is used.
private final class Inflater {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    /// What was not undone yet: `input[start...]`.
    private var input: [UInt8]
    private var start = 0
    private var output = [UInt8](repeating: 0, count: ByteStream.pieceSize)
    private var isBetweenMembers = false

    init(_ first: Data) throws {
        input = Array(first)
        stream.initialize(to: z_stream())
        guard czlib_begin_gunzip(stream) == Z_OK else {
            stream.deallocate()
            throw ArchiveError("gzip: no memory is left")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// The next bytes; none at the end.
    func next(from file: FileHandle) throws -> Data {
        while true {
            if start == input.count {
                input = Array(try file.read(upToCount: ByteStream.pieceSize) ?? Data())
                start = 0
                if input.isEmpty {
                    guard isBetweenMembers else { throw ArchiveError("the gzip file ends early") }
                    return Data()
                }
            }
            if isBetweenMembers {
                // Some writers pad with zeros.
                start = input[start...].firstIndex { $0 != 0 } ?? input.count
                if start == input.count { continue }
                inflateReset(stream)
                isBetweenMembers = false
            }
            let made = try inflate()
            if made > 0 { return Data(output[..<made]) }
        }
    }

    /// - Returns: how many bytes of `output` were made; none where more input is needed.
    private func inflate() throws -> Int {
        var status = Z_OK
        input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.pointee.next_in = source.baseAddress.map { $0 + start }
                stream.pointee.avail_in = uInt(source.count - start)
                stream.pointee.next_out = target.baseAddress
                stream.pointee.avail_out = uInt(target.count)
                status = CZlib.inflate(stream, Z_NO_FLUSH)
                start = source.count - Int(stream.pointee.avail_in)
            }
        }
        guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(status) else {
            throw ArchiveError("the gzip file is damaged")
        }
        isBetweenMembers = status == Z_STREAM_END
        return output.count - Int(stream.pointee.avail_out)
    }
}
