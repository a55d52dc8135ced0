// What a request is, what may answer it, and the table of routes: the whole of what a user of `HTTP` sees.

package import Foundation

/// The header fields of a message, in the order they came; names compare without case.
package struct HTTPHeaders: Sendable {
    package private(set) var fields: [(name: String, value: String)] = []

    package init(_ fields: [(String, String)] = []) {
        for (name, value) in fields { add(name, value) }
    }

    /// The first value of `name`, or nil.
    package subscript(name: String) -> String? {
        fields.first { $0.name.equalsIgnoringCase(name) }?.value
    }

    /// Every value of `name`, in order.
    package func values(of name: String) -> [String] {
        fields.filter { $0.name.equalsIgnoringCase(name) }.map(\.value)
    }

    /// Adds a field. One with a control character in its value, or whose name is no token, is not
    /// added: it could end the header early.
    package mutating func add(_ name: String, _ value: String) {
        guard !name.isEmpty, name.utf8.allSatisfy(\.isTokenByte),
            value.utf8.allSatisfy(\.isFieldByte)
        else { return }
        fields.append((name, value))
    }

    /// Replaces every field called `name`.
    package mutating func set(_ name: String, _ value: String) {
        remove(name)
        add(name, value)
    }

    /// Removes every field called `name`.
    package mutating func remove(_ name: String) {
        fields.removeAll { $0.name.equalsIgnoringCase(name) }
    }
}

/// One whole request; its body has been read.
package struct HTTPRequest: Sendable {
    /// `HEAD` comes to a `GET` route too; its content is not sent.
    package var method: String
    /// The path, percent-decoded segment by segment, without the query.
    package var path: String
    /// The values that the route's pattern named, as `id` in `/v1/jobs/{id}`.
    package var parameters: [String: String]
    /// The query's pairs, decoded, in order.
    package var query: [(name: String, value: String)]
    package var headers: HTTPHeaders
    package var body: Data
    /// The body, where the route has it stored; `body` is then empty.
    package var upload: HTTPUpload?
    /// Echoed from `X-Request-Id`, or made.
    package var id: String
    /// The client's address, without port; `unixPeer` for whoever comes over the Unix socket.
    package var peer: String

    package static let unixPeer = "unix"

    package init(
        method: String,
        path: String,
        parameters: [String: String] = [:],
        query: [(name: String, value: String)] = [],
        headers: HTTPHeaders = HTTPHeaders(),
        body: Data = Data(),
        upload: HTTPUpload? = nil,
        id: String = "test",
        peer: String = HTTPRequest.unixPeer,
    ) {
        self.method = method
        self.path = path
        self.parameters = parameters
        self.query = query
        self.headers = headers
        self.body = body
        self.upload = upload
        self.id = id
        self.peer = peer
    }
}

/// A part of a file that stays as it is while it is sent.
package struct HTTPFile: Sendable {
    package var path: String
    /// Strong validator without quotes, such as `sha256-...`.
    package var etag: String
    package init(path: String, etag: String) {
        self.path = path
        self.etag = etag
    }
}

/// A status, its fields and its content. `Content-Length`, `Date`, ranges, `HEAD`, keep-alive and gzip are the
/// server's part. Compressed content makes its `ETag` a weak one; see `HTTPHeaders.holds(etag:)`.
package struct HTTPResponse: Sendable {
    package enum Body: Sendable {
        case bytes(Data)
        /// Sent with `sendfile`; the server answers Range, If-Range, If-None-Match and HEAD by itself.
        case file(HTTPFile)
    }

    package var status: Int
    package var headers: HTTPHeaders
    package var body: Body

    package init(status: Int, headers: HTTPHeaders = HTTPHeaders(), body: Body = .bytes(Data())) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// A response of unknown length (SSE, NDJSON). Any thread may call it.
package protocol HTTPStream: AnyObject, Sendable {
    /// Queues bytes. False when the client is gone or its backlog is past the limit; then the connection is being closed.
    @discardableResult func write(_ bytes: Data) -> Bool
    /// Ends the response properly (last chunk).
    func end()
    /// Closes the connection: the client sees that the response is not whole.
    func abort()
    /// Whether the client still listens.
    var isOpen: Bool { get }
    /// Called once, from any thread, when the client has left or the server drains. In the second case the
    /// action may still write a last event; the server ends the stream after it.
    func onClose(_ action: @escaping @Sendable () -> Void)
    /// Calls the action once, as soon as nothing is queued any more: how a long history is written piece
    /// by piece, without running into the limit of the backlog. Never called once the client is gone.
    func whenSent(_ action: @escaping @Sendable () -> Void)
}

extension HTTPStream {
    /// For streams that queue nothing: at once.
    package func whenSent(_ action: @escaping @Sendable () -> Void) { action() }
}

/// Answers one request later, from any thread: exactly one of the two, once.
package protocol HTTPResponder: Sendable {
    func respond(_ response: HTTPResponse)
    func stream(status: Int, headers: HTTPHeaders) -> any HTTPStream
    /// Called when the client leaves before it was answered, or the server drains: then an answer may still
    /// be given inside the action, and 503 is sent if it was not.
    func onClose(_ action: @escaping @Sendable () -> Void)
}

/// What a handler says: an answer now, or that it will answer later (long-poll, stream).
package enum HTTPReply: Sendable {
    case now(HTTPResponse)
    case later(@Sendable (any HTTPResponder) -> Void)
}

/// One line of the table of routes.
package struct HTTPRoute: Sendable {
    package var method: String
    /// Such as `/v1/jobs/{id}/events`.
    package var pattern: String
    /// The largest body in bytes; 0 refuses any. Larger ones get 413 before a byte of them is read.
    package var bodyLimit: Int
    /// Where bodies are stored as they come, for those too large for memory; nil: they are not.
    package var bodyFolder: String?
    /// Asked before a byte of a body that is stored is read; what it answers refuses the request.
    package var admit: (@Sendable (HTTPRequest) -> HTTPResponse?)?
    /// Asked first, on the thread that does the I/O: what needs no work is answered without waking another. It may
    /// neither wait nor read a file, and nil leaves the request to `handle`.
    package var answerAtOnce: (@Sendable (HTTPRequest) -> HTTPResponse?)?
    package var handle: @Sendable (HTTPRequest) -> HTTPReply

    package init(
        _ method: String,
        _ pattern: String,
        bodyLimit: Int = 0,
        bodyFolder: String? = nil,
        admit: (@Sendable (HTTPRequest) -> HTTPResponse?)? = nil,
        handle: @escaping @Sendable (HTTPRequest) -> HTTPReply,
    ) {
        self.method = method
        self.pattern = pattern
        self.bodyLimit = bodyLimit
        self.bodyFolder = bodyFolder
        self.admit = admit
        self.handle = handle
    }
}
