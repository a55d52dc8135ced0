// What an operator looks at and turns: cores, queue, numbers for a monitor.

internal import Configs
internal import Foundation
internal import Glibc
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling

extension Service {
    @Sendable func version(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(json(["version": .string(version), "startedAt": .time(startedAt)]))
    }

    /// Whether jobs can be taken: the store answers, nothing of it was found damaged, and there is room on the disk.
    @Sendable func ready(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        _ = try store.counts()
        if let damage = store.damage { throw Problem.damaged(damage, 503) }
        if let room = scheduler.room(), room.isShort { throw Problem.diskReserve(room, 503) }
        return .now(json(["status": "ready"]))
    }

    @Sendable func listWorkers(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(json(["data": .array(scheduler.workers().map(\.view))]))
    }

    @Sendable func drainWorker(_ request: HTTPRequest) throws -> HTTPReply {
        try turn(request, drained: true)
    }

    @Sendable func enableWorker(_ request: HTTPRequest) throws -> HTTPReply {
        try turn(request, drained: false)
    }

    /// A core that is drained gets no further job; the one that it has runs on.
    private func turn(_ request: HTTPRequest, drained: Bool) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let name = request.parameters["core"] ?? ""
        guard let core = Int(name), let worker = try scheduler.drain(core, drained) else {
            throw Problem.notFound("worker", name)
        }
        log(.info, drained ? "drain" : "enable", ["request": request.id, "core": name])
        return .now(json(worker.view))
    }

    /// The waiting jobs in the order in which they will be started, and when, as far as running ones tell.
    @Sendable func getQueue(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let line = try scheduler.line(at: Date())
        let rows = line.enumerated().map { position, entry -> JSONValue in
            [
                "position": .int(position), "job": .string(entry.job.id.rawValue),
                "name": .optional(entry.job.name), "cores": .int(entry.job.cores),
                "priority": .int(entry.job.priority), "phase": .string(entry.job.phase),
                "estimatedStartAt": entry.start.map(JSONValue.time) ?? .null,
            ]
        }
        var waitingFor: [JSONValue] = []
        if scheduler.room()?.isShort == true { waitingFor.append("disk") }
        if scheduler.workers().allSatisfy(\.isDrained) { waitingFor.append("workers") }
        return .now(json(["data": .array(rows), "waitingFor": .array(waitingFor)]))
    }

    /// For Prometheus. No job is a label: what is told of single jobs is in the API.
    @Sendable func metrics(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        var page = MetricsPage()
        page.add("detnas_build_info", .gauge, "The version.", [(["version": version], 1)])
        let counts = try store.countsByKind()
        page.add(
            "detnas_jobs",
            .gauge,
            "Jobs by kind and state.",
            counts.map { (["kind": $0.kind, "state": $0.state], Double($0.count)) },
        )
        let queued = counts.filter { $0.state == JobState.queued.rawValue }.map(\.count)
        page.add(
            "detnas_job_queue_depth",
            .gauge,
            "Jobs that wait.",
            [([:], Double(queued.reduce(0, +)))],
        )
        let workers = scheduler.workers()
        page.add(
            "detnas_workers",
            .gauge,
            "Cores by what they do.",
            ["busy", "idle", "drained"].map { state in
                (["state": state], Double(workers.count { $0.state == state }))
            },
        )
        let totals = try store.totals()
        page.add(
            "detnas_events_appended_total",
            .counter,
            "Events stored.",
            [([:], Double(totals.events))],
        )
        page.add(
            "detnas_checkpoint_bytes",
            .gauge,
            "Bytes of all checkpoints.",
            [([:], Double(totals.checkpointBytes))],
        )
        if let room = scheduler.room() {
            page.add(
                "detnas_store_free_bytes",
                .gauge,
                "Free bytes on the file system of the data directory.",
                [([:], Double(room.space.free))],
            )
            page.add(
                "detnas_store_reserve_bytes",
                .gauge,
                "With fewer free bytes no new work is taken.",
                [([:], Double(room.reserve))],
            )
        }
        page.add(
            "detnas_store_damaged",
            .gauge,
            "1 when the database was found damaged.",
            [([:], store.damage == nil ? 0 : 1)],
        )
        page.add(
            "detnas_event_subscribers",
            .gauge,
            "Streams and long polls that wait for news.",
            [([:], Double(store.changes.count))],
        )
        page.add(
            "detnas_last_checkpoint_timestamp_seconds",
            .gauge,
            "When the last checkpoint was written by a job of the kind.",
            store.tally.lastCheckpoints.map { (["kind": $0.key], $0.value) },
        )
        page.add(store.tally)
        page.addProcess(since: startedAt)
        return .now(
            HTTPResponse(
                status: 200,
                headers: HTTPHeaders([("Content-Type", "text/plain; version=0.0.4; charset=utf-8")]
                ),
                body: .bytes(Data(page.text.utf8)),
            )
        )
    }
}

extension CoreState {
    var state: String { job != nil ? "busy" : isDrained ? "drained" : "idle" }

    var view: JSONValue {
        [
            "core": .int(core), "job": .optional(job?.rawValue), "drained": .bool(isDrained),
            "state": .string(state),
        ]
    }
}
