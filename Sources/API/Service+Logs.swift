// What a job's worker printed: its end, or what came since.

internal import Foundation
internal import HTTP
internal import Jobs

extension Service {
    /// The end of what the newest worker printed, or another attempt's; or what came after a byte of it.
    @Sendable func getLog(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["tail", "attempt", "after"])
        let job = try job(request)
        let tail = try query.integer("tail", in: 1...100_000) ?? 200
        let attempt =
            try query.integer("attempt", in: 1...Int.max) ?? max(1, job.attempt)
        guard attempt <= max(1, job.attempt) else {
            throw Problem.notFound("attempt", "\(attempt)")
        }
        let path = store.runDirectory(of: job.id).logPath(attempt: attempt)
        let isOver = job.state.isTerminal || attempt < job.attempt
        let found =
            try query.integer("after", in: 0...Int.max).map {
                try LogPart.rest(of: path, after: UInt64($0), isOver: isOver)
            } ?? LogPart.tail(of: path, tail, isOver: isOver)
        return .now(
            HTTPResponse(
                status: 200,
                headers: HTTPHeaders([
                    ("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-cache"),
                    ("X-Content-Type-Options", "nosniff"), ("Next-After", "\(found.end)"),
                ]),
                body: .bytes(found.text),
            )
        )
    }
}

/// Whole lines of a log.
struct LogPart {
    /// The most that is read of a file, bytes.
    private static let limit: UInt64 = 4 << 20
    private static let pieceSize: UInt64 = 1 << 16
    private static let newline = UInt8(ascii: "\n")

    var text = Data()
    /// The byte of the file behind it.
    var end: UInt64 = 0

    /// The lines from byte `start` on, at most a MiB of them; nothing of a file that is not there.
    /// - Parameter isOver: whether a last line without an end is one: nobody writes on.
    static func rest(of path: String, after start: UInt64, isOver: Bool) throws -> LogPart {
        guard let file = FileHandle(forReadingAtPath: path) else { return LogPart() }
        defer { try? file.close() }
        guard try start < file.seekToEnd() else { return LogPart(end: start) }
        try file.seek(toOffset: start)
        let most = 1 << 20
        let found = try file.read(upToCount: most) ?? Data()
        // A line that is being written is for the next time, unless it is endless.
        let whole = found.lastIndex(of: newline).map { $0 + 1 } ?? (found.count == most ? most : 0)
        let last = isOver && found.count < most ? found.count : whole
        return LogPart(text: found.prefix(last), end: start + UInt64(last))
    }

    /// The last `count` lines of a file; nothing of one that is not there. Read from its end, no further than needed.
    static func tail(of path: String, _ count: Int, isOver: Bool) throws -> LogPart {
        guard let file = FileHandle(forReadingAtPath: path) else { return LogPart() }
        defer { try? file.close() }
        let end = try file.seekToEnd()
        var (start, tail, found) = (end, Data(), 0)
        while start > 0, end - start < limit, found <= count {
            let size = min(start, pieceSize)
            start -= size
            try file.seek(toOffset: start)
            let piece = try file.read(upToCount: Int(size)) ?? Data()
            // The newline at the very end begins no line.
            found += piece.count { $0 == newline }
            if tail.isEmpty, piece.last == newline { found -= 1 }
            tail = piece + tail
        }
        // More than asked for: the rest goes.
        while found >= count, let first = tail.firstIndex(of: newline), first < tail.endIndex - 1 {
            tail = tail[(first + 1)...]
            found -= 1
        }
        guard let last = tail.last, last != newline else { return LogPart(text: tail, end: end) }
        if isOver { return LogPart(text: tail + [newline], end: end) }
        let whole = tail.lastIndex(of: newline).map { tail.index(after: $0) } ?? tail.startIndex
        return LogPart(text: tail[..<whole], end: end - UInt64(tail.endIndex - whole))
    }
}
