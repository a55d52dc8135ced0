// What every handler has at hand, and what becomes of what they throw.

internal import Configs
internal import Foundation
package import HTTP
internal import JobStore
internal import Jobs
package import Scheduling

/// The routes over a store and a scheduler. Handlers run on the HTTP server's few serial queues and never wait: who
/// wants to wait is answered later, from the queues here.
package final class Service: Sendable {
    /// What is allowed, and how often a quiet stream says that it lives. Shown by `GET /v1/system`.
    package struct Limits: Sendable {
        package var bodyBytes = 1 << 20
        package var uploadBytes = 64 << 30
        package var queuedJobs = 1000
        package var heartbeatSeconds = 15.0
        /// Those of the server it runs in, as `/system` shows them.
        package var http = HTTPServer.Limits()

        package init() {}
    }

    let store: JobStore
    let scheduler: Scheduler
    let trials: Trials
    let datasetMaker: DatasetMaker
    let access: Access
    let limits: Limits
    let version: String
    let log: ServiceLog
    let startedAt = Date()
    /// Serial queues for those who wait: as many as may read the store at once.
    private let waiting = (0..<2).map { DispatchQueue(label: "api-wait-\($0)") }
    /// For those whose files take their time to be read.
    let reading = DispatchQueue(label: "api-read")
    /// For answers that are computed.
    let computing = DispatchQueue(label: "api-compute")
    /// For those whose files take their time to be kept; one at a time.
    let keeping = DispatchQueue(label: "api-keep")
    let shown = ShownJobs()

    package init(
        scheduler: Scheduler,
        version: String,
        access: Access? = nil,
        limits: Limits = Limits(),
        log: ServiceLog = .silent,
    ) {
        store = scheduler.store
        self.scheduler = scheduler
        trials = Trials(scheduler)
        datasetMaker = DatasetMaker(scheduler, log: log)
        self.access = access ?? Access(store: scheduler.store, needsToken: false)
        self.version = version
        self.limits = limits
        self.log = log
    }

    /// The queue for whoever waits for this job, or for any.
    func queue(for job: JobID?) -> DispatchQueue {
        waiting[abs(job.hashValue % waiting.count)]
    }

    /// A line of the table of routes; what `handle` throws becomes a problem.
    ///
    /// - Parameters:
    ///   - scope: what a token must be good for; nil: nobody is asked.
    ///   - atOnce: see `HTTPRoute.answerAtOnce`; it looks after tokens by itself.
    func route(
        _ method: String,
        _ pattern: String,
        bodyLimit: Int = 0,
        for scope: Scope?,
        atOnce: (@Sendable (HTTPRequest) -> HTTPResponse?)? = nil,
        _ handle: @escaping @Sendable (HTTPRequest) throws -> HTTPReply,
    ) -> HTTPRoute {
        var route = HTTPRoute(method, pattern, bodyLimit: bodyLimit) { request in
            do {
                if let scope { _ = try self.access.caller(of: request, for: scope) }
                return try handle(request)
            } catch {
                return .now(self.response(to: error, request))
            }
        }
        route.answerAtOnce = atOnce
        return route
    }

    private func full(_ request: HTTPRequest) -> Problem {
        log(.error, "the disk is full", ["request": request.id])
        return Problem(
            507,
            "disk_full",
            "The disk is full",
            "nothing was stored; try again when there is room",
        )
    }

    /// - Throws: `Problem` while the disk is so short of room that no new work is taken.
    func checkDisk() throws {
        if let room = scheduler.room(), room.isShort { throw Problem.diskReserve(room, 507) }
    }

    /// Answers when `work` is done, which may take its time, on `queue`.
    func later(
        on queue: DispatchQueue,
        _ request: HTTPRequest,
        _ work: @escaping @Sendable () throws -> HTTPResponse,
    ) -> HTTPReply {
        .later { responder in
            queue.async {
                do {
                    responder.respond(try work())
                } catch {
                    responder.respond(self.response(to: error, request))
                }
            }
        }
    }

    func response(to error: any Error, _ request: HTTPRequest) -> HTTPResponse {
        problem(of: error, request).response(to: request)
    }

    private func problem(of error: any Error, _ request: HTTPRequest) -> Problem {
        switch error {
        case let problem as Problem:
            return problem
        case let violations as Violations:
            return .invalid(violations)
        case StoreError.noSuchJob(let id):
            return .notFound("job", id.rawValue)
        case JobError.illegalMove(let from, _):
            return .impossible(
                from,
                from == .succeeded
                    ? "the job has succeeded: a fork of it can go on (POST /v1/jobs with forkOf)"
                    : "the job is \(from.rawValue); what it can be asked: "
                        + from.verbs.joined(separator: ", "),
            )
        case StoreError.noSuchCheckpoint(let id):
            return .notFound("checkpoint", id)
        case StoreError.noSuchUpload(let id):
            return .notFound("upload", id)
        case StoreError.noSuchDataset(let id):
            return .notFound("data set", id)
        default:
            break
        }
        switch store.explained(error) {
        case StoreError.full:
            return full(request)
        case let error as FileError where error.isDiskFull:
            return full(request)
        case StoreError.damaged(_, let reason):
            log(.error, "the database is damaged", ["request": request.id, "reason": reason])
            return .damaged(reason, 500)
        case StoreError.notWritable(_, let reason):
            log(.error, "cannot store", ["request": request.id, "reason": reason])
            return Problem(
                500,
                "storage_failed",
                "The data directory cannot be written",
                "nothing was changed; what is stored can still be read; the server's log tells why",
            )
        default:
            // The words stay in the log: they may tell of paths.
            log(.error, "request failed", ["request": request.id, "error": "\(error)"])
            return Problem(
                500,
                "internal",
                "The server failed",
                "the server's log tells why, under the request's id",
            )
        }
    }
}

// Reading requests, writing answers
extension Service {
    /// The JSON body.
    /// - Throws: `Problem` when it is none; the place is told.
    func body(_ request: HTTPRequest) throws -> JSONValue {
        let type = request.headers["Content-Type"]?.split(separator: ";").first.map {
            $0.trimmingCharacters(in: .whitespaces).lowercased()
        }
        guard let type, type == "application/json" || type.hasSuffix("+json") else {
            throw Problem(
                415,
                "unsupported_media_type",
                "The content is not JSON",
                "Content-Type is \(type.map { "\"\($0.prefix(100))\"" } ?? "missing");"
                    + " allowed: application/json (curl: --json)",
            )
        }
        do {
            return try JSONValue(parsing: request.body)
        } catch {
            throw Problem(400, "malformed_json", "The content is not well-formed JSON", "\(error)")
        }
    }

    /// What the one field that the JSON body may have stands for; nil without a body or the field.
    ///
    /// - Parameter read: nil for a value that is not `allowed`.
    /// - Throws: `Violations` with all that is wrong.
    func onlyField<Value>(
        _ name: String,
        of request: HTTPRequest,
        allowed: String,
        _ read: (JSONValue) throws -> Value?,
    ) throws -> Value? {
        guard !request.body.isEmpty else { return nil }
        let asked = try body(request)
        guard let members = asked.object else {
            throw Violations([
                Violation("", .wrongType, "found \(asked.typeName)", allowed: "an object")
            ])
        }
        var faults = members.keys.filter { $0 != name }.sorted().map {
            Violation(
                "/\($0)",
                .unknownField,
                "there is no field \"\($0.prefix(100))\"",
                allowed: name,
            )
        }
        let value = try members[name].map(read)
        if case .some(nil) = value {
            let found = members[name]?.canonical.prefix(100) ?? "null"
            faults.append(Violation("/\(name)", .notAllowed, "found \(found)", allowed: allowed))
        }
        guard faults.isEmpty else { throw Violations(faults) }
        return value ?? nil
    }

    func job(_ request: HTTPRequest) throws -> Job {
        let text = request.parameters["id"] ?? ""
        guard let id = JobID(rawValue: text), let job = try store.job(id) else {
            throw Problem.notFound("job", text)
        }
        return job
    }

    func json(
        _ value: JSONValue,
        status: Int = 200,
        _ fields: [(String, String)] = [],
    ) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: HTTPHeaders([("Content-Type", "application/json")] + fields),
            body: .bytes(Data((value.canonical + "\n").utf8)),
        )
    }

    /// A page of a list, with where the next begins.
    func page<Element>(
        _ page: Page<Element>,
        of request: HTTPRequest,
        _ view: (Element) -> JSONValue,
    ) -> HTTPResponse {
        self.page(page.elements.map(view), next: page.next, of: request)
    }

    /// - Parameter more: further members.
    func page(
        _ elements: [JSONValue],
        next: ListCursor?,
        of request: HTTPRequest,
        _ more: [String: JSONValue] = [:],
    ) -> HTTPResponse {
        var body = more
        body["data"] = .array(elements)
        body["hasMore"] = .bool(next != nil)
        body["nextCursor"] = .optional(next?.text)
        guard let next else { return json(.object(body)) }
        var parts = URLComponents()
        parts.path = request.path
        parts.queryItems =
            request.query.filter { $0.name != "after" }.map {
                URLQueryItem(name: $0.name, value: $0.value)
            } + [URLQueryItem(name: "after", value: next.text)]
        return json(.object(body), [("Link", "<\(parts.string ?? request.path)>; rel=\"next\"")])
    }
}
