// `openapi.yaml` and the server say the same.

import API
import Configs
import Foundation
import Testing

@Suite struct OpenAPITests {
    @Test func `every route is described, and everything described is a route`() throws {
        let bench = try ServerBench()
        let routes = Set(bench.routes.map { "\($0.method) \($0.pattern)" })
        #expect(try routes == OpenAPI().operations)
    }

    @Test func `every route says what any request may be answered`() throws {
        for (path, methods) in try OpenAPI().document["paths"]?.object ?? [:] {
            for (method, operation) in methods.object ?? [:] {
                let answers = operation["responses"]
                #expect(
                    answers?["default"] == ["$ref": "#/components/responses/Refused"],
                    "\(method) \(path)",
                )
            }
        }
    }

    @Test func `every reference within the file leads somewhere`() throws {
        let api = try OpenAPI()
        var missing: [String] = []
        func walk(_ value: JSONValue) {
            if value["$ref"] != nil, api.resolve(value) == .null { missing.append(value.canonical) }
            for member in (value.object ?? [:]).values { walk(member) }
            for element in value.array ?? [] { walk(element) }
        }
        walk(api.document)
        #expect(missing == [])
    }

    @Test func `every path parameter is declared`() throws {
        let api = try OpenAPI()
        for (path, methods) in api.document["paths"]?.object ?? [:] {
            let names = path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
                String($0.dropFirst().dropLast())
            }
            for operation in (methods.object ?? [:]).values {
                let declared = (operation["parameters"]?.array ?? []).map(api.resolve)
                    .filter { $0["in"] == "path" }.compactMap { $0["name"]?.string }
                #expect(declared == names, "\(path)")
            }
        }
    }

    @Test func `every example is valid, and every example of a request is taken`() throws {
        let api = try OpenAPI()
        let bench = try ServerBench()
        var count = 0
        func check(_ media: JSONValue, _ target: String?) throws {
            var examples = (media["examples"]?.object ?? [:]).values.compactMap { $0["value"] }
            examples += media["example"].map { [$0] } ?? []
            for example in examples {
                count += 1
                #expect(api.faults(example, media["schema"] ?? .null) == [])
                guard let target else { continue }
                let answer = try bench.client.send("POST", target + "?dryRun=true", body: example)
                #expect(answer.status == 200, "\(answer.text)")
                let name = target == "/v1/jobs" ? "JobDryRun" : "PipelineDryRun"
                #expect(try api.faults(answer.json, api.schema(name)) == [])
            }
        }
        for (path, methods) in api.document["paths"]?.object ?? [:] {
            for operation in (methods.object ?? [:]).values {
                for media in (operation["requestBody"]?["content"]?.object ?? [:]).values {
                    try check(media, ["/v1/jobs", "/v1/pipelines"].contains(path) ? path : nil)
                }
                for response in (operation["responses"]?.object ?? [:]).values.map(api.resolve) {
                    for media in (response["content"]?.object ?? [:]).values {
                        try check(media, nil)
                    }
                }
            }
        }
        #expect(count >= 10)
        #expect(try bench.store.counts().isEmpty)
    }

    @Test func `real answers are as described, without a field too many`() throws {
        let api = try OpenAPI()
        let bench = try ServerBench()
        let made = try bench.run(
            #"""
            event job.progress '{"phase":"training","unit":"steps","done":3,"total":10,"etaSeconds":1.5}'
            event metric '{"step":3,"loss":0.5}'
            event candidate.evaluated '{"index":0,"generation":0,"genome":"1,2","map":0.5,"macs":1,"params":2}'
            checkpoint final 10 supernet
            result
            """#
        )
        let failed = try bench.end(bench.submit("fail bad_data false", seed: 2))
        #expect(failed["error"]?["code"] == "bad_data")
        let left = try bench.run(
            "leave detections.json []; leave a.png pixels; result_left",
            seed: 3,
        )
        let leaver = left["id"]?.string ?? ""
        let id = try #require(made["id"]?.string)
        let checkpoint = try #require(made["outputs"]?["checkpointId"]?.string)
        for (target, name) in [
            ("/healthz", "Health"), ("/v1/system", "System"), ("/v1/jobs", "JobPage"),
            ("/v1/jobs/\(id)", "Job"), ("/v1/jobs/\(failed["id"]?.string ?? "")", "Job"),
            ("/v1/jobs/\(id)/events", "EventPage"), ("/v1/jobs/\(id)/candidates", "CandidatePage"),
            ("/v1/checkpoints?job=\(id)", "CheckpointPage"),
            ("/v1/checkpoints/\(checkpoint)", "Checkpoint"), ("/v1/jobs/\(leaver)", "Job"),
            ("/v1/jobs/\(leaver)/files", "FilePage"),
            ("/v1/jobs/\(id)/metrics/series?names=loss,map", "Series"),
            ("/v1/jobs/\(id)/generations", "Generations"), ("/v1/jobs/\(id)/pareto", "Front"),
            ("/v1/system/queue", "QueueList"),
            ("/v1/search-spaces/detnas-mini?maxMacs=30000000", "Space"),
        ] {
            let value = try bench.client.json(target)
            #expect(api.faults(value, api.schema(name)) == [], "\(target)")
            let extra = Set((value.object ?? [:]).keys).subtracting(api.names(api.schema(name)))
            #expect(extra == [], "\(target)")
        }
    }
}
