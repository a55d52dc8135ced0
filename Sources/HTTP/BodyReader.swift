// A request's body, of declared length or in chunks (RFC 9112, section 7.1), held to its route's limit.

internal import Foundation

struct BodyReader {
    private enum State {
        case counted(Int)  // bytes that are still to come
        case chunkLine
        case chunk(Int)  // bytes of this chunk that are still to come
        case chunkEnd
        case trailers
        case whole
    }

    /// What came of it and was not taken yet.
    private(set) var body = Data()
    /// All of it that came.
    private var received = 0
    private var state: State
    private let limit: Int
    private let limits: HTTPServer.Limits
    private var trailerBytes = 0

    /// - Throws: 413 when the declared length is past `limit`: by the head alone.
    init(_ framing: BodyFraming, limit: Int, limits: HTTPServer.Limits) throws(HTTPProblem) {
        self.limit = limit
        self.limits = limits
        switch framing {
        case .none: state = .whole
        case .length(let length):
            guard length <= limit else { throw .tooLargeBody(limit: limit) }
            state = length == 0 ? .whole : .counted(length)
        case .chunked: state = .chunkLine
        }
    }

    var isWhole: Bool { if case .whole = state { true } else { false } }

    /// Takes what belongs to the body.
    ///
    /// - Throws: 400 for bad framing, 413 and 431 past a limit.
    mutating func read(_ inbox: inout Inbox) throws(HTTPProblem) {
        while true {
            switch state {
            case .whole: return
            case .counted(let left):
                let taken = take(left, from: &inbox)
                state = taken == left ? .whole : .counted(left - taken)
                if taken < left { return }
            case .chunk(let left):
                let taken = take(left, from: &inbox)
                state = taken == left ? .chunkEnd : .chunk(left - taken)
                if taken < left { return }
            case .chunkEnd:
                guard inbox.count >= 2 else { return }
                guard inbox[0] == .carriageReturn, inbox[1] == .lineFeed else {
                    throw .malformed("a chunk is not followed by CR LF")
                }
                inbox.drop(2)
                state = .chunkLine
            case .chunkLine:
                guard let line = try nextLine(&inbox, limit: limits.chunkLine) else {
                    guard inbox.count < limits.chunkLine + 2 else {
                        throw .malformed("a chunk's line is longer than \(limits.chunkLine) bytes")
                    }
                    return
                }
                let size = try chunkSize(line)
                guard size <= limit - received else { throw .tooLargeBody(limit: limit) }
                state = size == 0 ? .trailers : .chunk(size)
            case .trailers:
                let room = limits.trailers - trailerBytes
                guard let line = try nextLine(&inbox, limit: room) else {
                    guard inbox.count < room + 2 else {
                        throw .tooLargeFields("the trailers exceed \(limits.trailers) bytes")
                    }
                    return
                }
                trailerBytes += line.count + 2
                if line.isEmpty { state = .whole } else { try checkTrailer(line) }
            }
        }
    }

    /// Takes what has come so far.
    mutating func takeBody() -> Data {
        defer { body = Data() }
        return body
    }

    private mutating func take(_ wanted: Int, from inbox: inout Inbox) -> Int {
        let bytes = inbox.prefix(wanted)
        body.append(contentsOf: bytes)
        let count = bytes.count
        received += count
        inbox.drop(count)
        return count
    }

    /// Takes a line of at most `limit` bytes, without its CR LF; nil while it is not whole.
    private func nextLine(
        _ inbox: inout Inbox,
        limit: Int,
    ) throws(HTTPProblem) -> ArraySlice<UInt8>? {
        guard let end = inbox.lineFeed(from: 0, before: limit + 2) else { return nil }
        let line = inbox.prefix(end)
        guard line.last == .carriageReturn else {
            throw .malformed("a line of the body's framing ends in LF without CR")
        }
        inbox.drop(end + 1)
        return line.dropLast()
    }

    private func chunkSize(_ line: ArraySlice<UInt8>) throws(HTTPProblem) -> Int {
        let digits = line.prefix { $0.hexadecimalValue != nil }
        let rest = line.dropFirst(digits.count).drop { $0 == .space || $0 == .tab }
        guard !digits.isEmpty, rest.isEmpty || rest.first == UInt8(ascii: ";"),
            rest.allSatisfy(\.isFieldByte)
        else { throw .malformed("a chunk's line is not a hexadecimal size with extensions") }
        // A blank may stand between size and extension only where there is one.
        guard !rest.isEmpty || digits.count == line.count else {
            throw .malformed("a chunk's size is followed by a blank")
        }
        guard digits.count <= 15,
            let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw .tooLargeBody(limit: limit) }
        return size
    }

    /// Trailers are dropped, but not just any bytes pass for one.
    private func checkTrailer(_ line: ArraySlice<UInt8>) throws(HTTPProblem) {
        guard let colon = line.firstIndex(of: .colon), colon > line.startIndex,
            line[..<colon].allSatisfy(\.isTokenByte), line[colon...].allSatisfy(\.isFieldByte)
        else { throw .malformed("a trailer is not a field") }
    }
}
