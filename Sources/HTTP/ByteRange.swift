// Which part of a file a request asks for: Range, If-Range and If-None-Match (RFC 9110, sections 13 and 14).

/// What a GET or HEAD of a file is answered with.
enum FileAnswer: Equatable {
    case whole
    case part(Range<Int64>)
    case notModified
    case unsatisfiable

    /// - Parameters:
    ///   - size: the file's length in bytes.
    ///   - etag: its strong validator, without quotes.
    init(method: String, headers: HTTPHeaders, size: Int64, etag: String) {
        let quoted = "\"\(etag)\""
        if headers.holds(etag: quoted) {
            self = .notModified
            return
        }
        let ranges = headers.values(of: "Range")
        // A strong comparison: only the same bytes may be joined with those that the client has.
        let holdsThis = headers["If-Range"].map { $0 == quoted } ?? true
        guard method == "GET", holdsThis, ranges.count == 1, let wanted = ByteRange(ranges[0])
        else {
            self = .whole
            return
        }
        self = wanted.within(size).map(FileAnswer.part) ?? .unsatisfiable
    }
}

extension HTTPHeaders {
    /// Whether a request's `If-None-Match` names the tag (in quotes), by weak comparison: the client may have it
    /// with `W/` before it, as it was sent with compressed content.
    package func holds(etag: String) -> Bool {
        values(of: "If-None-Match").flatMap(\.listMembers).contains {
            $0 == "*" || $0 == etag || $0 == "W/" + etag
        }
    }
}

/// One range of bytes, as it was asked for.
enum ByteRange: Equatable {
    case from(Int64, through: Int64)
    case last(Int64)

    /// Reads `bytes=0-9`, `bytes=10-` or `bytes=-10`; numbers past an Int64 count as its largest. Nil for
    /// anything else, several ranges included: such a field is ignored and the whole file sent.
    init?(_ field: String) {
        let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, String(parts[0]).equalsIgnoringCase("bytes") else { return nil }
        let ends = parts[1].trimmedOfBlanks.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy(\.isDigit) }) else {
            return nil
        }
        let first = ends[0].isEmpty ? nil : Int64(ends[0]) ?? .max
        let last = ends[1].isEmpty ? nil : Int64(ends[1]) ?? .max
        switch (first, last) {
        case (let first?, nil): self = .from(first, through: .max)
        case (let first?, let last?) where first <= last: self = .from(first, through: last)
        case (nil, let count?): self = .last(count)
        default: return nil
        }
    }

    /// The part of a file of `size` bytes, or nil when no byte of it is meant.
    func within(_ size: Int64) -> Range<Int64>? {
        switch self {
        case .from(let first, let last):
            guard first < size else { return nil }
            return first..<(min(last, size - 1) + 1)
        case .last(let count):
            guard count > 0, size > 0 else { return nil }
            return max(0, size - count)..<size
        }
    }
}
