// The list of jobs: which, in what order, with which fields.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

extension Service {
    /// The most that `count=true` counts.
    private static let mostCounted = 10_000

    /// Newest first. Each is a summary, or `id` and the fields that are asked for.
    @Sendable func listJobs(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(
            request,
            allowed: [
                "limit", "after", "state", "kind", "createdAfter", "createdBefore", "q", "count",
                "fields",
            ],
            families: ["label"],
        )
        var wanted = JobFilter()
        wanted.states = try query.choices("state", JobState.self)
        wanted.kinds = try query.choices("kind", JobKind.self)
        wanted.labels = query.family("label")
        wanted.createdAfter = try query.time("createdAfter")
        wanted.createdBefore = try query.time("createdBefore")
        wanted.nameContains = query["q"]
        let fields = try query.names("fields", among: Job.fieldNames)
        let found = try store.jobs(wanted, after: query.cursor(), limit: query.limit())
        let views = try found.elements.map { job -> JSONValue in
            guard let fields else { return .object(job.summary) }
            let whole = try view(job).object ?? [:]
            return .object(whole.filter { $0.key == "id" || fields.contains($0.key) })
        }
        var count: [String: JSONValue] = [:]
        if try query.flag("count") == true {
            let all = try store.count(wanted, most: Service.mostCounted + 1)
            count["count"] = .int(min(all, Service.mostCounted))
            count["countIsCapped"] = .bool(all > Service.mostCounted)
        }
        return .now(page(views, next: found.next, of: request, count))
    }
}
