// What can be asked of a job: pause, resume, retry, a checkpoint now, another name or priority, to be forgotten.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling

extension Service {
    @Sendable func pauseJob(_ request: HTTPRequest) throws -> HTTPReply {
        try verb(request, "pause") { try self.scheduler.pause($0.id) }
    }

    @Sendable func resumeJob(_ request: HTTPRequest) throws -> HTTPReply {
        try verb(request, "resume") { try self.scheduler.resume($0.id) }
    }

    /// From where is told by `from`: `latest`, `start`, or the id of a checkpoint of the kind that the job makes.
    @Sendable func retryJob(_ request: HTTPRequest) throws -> HTTPReply {
        let point = try retryPoint(request)
        return try verb(request, "retry") { try self.scheduler.retry($0.id, from: point) }
    }

    /// A checkpoint after the step at hand. A search keeps every candidate anyway.
    @Sendable func checkpointJob(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        try requireEmpty(request)
        let job = try current(request)
        let kinds: Set<JobKind> = [
            .supernetPretrain, .detectorFinetune, .subnetRetrain, .searchAudit,
        ]
        guard job.state == .running, kinds.contains(job.kind) else {
            throw Problem.impossible(
                job.state,
                kinds.contains(job.kind)
                    ? "the job is \(job.state.rawValue); only a running one writes checkpoints"
                    : "a \(job.kind.rawValue) has no checkpoints; what it has done is on the disk",
                not: "checkpoint",
            )
        }
        try store.runDirectory(of: job.id).orderCheckpoint()
        told(request, "checkpoint", job)
        return .now(try show(job, status: 202))
    }

    /// Name, labels, priority, limits, retention and a search's generations, also of a running job.
    @Sendable func patchJob(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let asked = try body(request)
        let job = try current(request)
        let patch = JobPatch(job)
        let merged = try patch.merged(with: asked).get()
        let hasNewLength = merged.generations != patch.generations
        if hasNewLength { try checkLength(merged, of: job) }
        let known = job.revision
        let after = try store.change(job.id) { job in
            // Another change came in between: only what was asked for is overwritten, so that is no conflict, unless
            // the client named the revision that it knows.
            if request.headers["If-Match"] != nil, job.revision != known {
                throw Problem.stale(job)
            }
            job.apply(merged)
            return []
        }
        if hasNewLength { scheduler.restart(job.id) }
        scheduler.limitChanged(job.id)
        scheduler.wake()
        told(request, "patch", after)
        return .now(try show(after))
    }

    private func checkLength(_ patch: JobPatch, of job: Job) throws {
        guard JobPatch(job).generations != nil, patch.generations != nil else {
            throw Violations([
                Violation(
                    "/generations",
                    .notAllowed,
                    "this is a \(job.kind.rawValue)",
                    allowed: "a whole number, for a search.evolution",
                )
            ])
        }
        guard !job.state.isTerminal else {
            throw Problem.impossible(
                job.state,
                "the job is \(job.state.rawValue): its search is over; a fork can be longer",
            )
        }
    }

    /// Forgets an ended job: its events, candidates and, unless `artifacts=keep`, its files. Architectures stay.
    @Sendable func deleteJob(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["artifacts"])
        if let text = query["artifacts"], text != "keep", text != "delete" {
            throw Problem.badQuery("artifacts", text, allowed: "keep, delete")
        }
        let job = try current(request)
        guard job.state.isTerminal else {
            throw Problem.impossible(
                job.state,
                "the job is \(job.state.rawValue): cancel it first",
            )
        }
        let users = try store.users(of: job.id)
        guard users.isEmpty else {
            throw Problem(
                409,
                "referenced",
                "Other jobs need this one",
                "\(users.count) unfinished jobs need what it made, among them "
                    + users.prefix(3).map(\.rawValue).joined(separator: ", "),
                more: ["by": .array(users.prefix(100).map { .string($0.rawValue) })],
            )
        }
        try store.delete(job.id, keepsFiles: query["artifacts"] == "keep")
        told(request, "delete", job)
        return .now(HTTPResponse(status: 204))
    }

    private func verb(
        _ request: HTTPRequest,
        _ name: String,
        _ act: (Job) throws -> Job,
    ) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        if name != "retry" { try requireEmpty(request) }
        let before = try current(request)
        let after = try act(before)
        told(request, name, before)
        // Nothing moved: what was asked for already is.
        return .now(try show(after, status: after.revision == before.revision ? 200 : 202))
    }

    /// The job, of the revision that the client knows, if it names one.
    private func current(_ request: HTTPRequest) throws -> Job {
        let job = try job(request)
        guard matches(request, etag: etag(job)) else { throw Problem.stale(job) }
        return job
    }

    /// Whether If-Match, where there is one, names the tag of what is there now; nil: it has none.
    private func matches(_ request: HTTPRequest, etag: String?) -> Bool {
        guard let asked = request.headers["If-Match"], asked != "*" else { return true }
        let tags = asked.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        return etag.map(tags.contains) ?? false
    }

    /// Refuses what If-Match asks of something that has the tag `etag`, or none.
    func requireMatch(_ request: HTTPRequest, etag: String?) throws {
        guard !matches(request, etag: etag) else { return }
        throw Problem(
            412,
            "revision",
            "It is not what If-Match names",
            etag.map { "its tag is \($0)" } ?? "it has no tag; only * would do",
        )
    }

    func requireEmpty(_ request: HTTPRequest) throws {
        guard try request.body.isEmpty || body(request) == [:] else {
            throw Violations([
                Violation("", .notAllowed, "this takes no content", allowed: "nothing, or {}")
            ])
        }
    }

    private func retryPoint(_ request: HTTPRequest) throws -> Scheduler.RetryPoint {
        let job = try job(request)
        return try onlyField(
            "from",
            of: request,
            allowed:
                "\"latest\", \"start\", or the id of a checkpoint of this job, or of an imported one of"
                + " the kind, space and shuffle method that it makes",
        ) { value in
            switch value {
            case "latest": return .latest
            case "start": return .start
            default:
                guard let found = try value.string.flatMap(store.checkpoint),
                    found.job == job.id || isGoOn(from: found, job),
                    let path = store.path(of: found)
                else { return nil }
                return .checkpoint(
                    InputCheckpoint(path: path, sha256: found.sha256, kind: found.kind)
                )
            }
        } ?? .latest
    }

    /// Whether an imported checkpoint can be one of the job's.
    private func isGoOn(from checkpoint: Checkpoint, _ job: Job) -> Bool {
        guard checkpoint.job == nil, checkpoint.spaceValue == job.space,
            checkpoint.shuffle == job.shuffle,
            case .success(let spec) = JobSpec.resolve(kind: job.kind, job.spec)
        else { return false }
        return spec.checkpointKinds.contains { $0.rawValue == checkpoint.kind }
    }

    private func told(_ request: HTTPRequest, _ what: String, _ job: Job) {
        log(.info, what, ["request": request.id, "job": "\(job.id)"])
    }
}

extension Problem {
    fileprivate static func stale(_ job: Job) -> Problem {
        Problem(
            412,
            "revision",
            "The job has changed",
            "its revision is \(job.revision); If-Match names another",
            more: ["revision": .int(job.revision)],
        )
    }
}

extension JobPatch {
    /// What of `job` can be changed, as it is.
    fileprivate init(_ job: Job) {
        self.init()
        name = job.name
        labels = job.labels
        priority = job.priority
        limits.maxSeconds = job.limits.maxSeconds
        limits.maxAttempts = job.limits.maxAttempts
        retention.checkpoints = job.keepCheckpoints
        generations = job.kind == .searchEvolution ? job.spec["generations"]?.int : nil
    }
}
