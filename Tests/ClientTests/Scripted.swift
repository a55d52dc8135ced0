// A daemon that answers what a test tells it.

import Configs
import Foundation
import HTTP

@testable import Client

/// Sendable: `lock` guards what changes.
final class Scripted: @unchecked Sendable {
    enum Answer {
        case json(JSONValue, status: Int = 200)
        case text(String)
        /// Lines of events with these numbers, each `metric` but for those of `ends`.
        case events([Int], ends: Set<Int> = [], isOpen: Bool = false)
    }

    private let lock = NSLock()
    private var targets: [String] = []
    private var server: HTTPServer?
    private(set) var port: UInt16 = 0
    private let answer: @Sendable (String, Int) -> Answer

    /// What was asked for.
    var asked: [String] { lock.withLock { targets } }

    var client: Client { Client(.tcp(host: "127.0.0.1", port: port)) }

    /// - Parameter answer: gets the target, and how many came before with the same path.
    init(
        port: UInt16 = 0,
        tls: HTTPServer.TLS? = nil,
        _ answer: @escaping @Sendable (String, Int) -> Answer,
    ) throws {
        self.answer = answer
        let paths = [
            "/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/events", "/v1/architectures",
        ]
        let routes = paths.map { path in
            HTTPRoute("GET", path) { [self] request in self.reply(request) }
        }
        var configuration = HTTPServer.Configuration(port: port)
        configuration.tls = tls
        let server = HTTPServer(configuration: configuration, routes: routes)
        self.port = try server.start()
        self.server = server
    }

    private func reply(_ request: HTTPRequest) -> HTTPReply {
        let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        let target = query.isEmpty ? request.path : "\(request.path)?\(query)"
        let before = lock.withLock {
            let path = request.path
            targets.append(target)
            return targets.dropLast().count { $0.split(separator: "?")[0] == path }
        }
        switch answer(target, before) {
        case .json(let value, let status):
            return .now(
                HTTPResponse(
                    status: status,
                    headers: HTTPHeaders([("Content-Type", "application/json")]),
                    body: .bytes(Data(value.canonical.utf8)),
                )
            )
        case .text(let text):
            return .now(
                HTTPResponse(
                    status: 200,
                    headers: HTTPHeaders([("Content-Type", "text/html")]),
                    body: .bytes(Data(text.utf8)),
                )
            )
        case .events(let numbers, let ends, let isOpen):
            return .later { responder in
                let stream = responder.stream(status: 200, headers: HTTPHeaders([]))
                for number in numbers {
                    let type = ends.contains(number) ? "job.end" : "metric"
                    let event: JSONValue = [
                        "seq": .int(Int64(number)), "type": .string(type), "data": [:],
                    ]
                    stream.write(Data((event.canonical + "\n").utf8))
                }
                if !isOpen { stream.end() }
            }
        }
    }

    /// - Parameter timeout: 0 cuts open streams off.
    func stop(timeout: Double = 0) {
        server?.drain(timeout: timeout)
        server = nil
    }
}
