// What a request is told that cannot be answered: RFC 9457 problem details, with every violation at once.

internal import Configs
internal import Foundation
internal import HTTP
internal import Jobs
internal import Scheduling

struct Problem: Error {
    var status: Int
    /// A word for programs, and the last part of `type`.
    var code: String
    var title: String
    var detail: String
    var errors: [Violation] = []
    /// Further members.
    var more: [String: JSONValue] = [:]
    var fields: [(String, String)] = []

    init(
        _ status: Int,
        _ code: String,
        _ title: String,
        _ detail: String,
        errors: [Violation] = [],
        more: [String: JSONValue] = [:],
        fields: [(String, String)] = [],
    ) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = errors
        self.more = more
        self.fields = fields
    }

    /// What `request` is answered.
    func response(to request: HTTPRequest) -> HTTPResponse {
        var body = more
        body["type"] = .string("/problems/\(code.replacing("_", with: "-"))")
        body["title"] = .string(title)
        body["status"] = .int(status)
        body["code"] = .string(code)
        body["detail"] = .string(detail)
        body["instance"] = .string(request.id)
        if !errors.isEmpty { body["errors"] = (try? JSON.value(errors)) ?? [] }
        return HTTPResponse(
            status: status,
            headers: HTTPHeaders([("Content-Type", "application/problem+json")] + fields),
            body: .bytes(Data((JSONValue.object(body).canonical + "\n").utf8)),
        )
    }

    static func notFound(_ what: String, _ id: String) -> Problem {
        Problem(404, "not_found", "Not found", "there is no \(what) \"\(id.prefix(100))\"")
    }

    /// - Parameter refused: what a job of its kind can never be asked.
    static func impossible(_ state: JobState, _ detail: String, not refused: String? = nil)
        -> Problem
    {
        Problem(
            409,
            "invalid_transition",
            "The job cannot do that now",
            detail,
            more: [
                "state": .string(state.rawValue),
                "allowedVerbs": .array(
                    state.verbs.filter { $0 != refused }.map { .string($0) }
                ),
            ],
        )
    }

    static func invalid(_ violations: Violations) -> Problem {
        let count = violations.all.count
        return Problem(
            422,
            "validation",
            "The request asks for what cannot be done",
            count == 1
                ? violations.all[0].detail : "\(count) violations: see `errors`",
            errors: violations.all,
        )
    }

    static func badQuery(_ name: String, _ value: String, allowed: String) -> Problem {
        Problem(
            400,
            "bad_query",
            "A query parameter is wrong",
            "\(name)=\(value.prefix(100)) is not allowed; allowed: \(allowed)",
        )
    }

    static func diskReserve(_ room: DiskRoom, _ status: Int) -> Problem {
        Problem(
            status,
            "disk_reserve",
            "There is too little room on the disk",
            "\(room.words): no new work is taken until there is more; running jobs go on",
            more: ["freeBytes": .int(room.space.free), "reserveBytes": .int(room.reserve)],
        )
    }

    static func damaged(_ reason: String, _ status: Int) -> Problem {
        Problem(
            status,
            "database_damaged",
            "The database is damaged",
            "a part of it cannot be read (\(reason)); the rest can; the operator should run"
                + " `detnas doctor` and restore a backup",
        )
    }
}
