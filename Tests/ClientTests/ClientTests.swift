// The command line's side of HTTP, against this project's own server.

import Configs
import Foundation
import HTTP
import SearchSpaces
import Testing

@testable import Client

/// Sendable: `lock` guards what changes.
private final class Server: @unchecked Sendable {
    private let lock = NSLock()
    private var server: HTTPServer?
    private(set) var client = Client(.tcp(host: "127.0.0.1", port: 1))
    /// Range fields that came.
    private var ranges: [String] = []
    let file: URL
    let content: Data
    /// What was put.
    private var received = Data()
    var stored: Data { lock.withLock { received } }
    /// What the daemon says that the content's digest is.
    var digest: String

    var asked: [String] { lock.withLock { ranges } }

    init() throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 256) }
        content = Data(bytes)
        digest = SHA256.digest(bytes).hex
        file = FileManager.default.temporaryDirectory.appending(path: "content-\(UUID())")
        try content.write(to: file)
        let routes = [
            HTTPRoute("GET", "/v1/checkpoints/{id}") { [self] _ in
                .now(self.json(["sha256": .string(self.digest), "bytes": .int(300_000)]))
            },
            HTTPRoute("GET", "/v1/checkpoints/{id}/content") { [self] request in
                if let range = request.headers["Range"] {
                    self.lock.withLock { self.ranges.append(range) }
                }
                return .now(
                    HTTPResponse(
                        status: 200,
                        body: .file(
                            HTTPFile(path: self.file.path, etag: "sha256-\(self.digest)")
                        ),
                    )
                )
            },
            HTTPRoute("GET", "/v1/jobs/{id}/events") { _ in
                .later { responder in
                    let stream = responder.stream(status: 200, headers: HTTPHeaders([]))
                    // Lines that are cut anywhere.
                    for part in ["{\"seq\"", ":1}\n{\"seq\":2}\n{", "\"seq\":3}\n"] {
                        stream.write(Data(part.utf8))
                    }
                    stream.end()
                }
            },
            HTTPRoute("POST", "/v1/uploads", bodyLimit: 1000) { [self] request in
                let body = try? JSONValue(parsing: request.body)
                return .now(self.json(["id": body?["bytes"] == 0 ? "up_0" : "up_1"], status: 201))
            },
            HTTPRoute("PUT", "/v1/uploads/{id}", bodyLimit: 2_000_000) { [self] request in
                self.lock.withLock { self.received = request.body }
                return .now(
                    self.json(
                        [
                            "sha256": .string(
                                self.digest.isEmpty
                                    ? "another" : SHA256.digest(Array(request.body)).hex
                            )
                        ]
                    )
                )
            },
            HTTPRoute("POST", "/v1/jobs", bodyLimit: 1000) { [self] request in
                let body = try? JSONValue(parsing: request.body)
                guard body?["kind"] != nil else {
                    return .now(
                        self.json(
                            [
                                "title": "Wrong", "detail": "1 violation",
                                "errors": [
                                    ["pointer": "/kind", "detail": "missing", "allowed": "a kind"]
                                ],
                            ],
                            status: 422,
                        )
                    )
                }
                return .now(self.json(["id": "job_1", "sent": body ?? .null], status: 201))
            },
        ]
        let server = HTTPServer(configuration: HTTPServer.Configuration(), routes: routes)
        client = Client(.tcp(host: "127.0.0.1", port: try server.start()))
        self.server = server
    }

    private func json(_ value: JSONValue, status: Int = 200) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: HTTPHeaders([("Content-Type", "application/json")]),
            body: .bytes(Data(value.canonical.utf8)),
        )
    }

    func stop() {
        server?.drain(timeout: 1)
        server = nil
        try? FileManager.default.removeItem(at: file)
    }
}

@Suite struct ClientTests {
    @Test func `an answer is JSON, a problem is an error with its places`() throws {
        let server = try Server()
        defer { server.stop() }
        let made = try server.client.send("POST", "/v1/jobs", ["kind": "x"])
        #expect(made["id"] == "job_1" && made["sent"]?["kind"] == "x")
        let problem = try #require(throws: ServerProblem.self) {
            try server.client.send("POST", "/v1/jobs", ["king": "x"])
        }
        #expect(problem.status == 422)
        #expect("\(problem)".contains("  /kind: missing; allowed: a kind"))
        let none = try #require(throws: ServerProblem.self) { try server.client.get("/nothing") }
        #expect(none.status == 404)
    }

    @Test func `a stream's lines come whole, and may be left early`() throws {
        let server = try Server()
        defer { server.stop() }
        var lines: [String] = []
        try server.client.lines("/v1/jobs/job_1/events") {
            lines.append($0)
            return true
        }
        #expect(lines == [#"{"seq":1}"#, #"{"seq":2}"#, #"{"seq":3}"#])
        var count = 0
        try server.client.lines("/v1/jobs/job_1/events") { _ in
            count += 1
            return count < 2
        }
        #expect(count == 2)
    }

    @Test func `a download goes on where it was cut off, and a wrong digest leaves no file`() throws
    {
        let server = try Server()
        defer { server.stop() }
        let target = FileManager.default.temporaryDirectory.appending(path: "get-\(UUID())")
        let part = URL(filePath: target.path + ".part")
        defer { try? FileManager.default.removeItem(at: target) }
        try server.content.prefix(123_456).write(to: part)
        try server.client.download(checkpoint: "ckpt_1", to: target)
        #expect(try Data(contentsOf: target) == server.content)
        #expect(server.asked == ["bytes=123456-"])
        #expect(!FileManager.default.fileExists(atPath: part.path))

        // What is there of another file: the digest tells, and nothing is kept.
        try FileManager.default.removeItem(at: target)
        try Data(count: 1000).write(to: part)
        #expect(throws: ClientError.self) {
            try server.client.download(checkpoint: "ckpt_1", to: target)
        }
        #expect(!FileManager.default.fileExists(atPath: target.path))
        #expect(!FileManager.default.fileExists(atPath: part.path))
        try server.client.download(checkpoint: "ckpt_1", to: target)
        #expect(try Data(contentsOf: target) == server.content)
    }

    @Test func `an upload is the file as it is, and what was stored is compared with it`() throws {
        let server = try Server()
        defer { server.stop() }
        var steps: [Int] = []
        let id = try server.client.upload(server.file) { done, _ in steps.append(done) }
        #expect(id == "up_1" && server.stored == server.content && steps == [300_000])
        server.digest = ""
        let error = try #require(throws: ClientError.self) { try server.client.upload(server.file) }
        #expect("\(error)".contains("has the digest another"))
        server.digest = "told"
        try Data().write(to: server.file)
        #expect(try server.client.upload(server.file) == "up_0" && server.stored.isEmpty)
    }

    /// The daemon closes while the content is still being sent; its answer tells why.
    @Test func `an upload that is refused ends with the reason`() throws {
        let server = try Server()
        defer { server.stop() }
        try Data(count: 8_000_000).write(to: server.file)
        let problem = try #require(throws: ServerProblem.self) {
            try server.client.upload(server.file)
        }
        #expect(problem.status == 413)
    }

    @Test func `no server is told with its address`() throws {
        let client = Client(.tcp(host: "127.0.0.1", port: 1))
        let error = try #require(throws: ClientError.self) { try client.get("/healthz") }
        #expect("\(error)".contains("no server at 127.0.0.1:1"))
        let unix = Client(.unix(path: "/nowhere/detnas.sock"))
        #expect(throws: ClientError.self) { try unix.get("/healthz") }
    }
}
