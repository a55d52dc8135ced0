// The log: a JSON object a line, one for each request, and no secret in it.

import Configs
import Foundation
import HTTP
import JobStore
import Jobs
import Scheduling
import Synchronization
import Testing

@Suite struct LogTests {
    private final class Lines: Sendable {
        private let all = Mutex<[String]>([])
        var log: ServiceLog { ServiceLog { [self] line in all.withLock { $0.append(line) } } }
        var text: [String] { all.withLock { $0 } }
    }

    private func requests(_ lines: Lines, _ count: Int) throws -> [JSONValue] {
        var found: [JSONValue] = []
        _ = try eventuallyIsTrue {
            found = try lines.text.map { try JSONValue(parsing: Data($0.utf8)) }
                .filter { $0["message"] == "request" }
            return found.count >= count
        }
        return found
    }

    private func eventuallyIsTrue(_ condition: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<500 {
            if try condition() { return true }
            Thread.sleep(forTimeInterval: 0.01)
        }
        return false
    }

    @Test func `every request but those for its health has a line with who, what and how long`()
        throws
    {
        let lines = Lines()
        let bench = try ServerBench(log: lines.log)
        let id = try bench.submit()
        _ = try bench.end(id)
        _ = try bench.client.get("/healthz")
        _ = try bench.client.get("/v1/nothing?x=1", ["X-Request-Id": "mine-1"])
        _ = try bench.client.get("/v1/jobs/\(id)?wait=1s")
        let found = try requests(lines, 4)
        #expect(found.count == 4)
        #expect(found.map { $0["method"]?.string } == ["POST", "GET", "GET", "GET"])
        #expect(
            found.map { $0["route"] } == [
                "/v1/jobs", "/v1/jobs/{id}", .null, "/v1/jobs/{id}",
            ]
        )
        #expect(found.map { $0["status"]?.int } == [201, 200, 404, 200])
        #expect(found[2]["path"] == "/v1/nothing")
        #expect(found[2]["request"] == "mine-1")
        #expect(found[3]["path"]?.string == "/v1/jobs/\(id)")
        for line in found {
            #expect(line["request"]?.string?.isEmpty == false)
            #expect((line["bytes"]?.int ?? 0) > 0 && (line["seconds"]?.double ?? -1) >= 0)
            #expect(line["ts"]?.string.flatMap(Timestamp.date) != nil)
            #expect(line["level"] == "info" && line["complete"] == true)
        }
        // The lines about jobs name the request that they came from.
        let submitted = try lines.text.map { try JSONValue(parsing: Data($0.utf8)) }
            .first { $0["message"] == "submitted" }
        #expect(submitted?["request"] == found[0]["request"])
    }

    @Test func `a log's line is JSON whatever is said in it`() throws {
        let lines = Lines()
        lines.log(.error, "it \"broke\"\n", ["why": "a\u{1}b\n{}", "\"": ""])
        #expect(lines.text.count == 1 && lines.text[0].contains("\n") == false)
        let line = try JSONValue(parsing: Data(lines.text[0].utf8))
        #expect(line["why"] == "a\u{1}b\n{}" && line["message"] == "it \"broke\"\n")
    }

    @Test func `no token, cookie or key comes into a log, an event or an error`() throws {
        let lines = Lines()
        let bench = try ServerBench(needsToken: true, log: lines.log)
        let admin = try bench.store.makeToken(name: "root", scope: .admin, expiresAt: nil).secret
        let reader = try bench.store.makeToken(name: "see", scope: .read, expiresAt: nil).secret
        let (wrong, cookie) = ("dn_wrong_secret_of_somebody", "session=cookie-secret")
        var bodies: [String] = []
        func call(
            _ method: String,
            _ target: String,
            _ secret: String,
            _ body: JSONValue? = nil,
            raw: String? = nil,
        ) throws -> Answer {
            let answer = try bench.client.send(
                method,
                target,
                body: body,
                raw: raw,
                ["Authorization": "Bearer \(secret)", "Cookie": cookie],
            )
            bodies.append(answer.text)
            return answer
        }
        try bench.service.behave(seed: 0, "echo $DETNAS_TOKEN; env; fail bad_data false")
        let made = try call("POST", "/v1/jobs", admin, ServerBench.pretrain)
        let id = try #require(made.json["id"]?.string)
        #expect(try call("GET", "/v1/jobs/\(id)?wait=10s&until=terminal", reader).status == 200)
        #expect(try call("POST", "/v1/jobs", reader, ServerBench.pretrain).status == 403)
        #expect(try call("GET", "/v1/jobs", wrong).status == 401)
        #expect(try call("GET", "/v1/jobs?token=\(reader)", wrong).status == 401)
        #expect(try call("GET", "/v1/nothing?token=\(reader)", reader).status == 404)
        #expect(try call("GET", "/v1/jobs/\(id)/events", reader).status == 200)
        #expect(try call("GET", "/v1/jobs/\(id)/logs", reader).status == 200)
        #expect(try call("POST", "/v1/jobs", admin, raw: "{\"kind\":").status == 400)
        #expect(try call("POST", "/v1/jobs", admin, ["kind": "x", "y": 1]).status == 422)
        #expect(try call("DELETE", "/v1/jobs/\(id)", reader).status == 403)
        #expect(try call("GET", "/v1/auth/tokens", admin).status == 200)
        #expect(try call("GET", "/v1/auth/whoami", reader).status == 200)
        let token = try call("POST", "/v1/auth/tokens", admin, ["name": "new"])
        let fresh = try #require(token.json["secret"]?.string)
        // The one answer that has to tell it.
        bodies.removeLast()
        #expect(try requests(lines, 14).count == 14)
        let events = try bench.store.events(
            of: #require(JobID(rawValue: id)),
            after: 0,
            limit: 100,
        ).map { $0.data.canonical }
        let everything = (lines.text + bodies + events).joined(separator: "\n")
        for secret in [admin, reader, wrong, fresh, "cookie-secret", "Bearer "] {
            // `WWW-Authenticate` is a header; no body says what was sent.
            #expect(
                secret == "Bearer "
                    ? !lines.text.joined().contains(secret) : !everything.contains(secret),
                "\(secret)",
            )
        }
    }
}
