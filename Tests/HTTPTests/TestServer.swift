// A server with one route of each sort, on a free port.

import Foundation
import Synchronization

@testable import HTTP

/// How a server is spoken to.
enum Wire: String, CaseIterable {
    case plain, tls, unix
}

/// Drains when it is let go.
final class TestServer: Sendable {
    let port: UInt16
    let wire: Wire
    /// Of the Unix socket.
    let path = temporaryPath("http.sock")
    private let certificate: Certificate?
    /// The file that a client must trust.
    var trusted: String? { certificate?.file }
    let server: HTTPServer
    /// Streams opened by `GET /events`, in order.
    let streams = Shared<any HTTPStream>()
    /// Responders of `GET /wait`, in order.
    let waiting = Shared<any HTTPResponder>()
    /// Names of what was called back.
    let calls = Shared<String>()
    let log = Shared<HTTPServer.AccessEntry>()

    init(
        _ wire: Wire = .plain,
        file: HTTPFile = HTTPFile(path: "/dev/null", etag: "none"),
        folder: String = "/missing",
        _ change: (inout HTTPServer.Configuration) -> Void = { _ in },
    ) throws {
        var configuration = HTTPServer.Configuration()
        configuration.limits.connectionsPerPeer = 1024
        self.wire = wire
        certificate = wire == .tls ? try Certificate("localhost") : nil
        configuration.tls = certificate?.served
        if wire == .unix {
            configuration.host = nil
            configuration.unixSocket = HTTPServer.UnixSocket(path: path)
        }
        configuration.accessLog = { [log] in log.append($0) }
        change(&configuration)
        server = HTTPServer(
            configuration: configuration,
            routes: Self.routes(file, folder, streams: streams, waiting: waiting, calls: calls),
        )
        port = try server.start()
    }

    deinit { server.drain(timeout: 0) }

    func connect(patience: Double = 5, receiveBuffer: Int32? = nil) throws -> RawClient {
        let address: Address =
            switch wire {
            case .plain: .tcp(port)
            case .tls: .tls(port, TLSOffer(trusts: trusted))
            case .unix: .unix(path)
            }
        return try RawClient(address, patience: patience, receiveBuffer: receiveBuffer)
    }

    private static func routes(
        _ file: HTTPFile,
        _ folder: String,
        streams: Shared<any HTTPStream>,
        waiting: Shared<any HTTPResponder>,
        calls: Shared<String>,
    ) -> [HTTPRoute] {
        [
            HTTPRoute("GET", "/hello") { _ in .now(.text("hello")) },
            HTTPRoute("POST", "/echo", bodyLimit: 1000) { request in
                .now(HTTPResponse(status: 200, body: .bytes(request.body)))
            },
            HTTPRoute("POST", "/upload", bodyLimit: 30_000_000, bodyFolder: folder) { request in
                .now(uploaded(request))
            },
            HTTPRoute(
                "POST",
                "/guarded",
                bodyLimit: 30_000_000,
                bodyFolder: folder,
                admit: { request in
                    calls.append("asked \(request.body.count)")
                    return request.query.isEmpty ? nil : HTTPResponse(status: 403)
                },
                handle: { .now(uploaded($0)) },
            ),
            HTTPRoute("POST", "/plain") { _ in .now(.text("no body")) },
            HTTPRoute("GET", "/jobs/{id}") { .now(.text("job \($0.parameters["id"] ?? "?")")) },
            HTTPRoute("GET", "/jobs/latest") { _ in .now(.text("the latest")) },
            HTTPRoute("GET", "/query") { request in
                .now(.text(request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "|")))
            },
            HTTPRoute("GET", "/file") { _ in
                .now(HTTPResponse(status: 200, body: .file(file)))
            },
            HTTPRoute("GET", "/list") { request in .now(list(for: request)) },
            HTTPRoute("GET", "/injected") { request in
                var response = HTTPResponse.text("ok")
                response.headers.add("X-Echo", request.query.first?.value ?? "")
                response.headers.add("X-Bad\r\nSet-Cookie", "a")
                return .now(response)
            },
            HTTPRoute("GET", "/slow") { _ in
                Thread.sleep(forTimeInterval: 0.3)
                return .now(.text("slow"))
            },
            HTTPRoute("GET", "/held") { _ in
                calls.append("held")
                _ = calls.wait(for: 2)
                return .now(.text("let go"))
            },
            quick,
            HTTPRoute("GET", "/big") { _ in
                .now(HTTPResponse(status: 200, body: .bytes(Data(count: 64 << 20))))
            },
            HTTPRoute("GET", "/events") { _ in
                .later { responder in
                    let type = HTTPHeaders([("Content-Type", "text/event-stream")])
                    let stream = responder.stream(status: 200, headers: type)
                    stream.onClose { calls.append("stream closed") }
                    streams.append(stream)
                }
            },
            HTTPRoute("GET", "/wait") { _ in
                .later { responder in
                    responder.onClose { calls.append("waiting closed") }
                    waiting.append(responder)
                }
            },
            HTTPRoute("GET", "/forgotten") { _ in .later { _ in } },
        ]
    }
}

/// Answered on the I/O thread, unless a query is there.
private let quick: HTTPRoute = {
    var route = HTTPRoute("GET", "/quick") { _ in .now(.text("handled")) }
    route.answerAtOnce = { $0.query.isEmpty ? .text("at once") : nil }
    return route
}()

/// Says what was stored; keeps it where the query says.
private func uploaded(_ request: HTTPRequest) -> HTTPResponse {
    guard let upload = request.upload, request.body.isEmpty else { return .text("nothing") }
    do {
        if let target = request.query.first?.value { try upload.keep(at: target) }
        return .text("\(upload.size) \(upload.sha256)")
    } catch {
        return .text("\(error)")
    }
}

/// Bytes of the type and size that the query asks for, with a tag.
private func list(for request: HTTPRequest) -> HTTPResponse {
    let asked = Dictionary(request.query.map { ($0.name, $0.value) }) { first, _ in first }
    let lines = (asked["bytes"].flatMap(Int.init) ?? 0) / 10
    let body = Data(String(repeating: "{\"a\": 10}\n", count: lines).utf8)
    var headers = HTTPHeaders([("ETag", "\"r5\"")])
    if request.headers.holds(etag: "\"r5\"") { return HTTPResponse(status: 304, headers: headers) }
    headers.add("Content-Type", asked["type"] ?? "application/json")
    if let digest = asked["digest"] { headers.add("Repr-Digest", digest) }
    return HTTPResponse(status: 200, headers: headers, body: .bytes(body))
}

extension HTTPResponse {
    static func text(_ text: String) -> HTTPResponse {
        HTTPResponse(
            status: 200,
            headers: HTTPHeaders([("Content-Type", "text/plain")]),
            body: .bytes(Data(text.utf8)),
        )
    }
}

/// A list that many threads fill and a test waits for.
final class Shared<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    func append(_ element: Element) { elements.withLock { $0.append(element) } }

    var all: [Element] { elements.withLock { $0 } }

    /// All elements, as soon as there are `count`; what there is after `seconds`.
    func wait(for count: Int, seconds: Double = 5) -> [Element] {
        let end = Date(timeIntervalSinceNow: seconds)
        while all.count < count, Date() < end { usleep(1000) }
        return all
    }

    func removeAll() { elements.withLock { $0 = [] } }
}
