// What an operator looks at and turns, search spaces and architectures, and numbers over time.

import API
import Configs
import Foundation
import JobStore
import SearchSpaces
import TestSupport
import Testing

@Suite struct OperationTests {
    private static let steps: String = (1...400).map { step -> String in
        // A single peak between points that a plain thinning would keep.
        let loss = step == 123 ? 9.5 : 1 / Double(step)
        return #"event metric '{"step":\#(step),"loss":\#(loss)}'"#
    }.joined(separator: "\n")

    @Test func `a series is thinned and keeps its peak, and a repeated step counts once`() throws {
        let bench = try ServerBench()
        let made = try bench.run(
            Self.steps + "\n" + #"event metric '{"step":400,"loss":0.25}'; result"#
        )
        let id = try #require(made["id"]?.string)
        let whole = try bench.client.json("/v1/jobs/\(id)/metrics/series?points=1000")
        let (x, y) = (
            whole["series"]?.array?[0]["x"]?.array, whole["series"]?.array?[0]["y"]?.array,
        )
        #expect(x?.count == 400 && x?.last?.double == 400 && y?.last?.double == 0.25)
        let thin = try bench.client.json("/v1/jobs/\(id)/metrics/series?points=40")
        let values = thin["series"]?.array?[0]["y"]?.array?.compactMap(\.double) ?? []
        #expect((20...40).contains(values.count) && values.contains(9.5))
        let part = try bench.client.json(
            "/v1/jobs/\(id)/metrics/series?from=10&to=12&names=loss,map"
        )
        #expect(part["series"]?.array?[0]["x"] == [10.0, 11.0, 12.0])
        #expect(part["series"]?.array?[1]["x"] == [])
        let table = try bench.client.get("/v1/jobs/\(id)/metrics/series.csv?from=123&to=123").text
        #expect(table.hasPrefix("name,step,time,value\nloss,123.0,2") && table.hasSuffix(",9.5\n"))
        #expect(try bench.client.json("/v1/jobs/\(id)/metrics")["data"]?["loss"]?.double == 0.25)
        for wrong in ["names=lo'ss", "names=", "from=3&to=2", "points=1", "x=y"] {
            #expect(try bench.client.get("/v1/jobs/\(id)/metrics/series?\(wrong)").status == 400)
        }
    }

    @Test func `generations and front tell of a search what its candidates say`() throws {
        let bench = try ServerBench()
        func candidate(_ index: Int, _ generation: Int, _ rest: String) -> String {
            #"event candidate.evaluated '{"index":\#(index),"generation":\#(generation),"genome":"\#(index)","params":1,\#(rest)}'"#
        }
        let made = try bench.run(
            [
                candidate(0, 0, #""map":0.2,"macs":50"#), candidate(1, 0, #""map":0.1,"macs":60"#),
                candidate(2, 1, #""map":0.4,"macs":100"#),
                candidate(3, 1, #""macs":10,"failure":"x""#),
                candidate(4, 1, #""map":0.2,"macs":40"#), "result",
            ].joined(separator: "\n")
        )
        let id = try #require(made["id"]?.string)
        let front = try bench.client.json("/v1/jobs/\(id)/pareto?x=macs&y=map")
        #expect(front["data"]?.array?.compactMap { $0["index"]?.int } == [4, 2])
        // (100 - 40) of 100 at 0.2, and nothing more at the dearest.
        #expect(abs((front["hypervolume"]?.double ?? 0) - 0.12) < 1e-12)
        let rows = try #require(try bench.client.json("/v1/jobs/\(id)/generations")["data"]?.array)
        #expect(rows.map { $0["best"]?.double } == [0.2, 0.4])
        #expect(rows[1]["failed"] == 1 && rows[1]["candidates"] == 3)
        #expect(abs((rows[0]["hypervolume"]?.double ?? 0) - 0.1) < 1e-12)
    }

    @Test func `a front's members are architectures, also those that its search did not end with`()
        throws
    {
        let bench = try ServerBench()
        let space = try #require(SearchSpace.named["detnas-mini"])
        let genome = space.positions.map { _ in "0" }.joined(separator: ",")
        let made = try bench.run(
            #"event candidate.evaluated '{"index":0,"generation":0,"genome":"\#(genome)","params":77,"map":0.2,"macs":50}'"#
                + "\n"
                + #"event pareto.changed '{"generation":0,"front":[{"genome":"\#(genome)","macs":50,"score":0.2},{"genome":"x"}]}'"#
                + "\nresult"
        )
        let id = try #require(made["id"]?.string)
        let hash = Architecture.hash(space, try Genome(parsing: genome, in: space))
        let front = try bench.client.json("/v1/jobs/\(id)/pareto?x=macs&y=map")
        #expect(front["data"]?[0]?["architecture"]?.string == hash)
        let events = try bench.client.json("/v1/jobs/\(id)/events?types=pareto.changed")
        let members = events["data"]?[0]?["data"]?["front"]
        #expect(members?[0]?["architecture"]?.string == hash && members?[1] == ["genome": "x"])
        let found = try bench.client.json("/v1/architectures/\(hash)")
        #expect(found["genome"]?.string == genome && found["params"] == 77)
    }

    @Test func `a log is its last lines`() throws {
        let bench = try ServerBench()
        let made = try bench.run("for n in 1 2 3 4 5; do echo line $n; done; result")
        let id = try #require(made["id"]?.string)
        let log = try bench.client.get("/v1/jobs/\(id)/logs?tail=2")
        #expect(log.text == "line 4\nline 5\n")
        #expect(try bench.client.get("/v1/jobs/\(id)/logs?attempt=2").status == 404)
        #expect(log.headers["next-after"] == "35")
        for (after, text, next) in [(21, "line 4\nline 5\n", 35), (35, "", 35), (99, "", 99)] {
            let rest = try bench.client.get("/v1/jobs/\(id)/logs?after=\(after)")
            #expect(rest.text == text && rest.headers["next-after"] == "\(next)")
        }
        #expect(log.headers["content-type"] == "text/plain; charset=utf-8")
        #expect(try bench.client.get("/v1/jobs/\(id)/logs?tail=5").text.hasPrefix("line 1\n"))

        // Longer than what is read at once, and without an end.
        let long = try bench.run("seq 100000 130000; echo -n the end; result")
        let place = "/v1/jobs/\(try #require(long["id"]?.string))/logs"
        // A worker that dies may leave a line without an end; nobody writes on.
        let cut = try bench.run(#"printf 'one\ntwo'; result"#, seed: 2)
        let end = "/v1/jobs/\(try #require(cut["id"]?.string))/logs"
        #expect(try bench.client.get("\(end)?tail=1").text == "two\n")
        let rest = try bench.client.get("\(end)?after=4")
        #expect(rest.text == "two" && rest.headers["next-after"] == "7")
        let tail = try bench.client.get("\(place)?tail=20000").text.split(separator: "\n")
        #expect(tail.count == 20000 && tail.first == "110002" && tail.last == "the end")
        #expect(try bench.client.get("\(place)?tail=1").text == "the end\n")
        #expect(try bench.client.get("\(place)?tail=100000").text.hasPrefix("100000\n"))
    }

    @Test func `a drained core gets no job until it is enabled, also after a restart`() throws {
        let bench = try ServerBench()
        func turn(_ core: Int, _ verb: String) throws -> Answer {
            try bench.client.send("POST", "/v1/system/workers/\(core)/\(verb)")
        }
        #expect(try turn(0, "drain").json["state"] == "drained")
        #expect(try turn(9, "drain").status == 404)
        #expect(try bench.store.setting([Int].self, "drained") == [0])
        let id = try bench.submit("until_told; result")
        #expect(
            try eventually {
                try bench.client.json("/v1/jobs/\(id)")["placement"]?["cores"] == [1]
            }
        )
        let second = try bench.submit("result", seed: 1)
        let queue = try bench.client.json("/v1/system/queue")
        #expect(queue["data"]?.array?.first?["job"]?.string == second)
        #expect(queue["data"]?.array?.first?["estimatedStartAt"] == .null)
        #expect(queue["waitingFor"] == [])
        _ = try turn(1, "drain")
        #expect(try bench.client.json("/v1/system/queue")["waitingFor"] == ["workers"])
        _ = try turn(1, "enable")
        #expect(try turn(0, "enable").json["drained"] == false)
        #expect(try bench.end(second)["state"] == "succeeded")
        try bench.service.tell(id)
        _ = try bench.end(id)
        #expect(try bench.store.setting([Int].self, "drained") == [])
    }

    @Test func `the queue tells when a job will start, from what the running ones say`() throws {
        let bench = try ServerBench()
        let progress =
            #"event job.progress '{"phase":"training","unit":"steps","done":3,"total":10,"etaSeconds":100}'; until_told; result"#
        let wide: JSONValue = .object(
            (ServerBench.pretrain.object ?? [:]).merging(["cores": 2]) { $1 }
        )
        let running = try bench.submit(progress, wide, seed: 1)
        #expect(
            try eventually {
                try bench.client.json("/v1/jobs/\(running)")["progress"]?["etaSeconds"] == 100
            }
        )
        let waiting = try bench.submit("result", wide, seed: 2)
        let last = try bench.submit("result", wide, seed: 3)
        let rows = try #require(try bench.client.json("/v1/system/queue")["data"]?.array)
        #expect(rows.map { $0["job"]?.string } == [waiting, last])
        #expect(rows[0]["estimatedStartAt"]?.string != nil)
        #expect(rows[1]["estimatedStartAt"] == .null)
        try bench.service.tell(running)
        for id in [running, waiting, last] { _ = try bench.end(id) }
    }

    @Test func `a monitor's page has every line in the text format`() throws {
        let bench = try ServerBench()
        _ = try bench.run("result")
        let page = try bench.client.get("/metrics").text
        #expect(page.contains(#"detnas_jobs{kind="supernet.pretrain",state="succeeded"} 1.0"#))
        #expect(page.contains(#"detnas_build_info{version="test"} 1.0"#))
        #expect(page.contains("process_resident_memory_bytes "))
        #expect(page.contains(#"detnas_jobs_submitted_total{kind="supernet.pretrain"} 1.0"#))
        let finished =
            #"detnas_jobs_finished_total{kind="supernet.pretrain",outcome="succeeded"} 1.0"#
        #expect(page.contains(finished))
        #expect(page.contains(#"detnas_job_queue_wait_seconds_bucket{le="+Inf"} 1.0"#))
        let asked = #"detnas_http_requests_total{code="201",method="POST",route="/v1/jobs"} 1.0"#
        #expect(page.contains(asked))
        let line =
            /(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)/
        for text in page.split(separator: "\n") {
            #expect(text.wholeMatch(of: line) != nil, "\(text)")
        }
        #expect(try bench.client.json("/readyz")["status"] == "ready")
        #expect(try bench.client.json("/version")["version"] == "test")
    }

    @Test func `spaces are listed, limited and sampled by a seed`() throws {
        let bench = try ServerBench()
        let names = try bench.client.json("/v1/search-spaces")["data"]?.array?
            .compactMap { $0["name"]?.string }
        #expect(names == SearchSpace.named.keys.sorted())
        let space = try #require(SearchSpace.named["detnas-mini"])
        let least = space.costTable().minimum
        let limited = try bench.client.json("/v1/search-spaces/detnas-mini?maxMacs=\(least - 1)")
        #expect(limited["limit"]?["isPossible"] == false && limited["limit"]?["share"]?.double == 0)
        let middle = Int(space.costTable().mean)
        let half = try bench.client.json("/v1/search-spaces/detnas-mini?maxMacs=\(middle)")
        #expect((0.3...0.7).contains(half["limit"]?["share"]?.double ?? 0))
        let target = "/v1/search-spaces/detnas-mini/sample?n=20&seed=3&maxMacs=\(middle)"
        let sample = try bench.client.json(target)
        #expect(try bench.client.json(target) == sample)
        let costs = sample["data"]?.array?.compactMap { $0["macs"]?.int } ?? []
        #expect(costs.count == 20 && costs.allSatisfy { $0 <= middle })
        #expect(
            try bench.client.get("/v1/search-spaces/detnas-mini/sample?maxMacs=1").status == 400
        )
        #expect(try bench.client.get("/v1/search-spaces/nothing").status == 404)
    }

    @Test func `architectures are checked, compared and trained by their names`() throws {
        let bench = try ServerBench()
        let space = try #require(SearchSpace.named["detnas-mini"])
        func found(_ text: String, seed: Int) throws -> String {
            let genome = try Genome(parsing: text, in: space)
            let own = try Architecture(space: space, genome: genome)
            let json = String(decoding: try JSONEncoder().encode(space), as: UTF8.self)
            _ = try bench.run("result_found '\(genome)' '\(json)' '\(own.hash)'", seed: seed)
            return own.hash
        }
        let a = try found("0,1,2,3,0,1,2,3,0,1,2,3", seed: 1)
        let b = try found("0,1,2,3,0,1,2,3,0,1,0,3", seed: 2)
        let compared = try bench.client.json("/v1/architectures/compare?a=\(a)&b=\(b)")
        #expect(
            compared["differences"] == [
                ["position": 10, "a": "shuffle_7x7", "b": "shuffle_3x3"]
            ]
        )
        #expect(try bench.client.get("/v1/architectures/compare?a=\(a)&b=arch_1").status == 404)
        func validate(_ genome: String) throws -> Answer {
            try bench.client.send(
                "POST",
                "/v1/architectures/validate",
                body: ["genome": .string(genome), "space": "detnas-mini"],
            )
        }
        #expect(try validate("0,1,2,3,0,1,2,3,0,1,2,3").json["id"]?.string == a)
        #expect(try validate("0,1,2").status == 422)
        let spec: JSONValue = [
            "spec": ["classification": ["data": ["dataset": "photos"], "training": ["steps": 10]]],
            "seed": 7,
        ]
        try bench.service.behave(seed: 7, "result")
        let answer = try bench.client.send(
            "POST",
            "/v1/architectures/\(a)/retrain",
            body: spec,
        )
        #expect(answer.status == 201, "\(answer.text)")
        #expect(try answer.json["spec"]?["architecture"]?.string == a)
        _ = try bench.end(try #require(answer.json["id"]?.string))
        let twice = try bench.client.send(
            "POST",
            "/v1/architectures/\(a)/retrain",
            body: ["spec": ["architecture": .string(b)]],
        )
        #expect(twice.status == 422)
        #expect(
            try bench.client.send("POST", "/v1/architectures/arch_1/retrain", body: spec).status
                == 404
        )
    }
}
