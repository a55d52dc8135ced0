// Pipelines: submit, list, look, and ask all jobs of one at once.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling
internal import SearchSpaces

extension Service {
    @Sendable func submitPipeline(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["dryRun"])
        let isDry = try query.flag("dryRun") == true
        if let earlier = try replay(request, isDry: isDry) { return .now(earlier) }
        let sent = try body(request)
        let template = try OneShotTemplate.resolve(sent)?.get()
        let id = "pipe_" + ULID.make()
        let asked: PipelineRequest
        let jobs: [(job: Job, lineage: Lineage)]
        do {
            asked = try PipelineRequest.resolve(template?.pipeline ?? sent).get()
            jobs = try Admission(scheduler).jobs(for: asked, id: id)
        } catch let faults as Violations {
            // Whoever sent no steps is told by what was sent.
            throw template.map { faults.told(by: $0.place) } ?? faults
        }
        if isDry {
            let estimates = zip(asked.steps, jobs).map { step, job in
                JSONValue.object(estimate(step, job.lineage))
            }
            return .now(json(["pipeline": asked.json, "estimates": .array(estimates)]))
        }
        let named = try namedRequest(request, location: "/v1/pipelines/\(id)")
        try checkRoom(for: jobs.count)
        let stored: [Job]
        do {
            stored = try store.insert(
                jobs.map(\.job),
                pipeline: (id: id, name: asked.name, submitted: sent),
                request: named,
            )
        } catch StoreError.repeatedRequest {
            return try submitPipeline(request)
        }
        scheduler.wake()
        log(
            .info,
            "submitted",
            ["request": request.id, "pipeline": id, "jobs": "\(stored.count)"],
        )
        guard let found = try store.pipeline(id) else { throw Problem.notFound("pipeline", id) }
        return .now(
            json(
                view(found.pipeline, found.jobs),
                status: 201,
                [("Location", "/v1/pipelines/\(id)")],
            )
        )
    }

    @Sendable func getPipeline(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let id = request.parameters["id"] ?? ""
        guard let found = try store.pipeline(id) else { throw Problem.notFound("pipeline", id) }
        return .now(json(view(found.pipeline, found.jobs)))
    }

    /// Newest first.
    @Sendable func listPipelines(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["limit", "after"])
        let found = try store.pipelines(after: query.cursor(), limit: query.limit())
        let jobs = try found.elements.map { try store.pipeline($0.id)?.jobs ?? [] }
        let views = zip(found.elements, jobs).map { view($0, $1) }
        return .now(page(views, next: found.next, of: request))
    }

    // A verb is asked of every job that it still can be asked of.

    @Sendable func pausePipeline(_ request: HTTPRequest) throws -> HTTPReply {
        try all(request) { _ = try self.scheduler.pause($0) }
    }

    @Sendable func resumePipeline(_ request: HTTPRequest) throws -> HTTPReply {
        try all(request) { _ = try self.scheduler.resume($0) }
    }

    @Sendable func cancelPipeline(_ request: HTTPRequest) throws -> HTTPReply {
        try all(request) { _ = try self.scheduler.cancel($0, .graceful) }
    }

    private func all(_ request: HTTPRequest, _ act: (JobID) throws -> Void) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        try requireEmpty(request)
        let id = request.parameters["id"] ?? ""
        guard let found = try store.pipeline(id) else { throw Problem.notFound("pipeline", id) }
        // The last first: none may start because the one before it has ended.
        for job in found.jobs.reversed() {
            do { try act(job.id) } catch is JobError {}
        }
        log(.info, "pipeline", ["request": request.id, "pipeline": id, "path": request.path])
        guard let after = try store.pipeline(id) else { throw Problem.notFound("pipeline", id) }
        return .now(json(view(after.pipeline, after.jobs), status: 202))
    }

    func view(_ pipeline: Pipeline, _ jobs: [Job]) -> JSONValue {
        let states = Set(jobs.map(\.state))
        // The worst that happened, else how far it is.
        let state: JobState =
            [.failed, .cancelled, .running].first(where: states.contains)
            ?? (states == [.succeeded] ? .succeeded : .queued)
        return [
            "id": .string(pipeline.id), "name": .optional(pipeline.name),
            "createdAt": .string(pipeline.createdAt), "state": .string(state.rawValue),
            "terminal": .bool(jobs.allSatisfy(\.state.isTerminal)),
            "jobs": .array(jobs.map { .object($0.summary) }),
            "links": ["self": .string("/v1/pipelines/\(pipeline.id)")],
        ]
    }
}
