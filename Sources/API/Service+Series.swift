// How a job went: numbers by step, generations and the front of a search, and what its workers printed.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

extension Service {
    /// The names of a job's numbers, with their newest values.
    @Sendable func getMetrics(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let job = try job(request)
        return .now(json(["data": .object(job.latestMetrics.mapValues { .double($0) })]))
    }

    @Sendable func getSeries(_ request: HTTPRequest) throws -> HTTPReply {
        let asked = try seriesQuery(request)
        return later(on: computing, request) {
            let series = try self.series(asked)
            return self.json([
                "x": .string(asked.x.rawValue),
                "series": .array(
                    series.map { name, points in
                        [
                            "name": .string(name),
                            "x": .array(points.map { asked.x.value($0) }),
                            "y": .array(points.map { .double($0.value) }),
                        ]
                    }
                ),
            ])
        }
    }

    /// The same as lines of comma-separated values, one for each point.
    @Sendable func getSeriesTable(_ request: HTTPRequest) throws -> HTTPReply {
        let asked = try seriesQuery(request)
        return later(on: computing, request) {
            var text = SeriesTable.head
            for (name, points) in try self.series(asked) {
                for point in points { text += SeriesTable.line(name, point) }
            }
            return HTTPResponse(
                status: 200,
                headers: HTTPHeaders([("Content-Type", "text/csv; charset=utf-8")]),
                body: .bytes(Data(text.utf8)),
            )
        }
    }

    private enum Axis: String, CaseIterable {
        case step, time

        func value(_ point: SeriesPoint) -> JSONValue {
            self == .step ? .double(point.step) : .string(point.ts)
        }
    }

    private struct SeriesQuery {
        var job: JobID
        var names: [String]
        var points: Int
        var stage: String?
        var steps: ClosedRange<Double>
        var x: Axis
    }

    private func seriesQuery(_ request: HTTPRequest) throws -> SeriesQuery {
        let query = try Query(
            request,
            allowed: ["names", "points", "from", "to", "x", "stage"],
        )
        let job = try job(request)
        let names = (query["names"] ?? "loss").split(separator: ",").map(String.init)
        for name in names
        where !name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
            || name.isEmpty
        {
            throw Problem.badQuery(
                "names",
                name,
                allowed: "names of GET /v1/jobs/\(job.id)/metrics, separated by commas",
            )
        }
        guard (1...20).contains(names.count) else {
            throw Problem.badQuery("names", query["names"] ?? "", allowed: "1 to 20 names")
        }
        let points = try query.integer("points", in: 2...10_000) ?? 500
        let x = try query.choices("x", Axis.self).first ?? .step
        let from = try query.integer("from", in: 0...Int.max) ?? 0
        let to = try query.integer("to", in: 0...Int.max) ?? Int.max
        guard from <= to else { throw Problem.badQuery("to", "\(to)", allowed: ">= from") }
        return SeriesQuery(
            job: job.id,
            names: names,
            points: points,
            stage: query["stage"],
            steps: Double(from)...Double(to),
            x: x,
        )
    }

    private func series(_ asked: SeriesQuery) throws -> [(name: String, points: [SeriesPoint])] {
        try asked.names.map { name in
            let points = try store.series(
                of: asked.job,
                name,
                stage: asked.stage,
                in: asked.steps,
                most: asked.points,
            )
            return (name, points)
        }
    }

    /// The generations of a search: how many candidates, the best and the mean so far, and what the front covers.
    @Sendable func getGenerations(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let job = try job(request)
        let candidates = try store.allCandidates(of: job.id)
        let value = value(of: candidates)
        let dearest = candidates.map { Double($0.macs) }.max()
        let numbers = Set(candidates.map(\.generation)).sorted()
        let rows = numbers.map { number -> JSONValue in
            let own = candidates.filter { $0.generation == number }
            let scores = own.compactMap { value == .top1 ? $0.top1 : $0.map }
            let front = ParetoFront(
                of: candidates.filter { $0.generation <= number },
                .macs,
                value,
                dearest: dearest,
            )
            return [
                "generation": .int(number), "candidates": .int(own.count),
                "failed": .int(own.count { $0.failure != nil }),
                "halted": .int(own.count { $0.halted != nil }),
                "best": .optional(scores.max()),
                "mean": scores.isEmpty
                    ? .null : .double(scores.reduce(0, +) / Double(scores.count)),
                "hypervolume": .double(front.hypervolume), "frontSize": .int(front.members.count),
            ]
        }
        return .now(json(["data": .array(rows), "value": .string(value.rawValue)]))
    }

    /// The candidates that no other one beats in both cost and value, the cheapest first.
    @Sendable func getFront(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["x", "y"])
        let job = try job(request)
        let candidates = try store.allCandidates(of: job.id)
        let x = try query.choice("x", ParetoFront.Cost.self) ?? .macs
        let y = try query.choice("y", ParetoFront.Value.self) ?? value(of: candidates)
        let front = ParetoFront(of: candidates, x, y)
        let space = job.searchSpace
        return .now(
            json([
                "x": .string(x.rawValue), "y": .string(y.rawValue),
                "hypervolume": .double(front.hypervolume),
                "data": .array(front.members.map { $0.view(in: space) }),
            ])
        )
    }

    /// What a search ranks by, as far as its candidates tell.
    private func value(of candidates: [Candidate]) -> ParetoFront.Value {
        candidates.contains { $0.top1 != nil } ? .top1 : .map
    }

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

/// Numbers as lines of comma-separated values, one for each point.
enum SeriesTable {
    static let head = "name,step,time,value\n"

    static func line(_ name: String, _ point: SeriesPoint) -> String {
        "\(name),\(point.step),\(point.ts),\(point.value)\n"
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
