// A response made ready to be sent: the head as bytes, the content opened and cut to what was asked for.
// Made on the thread that answers, so that opening a file never holds up the I/O.

internal import Foundation
internal import Synchronization

struct Reply: Sendable {
    enum Content: Sendable {
        case nothing
        case bytes(Data)
        case file(OpenFile, Range<Int64>)
    }

    var status: Int
    /// Status line and fields, without `Date`, `Connection` and the closing blank line.
    var head: Data
    var content: Content

    /// Fields that only the server writes.
    private static let ownFields = [
        "content-length", "transfer-encoding", "connection", "date", "x-request-id", "trailer",
        "upgrade", "keep-alive",
    ]

    private init(
        status: Int,
        headers: HTTPHeaders,
        own: [(String, String)],
        id: String,
        content: Content,
    ) {
        var text = "HTTP/1.1 \(status) \(HTTPStatus.phrase(status))\r\n"
        text.reserveCapacity(512)
        func add(_ name: String, _ value: String) {
            text += name
            text += ": "
            text += value
            text += "\r\n"
        }
        for (name, value) in headers.fields
        where !Self.ownFields.contains(where: name.equalsIgnoringCase) {
            add(name, value)
        }
        for (name, value) in own { add(name, value) }
        add("X-Request-Id", id)
        self.status = status
        self.content = content
        head = Data(text.utf8)
    }

    /// The head of a stream.
    init(streaming status: Int, headers: HTTPHeaders, to asked: Asked, isChunked: Bool) {
        self.init(
            status: status,
            headers: headers,
            own: isChunked ? [("Transfer-Encoding", "chunked")] : [],
            id: asked.id,
            content: .nothing,
        )
    }

    init(_ problem: HTTPProblem, to asked: Asked, errorBody: ErrorBody) {
        var problem = problem
        problem.instance = asked.id
        let (contentType, body) = errorBody(problem)
        var headers = HTTPHeaders(problem.fields.sorted { $0.key < $1.key }.map { ($0, $1) })
        headers.add("Content-Type", contentType)
        self.init(status: problem.status, headers: headers, body: body, to: asked)
    }

    private init(status: Int, headers: HTTPHeaders, body: Data, to asked: Asked) {
        var headers = headers
        var body = body
        let isBodiless = HTTPStatus.isBodiless(status)
        if !isBodiless { ContentCoding.apply(to: &body, &headers, for: asked.headers) }
        // What the client holds may be there in two codings.
        if status == 304 { ContentCoding.addVary(to: &headers) }
        self.init(
            status: status,
            headers: headers,
            own: isBodiless ? [] : [("Content-Length", "\(body.count)")],
            id: asked.id,
            content: isBodiless || asked.isHead ? .nothing : .bytes(body),
        )
    }

    init(_ response: HTTPResponse, to asked: Asked, errorBody: ErrorBody) {
        guard (200...599).contains(response.status) else {
            let problem = HTTPProblem(500, "internal", "the server answered with no valid status")
            self.init(problem, to: asked, errorBody: errorBody)
            return
        }
        switch response.body {
        case .bytes(let body):
            self.init(status: response.status, headers: response.headers, body: body, to: asked)
        case .file(let file):
            do throws(OpenFile.Failure) {
                let opened = try OpenFile(file.path)
                self.init(response, opened, etag: file.etag, to: asked, errorBody: errorBody)
            } catch {
                let problem: HTTPProblem =
                    switch error {
                    case .missing: HTTPProblem(404, "content-missing", "the content is gone")
                    case .unreadable: HTTPProblem(500, "internal", "the content cannot be read")
                    }
                self.init(problem, to: asked, errorBody: errorBody)
            }
        }
    }

    private init(
        _ response: HTTPResponse,
        _ file: OpenFile,
        etag: String,
        to asked: Asked,
        errorBody: ErrorBody,
    ) {
        let answer =
            response.status == 200
            ? FileAnswer(
                method: asked.method,
                headers: asked.headers,
                size: file.size,
                etag: etag,
            ) : .whole
        var own = [("ETag", "\"\(etag)\""), ("Accept-Ranges", "bytes")]
        var headers = response.headers
        headers.remove("ETag")
        headers.remove("Accept-Ranges")
        headers.remove("Content-Range")
        let status: Int
        let content: Content
        switch answer {
        case .whole:
            own.append(("Content-Length", "\(file.size)"))
            status = response.status
            content = asked.isHead ? .nothing : .file(file, 0..<file.size)
        case .part(let part):
            own.append(("Content-Length", "\(part.count)"))
            own.append(
                ("Content-Range", "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.size)")
            )
            status = 206
            content = .file(file, part)
        case .notModified:
            headers.remove("Content-Type")
            status = 304
            content = .nothing
        case .unsatisfiable:
            let problem = HTTPProblem(
                416,
                "range-not-satisfiable",
                "Range is \"\(asked.headers["Range"] ?? "")\"; the content has \(file.size) bytes",
                fields: ["Content-Range": "bytes */\(file.size)", "Accept-Ranges": "bytes"],
            )
            self.init(problem, to: asked, errorBody: errorBody)
            return
        }
        self.init(status: status, headers: headers, own: own, id: asked.id, content: content)
    }
}

typealias ErrorBody = @Sendable (HTTPProblem) -> (contentType: String, body: Data)

/// What an answer needs to know of its request.
struct Asked: Sendable {
    var method = ""
    var headers = HTTPHeaders()
    var minorVersion = 1
    var id: String

    var isHead: Bool { method == "HEAD" }
}

/// The `Date` of every answer; written once a second.
final class DateField: Sendable {
    private let last = Mutex((second: Int.min, text: ""))

    func text(at second: Int) -> String {
        last.withLock { last in
            if last.second != second { last = (second, httpDate(secondsSince1970: second)) }
            return last.text
        }
    }
}

/// A time, as `Date` fields write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
func httpDate(secondsSince1970 seconds: Int) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let two = { (number: Int32) in (number < 10 ? "0" : "") + String(number) }
    return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) "
        + "\(parts.tm_year + 1900) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
}
