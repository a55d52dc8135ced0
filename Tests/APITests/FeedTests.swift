// The events of all jobs.

import API
import Configs
import Foundation
import TestSupport
import Testing

@Suite struct FeedTests {
    @Test func `the feed has every event of every job once, but for those of single steps`() throws
    {
        let bench = try ServerBench()
        for seed in 0..<3 {
            _ = try bench.run(
                "event metric '{\"loss\":1}'; event evaluation '{\"map\":0.5}'; result",
                seed: seed,
            )
        }
        var seen: [JSONValue] = []
        var after = 0
        while true {
            let page = try bench.client.json("/v1/events?limit=4&after=\(after)")
            seen += page["data"]?.array ?? []
            after = page["nextAfter"]?.int ?? after
            if page["hasMore"] == false { break }
        }
        #expect(try bench.client.json("/v1/system")["lastEvent"]?.int == after)
        let numbers = seen.compactMap { $0["number"]?.int }
        #expect(numbers == Array(1...after))
        let jobs = try bench.client.json("/v1/jobs")["data"]?.array ?? []
        #expect(jobs.count == 3)
        for job in jobs {
            let id = job["id"]?.string ?? ""
            let own = try bench.client.json("/v1/jobs/\(id)/events?limit=500")["data"]?.array ?? []
            let kept = own.filter { $0["type"] != "metric" && $0["type"] != "job.progress" }
            #expect(kept.count < own.count)
            let there = seen.filter { $0["job"]?.string == id }
            #expect(there.compactMap { $0["seq"]?.int } == kept.compactMap { $0["seq"]?.int })
        }
        let ends = try bench.client.json("/v1/events?types=job.end")["data"]?.array
        #expect(ends?.count == 3)

        let first = jobs[0]["id"]?.string ?? ""
        #expect(try bench.client.send("DELETE", "/v1/jobs/\(first)").status == 204)
        let left = try bench.client.json("/v1/events?limit=500")["data"]?.array ?? []
        #expect(left.allSatisfy { $0["job"]?.string != first } && !left.isEmpty)
    }

    @Test func `a stream is what Accept likes best`() throws {
        let bench = try ServerBench()
        let id = try #require(try bench.run("result")["id"]?.string)
        for (accept, type) in [
            ("application/json, text/event-stream;q=0.1", "application/json"),
            ("text/event-stream;q=0.2, application/x-ndjson; q=0.9", "application/x-ndjson"),
            ("TEXT/EVENT-STREAM, application/json", "text/event-stream"),
            ("text/event-stream;q=0, */*", "application/json"), ("*/*", "application/json"),
            ("text/event-streams", "application/json"),
        ] {
            let answer = try bench.client.get("/v1/jobs/\(id)/events", ["Accept": accept])
            #expect(answer.headers["content-type"] == type, "\(accept)")
        }
    }

    @Test func `the feed waits for news, and a stream of it outlives the end of a job`() throws {
        let bench = try ServerBench()
        let first = try bench.submit("until_told; result")
        #expect(
            try eventually { try bench.client.json("/v1/jobs/\(first)")["state"] == "running" }
        )
        let last = try #require(bench.client.json("/v1/system")["lastEvent"]?.int)
        DispatchQueue(label: "tell").asyncAfter(deadline: .now() + 0.3) {
            [service = bench.service] in
            try? service.tell(first)
        }
        let news = try bench.client.json("/v1/events?after=\(last)&wait=10s")
        #expect(news["data"]?.array?.isEmpty == false)
        _ = try bench.end(first)
        let second = try bench.submit("result", seed: 1)
        let stream = try bench.client.send(
            "GET",
            "/v1/events?after=\(last)",
            ["Accept": "text/event-stream"],
        ) { $0.components(separatedBy: "event: job.end").count > 2 }
        #expect(stream.text.contains(first) && stream.text.contains(second))
        #expect(stream.text.contains("id: \(last + 1)\n"))
    }
}
