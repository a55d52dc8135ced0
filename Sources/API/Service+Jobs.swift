// Jobs: submit, look (and wait), cancel.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling
internal import SearchSpaces
internal import Synchronization

extension Service {
    @Sendable func submitJob(_ request: HTTPRequest) throws -> HTTPReply {
        try submit(body(request), request)
    }

    /// Submits the job that `sent` is.
    func submit(_ sent: JSONValue, _ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["dryRun", "measure"])
        let isDry = try query.flag("dryRun") == true
        let isMeasured = try query.flag("measure") ?? true
        // Before anything is looked at: what was taken once may not be taken again today.
        if let earlier = try replay(request, isDry: isDry) { return .now(earlier) }
        let fork = try forked(sent)
        let asked = try JobRequest.resolve(fork?.request ?? sent).get()
        var (job, lineage) = try Admission(scheduler).job(for: asked)
        job.forkOf = fork?.of
        job.restart = fork?.restart
        if isDry {
            let estimate = estimate(asked, lineage)
            guard isMeasured, asked.kind.hasTrial else {
                return .now(json(["job": asked.json, "estimate": .object(estimate)]))
            }
            try checkDisk()
            return measured(job, asked, estimate, request)
        }
        let named = try namedRequest(request, location: "/v1/jobs/\(job.id)")
        try checkRoom(for: 1)
        let stored: Job
        do {
            stored = try store.insert([job], request: named)[0]
        } catch StoreError.repeatedRequest {
            return try submit(sent, request)
        }
        scheduler.wake()
        log(
            .info,
            "submitted",
            ["request": request.id, "job": "\(stored.id)", "kind": stored.kind.rawValue],
        )
        return .now(try show(stored, status: 201, [("Location", "/v1/jobs/\(stored.id)")]))
    }

    /// `wait` with `until=terminal` waits for the end, else for the next change after `revision` (or the ETag in
    /// If-None-Match, or the present one).
    @Sendable func getJob(_ request: HTTPRequest) throws -> HTTPReply {
        if let known = knownJob(request) { return .now(known) }
        let tick = store.changes.tick
        let query = try Query(request, allowed: ["wait", "revision", "until"])
        let job = try job(request)
        if let text = query["until"], text != "terminal" {
            throw Problem.badQuery("until", text, allowed: "terminal")
        }
        let untilEnd = query["until"] != nil
        let known =
            try query.integer("revision", in: 0...Int.max) ?? revision(in: request, of: job)
        let since = known ?? job.revision
        let hasNews: @Sendable (Job) -> Bool = { job in
            untilEnd ? job.state.isTerminal : job.revision != since
        }
        let answer: @Sendable (Job) throws -> HTTPResponse = { job in
            job.revision == known ? self.notModified(job) : try self.show(job)
        }
        guard let wait = try query.wait(request) else {
            let response = try answer(job)
            // How long a running one has run changes all the time.
            if known == nil, job.state != .running { shown.keep(response, of: job.id, at: tick) }
            return .now(response)
        }
        if hasNews(job) { return .now(try show(job)) }
        let id = job.id
        return .later { responder in
            Waiter(
                responder,
                job: id,
                store: self.store,
                queue: self.queue(for: id),
                seconds: wait,
                failed: { self.response(to: $0, request) },
            ) { isLast in
                guard let job = try self.store.job(id) else { throw StoreError.noSuchJob(id) }
                if hasNews(job) { return try self.show(job) }
                return isLast ? try answer(job) : nil
            }.start()
        }
    }

    /// The whole job, as it was shown last, unless anything has changed since.
    private func knownJob(_ request: HTTPRequest) -> HTTPResponse? {
        guard request.query.isEmpty, request.headers["If-None-Match"] == nil else { return nil }
        return shown.response(of: request.parameters["id"] ?? "", at: store.changes.tick)
    }

    /// The same for whoever needs no token, and takes it uncompressed: nothing is left to do then.
    @Sendable func jobAtOnce(_ request: HTTPRequest) -> HTTPResponse? {
        guard !access.asks(request), request.headers["Accept-Encoding"] == nil else { return nil }
        return knownJob(request)
    }

    @Sendable func cancelJob(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let mode = try cancelMode(request)
        let before = try job(request)
        let after = try scheduler.cancel(before.id, mode)
        log(
            .info,
            "cancel",
            ["request": request.id, "job": "\(before.id)", "mode": mode.rawValue],
        )
        // Nothing moved: what was asked for already is.
        let status = after.revision == before.revision ? 200 : 202
        return .now(try show(after, status: status))
    }

    /// No content means `graceful`.
    private func cancelMode(_ request: HTTPRequest) throws -> CancelMode {
        try onlyField("mode", of: request, allowed: "\"graceful\", \"now\"") {
            $0.string.flatMap(CancelMode.init)
        } ?? .graceful
    }

    /// What the job will cost, as far as arithmetic knows.
    func estimate(_ request: JobRequest, _ lineage: Lineage) -> [String: JSONValue] {
        var estimate: [String: JSONValue] = [:]
        estimate["space"] = lineage.space?.estimate
        if case .retrain(let config) = request.spec,
            case .genome(let text, let choice) = config.architecture, let space = choice.space,
            let genome = try? Genome(parsing: text, in: space),
            let architecture = try? Architecture(space: space, genome: genome)
        {
            estimate["architecture"] = [
                "id": .string(architecture.hash), "macs": .int(architecture.cost.macs),
                "params": .int(architecture.cost.params),
            ]
        }
        return estimate
    }

    /// Answers a dry run when a worker has tried the job's first steps.
    private func measured(
        _ job: Job,
        _ asked: JobRequest,
        _ estimate: [String: JSONValue],
        _ request: HTTPRequest,
    ) -> HTTPReply {
        .later { responder in
            let isWanted = Flag()
            responder.onClose { isWanted.lower() }
            let isTaken = self.trials.measure(job, isWanted: { isWanted.isUp }) { file in
                var estimate = estimate
                if let error = file.error {
                    estimate["problem"] = [
                        "code": .string(error.code), "message": .string(error.message),
                    ]
                } else {
                    var report = file.report?.object ?? [:]
                    report["peakMemoryBytes"] = file.peakMemoryBytes.map { .int($0) }
                    report["cores"] = .int(file.cores?.count ?? 0)
                    report["busyCores"] = .int(file.busyCores ?? 0)
                    estimate["measured"] = .object(report)
                }
                responder.respond(
                    self.json(["job": asked.json, "estimate": .object(estimate)])
                )
            }
            guard !isTaken else { return }
            responder.respond(
                Problem(
                    429,
                    "busy",
                    "Other dry runs are being measured",
                    "at most \(Trials.most) may wait; ask again, or with measure=false",
                ).response(to: request)
            )
        }
    }

    func checkRoom(for count: Int) throws {
        try checkDisk()
        let queued = try store.counts()[.queued] ?? 0
        guard queued + count <= limits.queuedJobs else {
            throw Problem(
                429,
                "queue_full",
                "The queue is full",
                "\(queued) jobs wait already; allowed: \(limits.queuedJobs)",
            )
        }
    }

    func show(
        _ job: Job,
        status: Int = 200,
        _ fields: [(String, String)] = [],
    ) throws -> HTTPResponse {
        var all = fields + [("ETag", etag(job)), ("Cache-Control", "no-cache")]
        if !job.state.isTerminal { all.append(("Retry-After", "2")) }
        return json(try view(job), status: status, all)
    }

    func view(_ job: Job) throws -> JSONValue {
        let checkpoint = try job.outputs?.checkpoint.flatMap {
            try store.checkpoint(of: job.id, at: $0.path)
        }
        var job = job
        if store.isUnsettled(job.id) { job.phase = JobPhase.settling }
        return job.view(
            attempts: try store.attempts(of: job.id),
            checkpointID: checkpoint?.id,
        )
    }

    private func notModified(_ job: Job) -> HTTPResponse {
        HTTPResponse(status: 304, headers: HTTPHeaders([("ETag", etag(job))]))
    }

    func etag(_ job: Job) -> String { "\"r\(job.revision)\"" }

    /// The revision that the client has, by its If-None-Match: the present one where that is among several.
    private func revision(in request: HTTPRequest, of job: Job) -> Int? {
        if request.headers.holds(etag: etag(job)) { return job.revision }
        guard var text = request.headers["If-None-Match"]?[...] else { return nil }
        if text.hasPrefix("W/") { text = text.dropFirst(2) }
        guard text.hasPrefix("\"r"), text.hasSuffix("\"") else { return nil }
        return Int(text.dropFirst(2).dropLast())
    }
}

/// Up until it is lowered.
final class Flag: Sendable {
    private let state = Atomic(true)

    var isUp: Bool { state.load(ordering: .relaxed) }

    func lower() { state.store(false, ordering: .relaxed) }
}
