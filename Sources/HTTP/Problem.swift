// What the server itself refuses, and how it says so: RFC 9457 problem details.

package import Foundation

/// Why a request was refused before or instead of a handler's answer.
package struct HTTPProblem: Error, Equatable, Sendable {
    package var status: Int
    /// The problem's kind, as the last part of its `type`: `malformed-request`.
    package var slug: String
    /// What is wrong with this request: the place, the value and what is allowed.
    package var detail: String
    /// The request's id.
    package var instance = ""
    /// Fields that belong to the status, such as `Allow`.
    package var fields: [String: String] = [:]

    /// The status in words; the same for every problem of that status.
    package var title: String { HTTPStatus.phrase(status) }

    init(_ status: Int, _ slug: String, _ detail: String, fields: [String: String] = [:]) {
        self.status = status
        self.slug = slug
        self.detail = detail
        self.fields = fields
    }

    static func malformed(_ detail: String) -> HTTPProblem {
        HTTPProblem(400, "malformed-request", detail)
    }

    static func tooLargeFields(_ detail: String) -> HTTPProblem {
        HTTPProblem(431, "header-too-large", detail)
    }

    static func tooLargeBody(limit: Int) -> HTTPProblem {
        HTTPProblem(
            413,
            "body-too-large",
            limit == 0
                ? "this route takes no body"
                : "the body is larger than this route's \(limit) bytes",
        )
    }

    static func unstored(_ error: HTTPUploadError) -> HTTPProblem {
        HTTPProblem(507, "body-not-stored", "the body cannot be stored: \(error.reason)")
    }

    /// `application/problem+json` with `type`, `title`, `status`, `code`, `detail` and `instance`.
    @Sendable package static func problemJSON(
        _ problem: HTTPProblem
    ) -> (contentType: String, body: Data) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let details = Details(
            type: "/problems/\(problem.slug)",
            title: problem.title,
            status: problem.status,
            code: problem.slug.replacing("-", with: "_"),
            detail: problem.detail,
            instance: problem.instance,
        )
        let body = (try? encoder.encode(details)) ?? Data("{}".utf8)
        return ("application/problem+json", body + Data("\n".utf8))
    }

    private struct Details: Encodable {
        let type: String
        let title: String
        let status: Int
        let code: String
        let detail: String
        let instance: String
    }
}

/// The registered phrases of the statuses in use.
enum HTTPStatus {
    static func phrase(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        default: "Status \(status)"
        }
    }

    /// Whether a response of this status has no content by definition.
    static func isBodiless(_ status: Int) -> Bool { status < 200 || status == 204 || status == 304 }
}
