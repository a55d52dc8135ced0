// Bytes that have come in and wait to be read: a queue whose front can be looked at in place.

internal import Glibc

struct Inbox {
    private var storage: [UInt8] = []
    private var start = 0

    var count: Int { storage.count - start }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        storage.append(contentsOf: bytes)
    }

    /// The first `count` bytes, or all.
    func prefix(_ count: Int) -> ArraySlice<UInt8> {
        storage[start..<min(start + count, storage.count)]
    }

    /// Drops the first `count` bytes; there are as many.
    mutating func drop(_ count: Int) {
        start += count
        if start == storage.count {
            // An idle connection holds no memory.
            storage = []
            start = 0
        } else if start > 65_536 {
            storage.removeFirst(start)
            start = 0
        }
    }

    /// The place of the first line feed at or after `offset`, both counted from the front.
    func lineFeed(from offset: Int, before end: Int = .max) -> Int? {
        storage.withUnsafeBytes { bytes in
            let first = start + offset
            let last = min(bytes.count, end == .max ? .max : start + end)
            guard first < last, let base = bytes.baseAddress,
                let found = memchr(base + first, Int32(UInt8.lineFeed), last - first)
            else { return nil }
            return UnsafeRawPointer(found) - base - start
        }
    }

    /// The byte at `offset` from the front.
    subscript(offset: Int) -> UInt8 { storage[start + offset] }
}

/// Finds the end of a head, looking at each byte once however the bytes come in.
struct HeadScanner {
    /// Blank lines before the request line; they are skipped (RFC 9112, section 2.2).
    private(set) var leading = 0
    private var lineStart = 0
    private var scanned = 0

    /// The length of the head with its leading and its closing blank line, or nil while it is not whole.
    ///
    /// - Throws: 400 for a line feed without a carriage return, 431 past `limit` bytes.
    mutating func scan(_ inbox: Inbox, limit: Int) throws(HTTPProblem) -> Int? {
        while let end = inbox.lineFeed(from: scanned) {
            scanned = end + 1
            guard scanned <= limit else { break }
            guard end > lineStart, inbox[end - 1] == .carriageReturn else {
                throw .malformed("a line of the head ends in LF without CR")
            }
            let isBlank = end - 1 == lineStart
            if isBlank, lineStart > leading { return scanned }
            lineStart = scanned
            if isBlank { leading = scanned }
        }
        scanned = max(scanned, inbox.count)
        guard inbox.count <= limit else {
            throw .tooLargeFields("the head is longer than \(limit) bytes")
        }
        return nil
    }
}
