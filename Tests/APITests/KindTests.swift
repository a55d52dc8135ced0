// What the service says of itself: kinds of job, kinds of problem, its own description.

import API
import Configs
import Foundation
import TestSupport
import Testing

@Suite struct KindTests {
    @Test func `the schema of every kind takes its example and refuses a misspelt one`() throws {
        let api = try OpenAPI()
        let bench = try ServerBench()
        let list = try bench.client.json("/v1/job-kinds")["data"]?.array ?? []
        #expect(list.compactMap { $0["kind"]?.string } == JobKind.allCases.map(\.rawValue))
        for kind in JobKind.allCases {
            let detail = try bench.client.json("/v1/job-kinds/\(kind.rawValue)")
            #expect(api.faults(detail, api.schema("JobKindDetail")) == [])
            let schema = try #require(detail["schema"])
            let example = try #require(detail["example"])
            #expect(api.faults(example, schema) == [])
            var wrong = example.object ?? [:]
            wrong["spec"] = .object((example["spec"]?.object ?? [:]).merging(["spase": 1]) { $1 })
            #expect(api.faults(.object(wrong), schema) == ["/spec/spase: not in the schema"])
        }
        #expect(try bench.client.get("/v1/job-kinds/nothing").status == 404)
    }

    /// For which 1 and 1.0 are the same.
    private func plain(_ value: JSONValue) throws -> NSArray? {
        let text = JSONValue.array([value]).canonical
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSArray
    }

    @Test func `a schema has the defaults that a job gets`() throws {
        let bench = try ServerBench()
        let job = try bench.run("result")
        let detail = try bench.client.json("/v1/job-kinds/supernet.pretrain")
        let fields = detail["schema"]?["properties"]?["spec"]?["properties"]?.object ?? [:]
        #expect(!fields.isEmpty)
        for (name, field) in fields {
            guard let value = field["default"] else { continue }
            #expect(try plain(job["spec"]?[name] ?? nil) == plain(value), "\(name)")
        }
    }

    @Test func `every problem that the sources name has its page`() throws {
        let bench = try ServerBench()
        let sources = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources")
        let pattern = try Regex<(Substring, Substring)>(
            #"Problem\(\s*[0-9]{3},\s*"([a-z_-]+)""#
        )
        var slugs: Set<String> = ["validation", "not-found"]
        for target in ["API", "HTTP"] {
            let folder = sources.appending(path: target)
            for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
                for match in text.matches(of: pattern) {
                    slugs.insert(String(match.output.1).replacing("_", with: "-"))
                }
            }
        }
        #expect(slugs.count > 25)
        for slug in slugs {
            let answer = try bench.client.get("/problems/\(slug)")
            #expect(answer.status == 200, "\(slug)")
            #expect(answer.headers["content-type"] == "text/html; charset=utf-8")
        }
        #expect(try bench.client.get("/problems/nothing").status == 404)
        let index = try bench.client.get("/problems").text
        for slug in slugs { #expect(index.contains("/problems/\(slug)\"")) }
    }

    @Test func `the program carries openapi.yaml as it is`() throws {
        let bench = try ServerBench()
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "openapi.yaml")
        #expect(try bench.client.get("/openapi.yaml").body == Data(contentsOf: file))
    }
}
