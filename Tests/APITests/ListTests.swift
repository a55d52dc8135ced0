// Lists: filters, fields, counts; pipelines as a whole.

import API
import Configs
import Foundation
import TestSupport
import Testing

@Suite struct ListTests {
    @Test func `jobs are found by label, name and time, and counted`() throws {
        let bench = try ServerBench()
        func submit(_ name: String, _ labels: JSONValue, seed: Int) throws -> JSONValue {
            var request = ServerBench.pretrain.object ?? [:]
            request["name"] = .string(name)
            request["labels"] = labels
            return try bench.end(bench.submit("result", .object(request), seed: seed))
        }
        let first = try submit("Blood cells", ["team": "a", "a.b": "1"], seed: 1)
        let second = try submit("street", ["team": "b"], seed: 2)
        let made = try #require(second["createdAt"]?.string)
        func names(_ query: String) throws -> [String] {
            try bench.client.json("/v1/jobs?" + query)["data"]?.array?
                .compactMap { $0["name"]?.string } ?? []
        }
        #expect(try names("label.team=a") == ["Blood cells"])
        #expect(try names("label.team=a&label.a.b=1") == ["Blood cells"])
        #expect(try names("label.team=a&label.a.b=2") == [])
        #expect(try names("q=CELL") == ["Blood cells"])
        #expect(try names("q=%25") == [])
        #expect(try names("createdBefore=\(made)") == ["Blood cells"])
        #expect(try names("createdAfter=2020-01-01T00:00:00Z") == ["street", "Blood cells"])
        #expect(try names("createdAfter=\(first["createdAt"]?.string ?? "")") == ["street"])
        #expect(try bench.client.json("/v1/jobs?count=true&limit=1")["count"] == 2)
        #expect(try bench.client.json("/v1/jobs")["count"] == nil)
        for wrong in ["label.=a", "createdAfter=yesterday", "fields=loss", "labels=a"] {
            #expect(try bench.client.get("/v1/jobs?" + wrong).status == 400, "\(wrong)")
        }
    }

    @Test func `a list has the fields that are asked for, and every field of a job can be`() throws
    {
        let bench = try ServerBench()
        let job = try #require(bench.run("event metric '{\"loss\":0.5}'; result").object)
        let names = job.keys.sorted().joined(separator: ",")
        let list = try bench.client.json("/v1/jobs?fields=" + names)["data"]?.array
        #expect(list == [.object(job)])
        let few = try bench.client.json("/v1/jobs?fields=latestMetrics,labels")["data"]?.array?
            .first
        #expect(few?.object?.keys.sorted() == ["id", "labels", "latestMetrics"])
        #expect(few?["latestMetrics"] == ["loss": 0.5])
    }

    @Test func `candidates are found by state, score and cost`() throws {
        let bench = try ServerBench()
        let job = try bench.run(
            #"""
            event candidate.evaluated '{"index":0,"generation":0,"genome":"0","map":0.2,"macs":10,"params":5}'
            event candidate.evaluated '{"index":1,"generation":0,"genome":"1","map":0.4,"macs":30,"params":9}'
            event candidate.evaluated '{"index":2,"generation":0,"genome":"2","macs":20,"params":7,"failure":"no"}'
            result
            """#
        )
        let place = "/v1/jobs/\(job["id"]?.string ?? "")/candidates?"
        func genomes(_ query: String) throws -> [String] {
            try bench.client.json(place + query)["data"]?.array?
                .compactMap { $0["genome"]?.string } ?? []
        }
        #expect(try genomes("state=failed") == ["2"])
        #expect(try genomes("state=evaluated") == ["0", "1"])
        #expect(try genomes("minMap=0.3") == ["1"])
        #expect(try genomes("maxMacs=20") == ["0", "2"])
        #expect(try genomes("maxParams=5&minMap=0.1") == ["0"])
        for wrong in ["state=good", "minMap=nan", "maxMacs=-1", "state=failed,halted"] {
            #expect(try bench.client.get(place + wrong).status == 400, "\(wrong)")
        }
    }

    @Test func `a pipeline is paused, goes on and is cancelled as a whole`() throws {
        let bench = try ServerBench()
        try bench.service.behave(seed: 0, "until_stopped")
        let steps = ["one", "two"].map { name -> JSONValue in
            .object((ServerBench.pretrain.object ?? [:]).merging(["name": .string(name)]) { $1 })
        }
        let made = try bench.client.send("POST", "/v1/pipelines", body: ["steps": .array(steps)])
        let id = try #require(made.json["id"]?.string)
        func states() throws -> Set<String> {
            let found = try bench.client.json("/v1/pipelines/\(id)")
            return Set(found["jobs"]?.array?.compactMap { $0["state"]?.string } ?? [])
        }
        func ask(_ verb: String) throws -> Int {
            try bench.client.send("POST", "/v1/pipelines/\(id)/\(verb)").status
        }
        #expect(try eventually { try states() == ["running"] })
        #expect(try ask("pause") == 202)
        #expect(try eventually { try states() == ["paused"] })
        #expect(try ask("resume") == 202)
        #expect(try eventually { try states() == ["running"] })
        #expect(try ask("cancel") == 202)
        #expect(try eventually { try states() == ["cancelled"] })
        // All have ended: nothing is left to ask, which is no error.
        #expect(try ask("pause") == 202)
        let list = try bench.client.json("/v1/pipelines")["data"]?.array
        #expect(list?.map { $0["id"]?.string } == [id])
        #expect(try bench.client.send("POST", "/v1/pipelines/pipe_0/pause").status == 404)
    }
}
