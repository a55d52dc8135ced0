// Events of a job, or of all: a page, a page that waits, a stream; four views of one stored log, all resumed by number.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

extension Service {
    @Sendable func getEvents(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try eventQuery(request)
        let job = try job(request)
        // All of it was seen: 204 stops an EventSource from coming back.
        if EventFeed.Format(accept: request.headers["Accept"]) != nil, job.state.isTerminal,
            try lastSeen(request, query) ?? 0 >= job.lastSeq
        {
            return .now(HTTPResponse(status: 204))
        }
        return try events(of: .job(job.id), hasEnded: job.state.isTerminal, request, query)
    }

    /// Without those of single steps. It never ends.
    @Sendable func getAllEvents(_ request: HTTPRequest) throws -> HTTPReply {
        try events(of: .all, hasEnded: false, request, eventQuery(request))
    }

    private func eventQuery(_ request: HTTPRequest) throws -> Query {
        try Query(request, allowed: ["after", "types", "limit", "follow", "wait"])
    }

    private func events(
        of source: EventSource,
        hasEnded: Bool,
        _ request: HTTPRequest,
        _ query: Query,
    ) throws -> HTTPReply {
        let seen = try lastSeen(request, query)
        let types = query["types"]?.split(separator: ",").map(String.init) ?? []
        if let seen, let job = source.job { try checkCompaction(of: job, after: seen, types) }
        let after = seen ?? 0
        guard let format = EventFeed.Format(accept: request.headers["Accept"]) else {
            return try pageOfEvents(
                of: source,
                hasEnded: hasEnded,
                request,
                query,
                after: after,
                types: types,
            )
        }
        let follows = try query.flag("follow") ?? true
        let limit = try query.integer("limit", in: 1...Int.max)
        return .later { responder in
            let stream = responder.stream(
                status: 200,
                headers: HTTPHeaders([
                    ("Content-Type", format.contentType), ("Cache-Control", "no-cache"),
                    ("X-Accel-Buffering", "no"),
                ]),
            )
            EventFeed(
                stream,
                of: source,
                store: self.store,
                queue: self.queue(for: source.job),
                format: format,
                after: after,
                types: Set(types),
                limit: limit,
                follows: follows,
                heartbeat: self.limits.heartbeatSeconds,
                log: self.log,
            ).start()
        }
    }

    private func pageOfEvents(
        of source: EventSource,
        hasEnded: Bool,
        _ request: HTTPRequest,
        _ query: Query,
        after: Int,
        types: [String],
    ) throws -> HTTPReply {
        // A stream may be asked for more.
        let limit = min(try query.integer("limit", in: 1...Int.max) ?? 50, 500)
        if try query.flag("follow") == true {
            throw Problem.badQuery(
                "follow",
                "true",
                allowed: "with Accept: text/event-stream or application/x-ndjson",
            )
        }
        let read: @Sendable () throws -> (response: HTTPResponse, isEmpty: Bool) = {
            let found = try source.events(
                in: self.store,
                after: after,
                types: types,
                limit: limit + 1,
            )
            let events = found.prefix(limit)
            let body: JSONValue = [
                "data": .array(events.map(\.view)), "hasMore": .bool(found.count > limit),
                "nextAfter": .int(events.last?.number ?? after),
            ]
            return (self.json(body), events.isEmpty)
        }
        let first = try read()
        guard let wait = try query.wait(request), first.isEmpty, !hasEnded else {
            return .now(first.response)
        }
        return .later { responder in
            Waiter(
                responder,
                job: source.job,
                store: self.store,
                queue: self.queue(for: source.job),
                seconds: wait,
                failed: { self.response(to: $0, request) },
            ) { isLast in
                let page = try read()
                let isOver = try source.job.map {
                    try self.store.job($0)?.state.isTerminal ?? true
                }
                return isLast || isOver == true || !page.isEmpty ? page.response : nil
            }.start()
        }
    }

    /// The number of the last event the client has. On a reconnect the header is newer than the URL.
    /// Nil when the client does not say it.
    private func lastSeen(_ request: HTTPRequest, _ query: Query) throws -> Int? {
        let after = try query.integer("after", in: 0...Int.max)
        if let text = request.headers["Last-Event-ID"] {
            guard let seq = Int(text), seq >= 0 else {
                throw Problem(
                    400,
                    "bad_header",
                    "A header field is wrong",
                    "Last-Event-ID: \(text.prefix(100)) is no event's number",
                )
            }
            return seq
        }
        return after
    }

    /// - Throws: `Problem` when an event of `types` after number `seq` was dropped.
    private func checkCompaction(of job: JobID, after seq: Int, _ types: [String]) throws {
        guard types.isEmpty || types.contains(where: JobStore.droppedTypes.contains) else { return }
        let dropped = try store.compactedTo(of: job)
        guard seq < dropped else { return }
        throw Problem(
            410,
            "compacted",
            "The log was compacted",
            "some \(JobStore.droppedTypes.joined(separator: ", ")) events up to number \(dropped) were dropped"
                + " because the job ended long ago; ask without `after` for what is left, for other `types`,"
                + " or after \(dropped)",
            more: [
                "oldestSeq": .int(dropped + 1), "job": .string("/v1/jobs/\(job)"),
            ],
        )
    }
}
