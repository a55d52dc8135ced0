// What is sent to every route by someone who wants in: paths that lead out, fields that split, sizes without measure.

import API
import Configs
import Foundation
import HTTP
import TestSupport
import Testing

@Suite struct HostileTests {
    /// In place of each path parameter; the first five also as the value of each query parameter.
    private static let values = [
        "%2E%2E%2F%2E%2E%2Fcanary", "x%0d%0aX-Injected:%201", "canary%00.png", "%ff%fe",
        String(repeating: "a", count: 4000), "..", ".", "%2e%2e", "..%2f..%2fcanary",
        "..%5c..%5ccanary",
        "%2fetc%2fpasswd", "%252e%252e%252fcanary", "....%2f%2fcanary", "..%00",
        "file:%2f%2f%2fetc%2fpasswd", "~", "%7eroot", "%24HOME", "%60id%60", "*", "%25s%25n",
        "x%0aX-Injected:%201", "%c0%ae%c0%ae%c0%af",
        "'%20OR%201=1;--", "%22%27%5c", "job_00000000000000000000000000%2f..%2fcanary",
    ]

    /// A server with files that nobody may see, and a job to look at.
    private static func bench() throws -> (bench: ServerBench, job: String) {
        let bench = try ServerBench { $0.bodyBytes = 1000 }
        let made = try bench.run("checkpoint final 10 supernet; leave a.png pixels; result_left")
        let job = try #require(made["id"]?.string)
        for place in ["", "/runs", "/runs/\(job)", "/datasets/photos"] {
            try Data("CANARY".utf8).write(
                to: URL(filePath: "\(bench.service.folder)\(place)/canary")
            )
        }
        return (bench, job)
    }

    private static func isHarmless(_ answer: Answer) -> Bool {
        (200..<500).contains(answer.status)
            && answer.headers["x-injected"] == nil
            && !["CANARY", "root:x:", "SQLite format"].contains(where: answer.text.contains)
    }

    @Test func `no value in a path or a query of any route leads to a file or splits a field`()
        throws
    {
        let (bench, job) = try Self.bench()
        let api = try OpenAPI()
        var count = 0
        for route in bench.routes {
            let parameters = api.document["paths"]?[route.pattern]?[route.method.lowercased()]?[
                "parameters"
            ]
            let queries = (parameters?.array ?? []).map(api.resolve).filter { $0["in"] == "query" }
                .compactMap { $0["name"]?.string }
            let names = route.pattern.matches(of: /\{([a-z]+)\}/).map { String($0.1) }
            let plain = names.reduce(route.pattern) { $0.replacing("{\($1)}", with: job) }
            for (number, value) in Self.values.enumerated() {
                // One parameter at a time is hostile; a job that is there stands for the others.
                var targets = names.map { hostile in
                    names.reduce(route.pattern) { path, name in
                        path.replacing("{\(name)}", with: name == hostile ? value : job)
                    }
                }
                if number < 5 { targets += queries.map { "\(plain)?\($0)=\(value)" } }
                for target in targets {
                    let answer = try bench.client.send(route.method, target)
                    #expect(
                        Self.isHarmless(answer),
                        "\(route.method) \(target.prefix(200)): \(answer.status)",
                    )
                    count += 1
                }
            }
        }
        #expect(count > 1000)
        #expect(try bench.client.json("/v1/jobs/\(job)")["state"] == "succeeded")
    }

    @Test func `every route refuses what is too large, and says so`() throws {
        let (bench, job) = try Self.bench()
        let large = String(repeating: "x", count: 10_000)
        for route in bench.routes {
            let path = route.pattern.replacing(/\{[a-z]+\}/, with: job)
            for (wanted, fields, body, query) in [
                (431, ["X-Large": String(repeating: "x", count: 20_000)], nil, ""),
                (
                    431,
                    Dictionary(uniqueKeysWithValues: (0..<120).map { ("X-\($0)", "x") }),
                    nil,
                    "",
                ),
                (414, [:], nil, "?x=" + String(repeating: "x", count: 9000)),
                (413, ["Content-Length": "\(1 << 40)"], nil, ""),
                (413, [:], large, ""),
            ] as [(Int, [String: String], String?, String)] {
                let answer = try bench.client.send(
                    route.method,
                    path + query,
                    raw: body,
                    fields,
                )
                // What an upload may take is more, but there is none of this name.
                let isMissing = route.method == "PUT" && wanted == 413 && answer.status == 404
                #expect(
                    answer.status == wanted || isMissing,
                    "\(route.method) \(path): \(answer.status)",
                )
                #expect(answer.headers["content-type"] == "application/problem+json")
            }
        }
    }

    @Test(arguments: [
        "X-Request-Id", "Idempotency-Key", "If-Match", "If-None-Match", "Range", "Accept",
        "Prefer", "Last-Event-ID", "Content-Type", "Authorization", "X-Forwarded-For",
    ])
    func `no field's value comes back as a field of its own`(name: String) throws {
        let (bench, job) = try Self.bench()
        for value in ["x\rX-Injected: 1", "x\nX-Injected: 1", "x\0", "\u{7f}", "é\u{85}x"] {
            for target in [
                "/v1/jobs/\(job)", "/v1/jobs/\(job)/events", "/v1/jobs/\(job)/files/a.png",
            ] {
                #expect(Self.isHarmless(try bench.client.get(target, [name: value])))
            }
        }
    }
}
