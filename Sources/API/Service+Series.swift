// How a job went: numbers by step, generations and the front of a search.

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
}

/// Numbers as lines of comma-separated values, one for each point.
enum SeriesTable {
    static let head = "name,step,time,value\n"

    static func line(_ name: String, _ point: SeriesPoint) -> String {
        "\(name),\(point.step),\(point.ts),\(point.value)\n"
    }
}
