// Looking at jobs, waiting for them, ending them; their events in four views.

import API
import Configs
import Foundation
import JobStore
import Jobs
import TestSupport
import Testing

private let threeSteps = #"""
    for step in 1 2 3; do
      event job.progress '{"phase":"training","unit":"steps","done":'$step',"total":3}'
      event metric '{"step":'$step',"loss":0.5}'
    done

    """#

private let untilTold = "until_told\n"

extension ServerBench {
    fileprivate func tell(_ id: String) throws {
        try service.tell(id)
    }

    fileprivate func reaches(_ id: String, step: Int) throws {
        #expect(
            try eventually { try client.json("/v1/jobs/\(id)")["progress"]?["done"]?.int == step }
        )
    }
}

private func ids(_ sse: String) -> [Int] {
    sse.split(separator: "\n").filter { $0.hasPrefix("id: ") }.compactMap { Int($0.dropFirst(4)) }
}

@Suite struct JobTests {
    @Test func `waiting for the end answers at the end`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + untilTold + "result")
        try bench.reaches(id, step: 3)
        let early = try bench.client.json("/v1/jobs/\(id)?wait=0.1s&until=terminal")
        #expect(early["terminal"] == false)
        let began = Date()
        try bench.tell(id)
        #expect(try bench.end(id)["state"] == "succeeded")
        #expect(Date().timeIntervalSince(began) < 5)
    }

    @Test func `a revision that is known is answered with 304, or with the next`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(untilTold + "result")
        #expect(try eventually { try bench.client.json("/v1/jobs/\(id)")["state"] == "running" })
        let job = try bench.client.get("/v1/jobs/\(id)")
        let etag = try #require(job.headers["etag"])
        let revision = try #require(job.json["revision"]?.int)
        #expect(try bench.client.get("/v1/jobs/\(id)", ["If-None-Match": etag]).status == 304)
        #expect(
            try bench.client.get("/v1/jobs/\(id)?wait=0.1s", ["If-None-Match": etag]).status == 304
        )
        #expect(try bench.client.get("/v1/jobs/\(id)?wait=5&revision=0").status == 200)
        DispatchQueue(label: "later").asyncAfter(deadline: .now() + 0.2) {
            [service = bench.service] in
            try? service.tell(id)
        }
        let next = try bench.client.get(
            "/v1/jobs/\(id)",
            ["If-None-Match": etag, "Prefer": "wait=10"],
        )
        #expect(next.status == 200)
        #expect(try next.json["revision"]?.int ?? 0 > revision)
    }

    @Test func `a job that is asked for again is what it is by then`() throws {
        let bench = try ServerBench()
        let id = try bench.submit("result")
        let place = "/v1/jobs/\(id)"
        let ended = try bench.client.json("\(place)?wait=30&until=terminal")
        let first = try bench.client.get(place)
        #expect(try first.json == ended && first.headers["etag"] != nil)
        #expect(try bench.client.get(place).body == first.body)
        for name in ["one", "two"] {
            let body: JSONValue = ["name": .string(name)]
            #expect(try bench.client.send("PATCH", place, body: body).status == 200)
            let again = try bench.client.get(place)
            #expect(try again.json["name"]?.string == name)
            #expect(again.headers["etag"] != first.headers["etag"])
        }
        #expect(try bench.client.send("DELETE", place).status == 204)
        #expect(try bench.client.get(place).status == 404)
    }

    @Test func `a list is filtered and paged, newest first`() throws {
        let bench = try ServerBench()
        let ids = try (0..<5).map { _ in try bench.submit() }
        for id in ids { _ = try bench.end(id) }
        var seen: [String] = []
        var target = "/v1/jobs?limit=2&state=succeeded,failed&kind=supernet.pretrain"
        while true {
            let answer = try bench.client.get(target)
            seen += try answer.json["data"]?.array?.compactMap { $0["id"]?.string } ?? []
            guard let link = answer.headers["link"] else { break }
            target = String(link.dropFirst().prefix { $0 != ">" })
        }
        #expect(seen == ids.reversed())
        #expect(try bench.client.json("/v1/jobs?state=queued")["data"] == [])
    }

    @Test(arguments: [
        "/v1/jobs?state=done", "/v1/jobs?limit=0", "/v1/jobs?limit=501", "/v1/jobs?after=x",
        "/v1/jobs?stat=queued", "/v1/jobs?limit=1&limit=2", "/v1/checkpoints?job=job_1",
        "/v1/checkpoints?kind=x", "/v1/system?x=1", "/v1/architectures/compare?b=arch_1",
    ])
    func `a query that means nothing is refused`(target: String) throws {
        let bench = try ServerBench()
        let answer = try bench.client.get(target)
        #expect(answer.status == 400, "\(answer.text)")
        #expect(try answer.json["code"] == "bad_query")
    }

    @Test(arguments: [
        "/v1/jobs/job_1", "/v1/jobs/job_00000000000000000000000000", "/v1/jobs/..%2f..%2fetc",
        "/v1/jobs/job_00000000000000000000000000/events", "/v1/checkpoints/ckpt_1",
        "/v1/checkpoints/ckpt_1/content", "/v1/architectures/arch_1",
        "/v1/architectures/arch_1/content", "/v1/pipelines/pipe_1",
        "/v1/jobs/job_00000000000000000000000000/candidates", "/v1/nothing",
        "/v1/checkpoints?job=job_00000000000000000000000000",
        "/v1/architectures?job=job_00000000000000000000000000",
        "/v1/architectures/compare?a=arch_1&b=arch_2",
    ])
    func `what is not there is told as a problem`(target: String) throws {
        let bench = try ServerBench()
        let answer = try bench.client.get(target)
        #expect([400, 404].contains(answer.status))
        #expect(answer.headers["content-type"] == "application/problem+json")
    }

    @Test func `a wrong method is told with the right ones`() throws {
        let bench = try ServerBench()
        let answer = try bench.client.send("DELETE", "/v1/jobs")
        #expect(answer.status == 405)
        #expect(answer.headers["allow"]?.contains("POST") == true)
    }

    @Test func `cancel answers 202, then 200, and 409 to a job that has succeeded`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + "until_stopped")
        try bench.reaches(id, step: 3)
        let first = try bench.client.send(
            "POST",
            "/v1/jobs/\(id)/cancel",
            body: ["mode": "graceful"],
        )
        #expect(first.status == 202)
        #expect(try first.json["desiredState"] == "cancelled")
        #expect(try bench.end(id)["state"] == "cancelled")
        #expect(try bench.client.send("POST", "/v1/jobs/\(id)/cancel").status == 200)
        let done = try bench.run("result", seed: 1)
        let place = "/v1/jobs/\(done["id"]?.string ?? "")/cancel"
        let late = try bench.client.send("POST", place)
        #expect(late.status == 409)
        #expect(try late.json["state"] == "succeeded")
        #expect(try bench.refuse(["mode": "soon", "x": 1], to: place).count == 2)
    }
}

@Suite struct EventTests {
    @Test func `a page, NDJSON and SSE tell the same events`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + "result")
        _ = try bench.end(id)
        let place = "/v1/jobs/\(id)/events"
        let page = try #require(try bench.client.json(place)["data"]?.array)
        #expect(page.map { $0["seq"]?.int } == Array(1...page.count))
        let lines = try bench.client.get(place, ["Accept": "application/x-ndjson"]).text
            .split(separator: "\n").map { try JSONValue(parsing: String($0)) }
        #expect(lines == page)
        let sse = try bench.client.get(place, ["Accept": "text/event-stream"])
        #expect(sse.headers["content-type"] == "text/event-stream")
        #expect(ids(sse.text) == Array(1...page.count))
        #expect(sse.text.hasPrefix("retry: 2000\n\n"))
        #expect(sse.text.contains("event: metric\ndata: {"))
    }

    @Test func `a stream goes on after the last id, and 204 says that nothing will come`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + "result")
        let last = try #require(try bench.end(id)["lastSeq"]?.int)
        let place = "/v1/jobs/\(id)/events"
        let sse = ["Accept": "text/event-stream"]
        let rest = try bench.client.get(
            place + "?after=1",
            sse.merging(["Last-Event-ID": "5"]) { $1 },
        )
        #expect(ids(rest.text) == Array(6...last))
        #expect(
            try bench.client.get(place, sse.merging(["Last-Event-ID": "\(last)"]) { $1 }).status
                == 204
        )
        #expect(
            try bench.client.get(place, sse.merging(["Last-Event-ID": "x"]) { $1 }).status == 400
        )
    }

    @Test func `types and limits hold, and the end is always told`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + "result")
        _ = try bench.end(id)
        let place = "/v1/jobs/\(id)/events"
        let ndjson = ["Accept": "application/x-ndjson"]
        let some = try bench.client.get(place + "?types=metric", ndjson).text
            .split(separator: "\n").map { try JSONValue(parsing: String($0))["type"]?.string }
        #expect(some == ["metric", "metric", "metric", "job.end"])
        let two = try bench.client.get(place + "?limit=2", ndjson).text
        #expect(two.split(separator: "\n").count == 2)
        let page = try bench.client.json(place + "?types=metric&limit=2")
        #expect(page["hasMore"] == true)
        let after = page["nextAfter"]?.int ?? 0
        #expect(
            try bench.client.json(place + "?types=metric&after=\(after)")["data"]?.array?.count == 1
        )
    }

    @Test func `two clients at once follow a live job to its end`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + untilTold + threeSteps + "result")
        try bench.reaches(id, step: 3)
        let client = bench.client
        let group = DispatchGroup()
        let texts = (0..<2).map { _ in Box("") }
        for text in texts {
            DispatchQueue(label: "client").async(group: group) {
                text.value =
                    (try? client.get("/v1/jobs/\(id)/events", ["Accept": "text/event-stream"]).text)
                    ?? ""
            }
        }
        Thread.sleep(forTimeInterval: 0.1)
        try bench.tell(id)
        group.wait()
        let last = try #require(try bench.end(id)["lastSeq"]?.int)
        for text in texts {
            #expect(ids(text.value) == Array(1...last))
            #expect(text.value.contains("event: job.end"))
        }
        #expect(eventually { bench.store.changes.count == 0 })
    }

    @Test func `a page that waits answers with the next event`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + untilTold + "result")
        try bench.reaches(id, step: 3)
        let place = "/v1/jobs/\(id)/events"
        let job = try bench.client.json("/v1/jobs/\(id)")
        let last = try #require(job["lastSeq"]?.int)
        #expect(try bench.client.json("\(place)?after=\(last)&wait=0.1")["data"] == [])
        DispatchQueue(label: "later").asyncAfter(deadline: .now() + 0.2) {
            [service = bench.service] in
            try? service.tell(id)
        }
        let next = try bench.client.json("\(place)?after=\(last)&wait=10s")
        #expect(next["data"]?[0]?["seq"]?.int == last + 1)
    }

    @Test func `a quiet stream says that it lives`() throws {
        let bench = try ServerBench { $0.heartbeatSeconds = 0.05 }
        let id = try bench.submit("until_stopped")
        let sse = try bench.client.send(
            "GET",
            "/v1/jobs/\(id)/events",
            ["Accept": "text/event-stream"],
        ) { $0.contains(": \n\n: \n\n") }
        #expect(sse.text.contains(": \n\n: \n\n"))
    }

    @Test func `a history of many events comes whole through one stream`() throws {
        let bench = try ServerBench()
        let text = String(repeating: "x", count: 300)
        let id = try bench.submit(
            "event log '{\"message\":\"\(text)\"}'; line=$(<$dir/events.jsonl); "
                + "for i in {1..3000}; do printf '%s\\n' \"$line\"; done >> $dir/events.jsonl; result"
        )
        let last = try #require(try bench.end(id)["lastSeq"]?.int)
        #expect(last > 3000)
        let sse = try bench.client.get("/v1/jobs/\(id)/events", ["Accept": "text/event-stream"])
        #expect(ids(sse.text) == Array(1...last))
    }

    @Test func `a server that drains answers those who wait and ends its streams`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(threeSteps + "until_stopped")
        try bench.reaches(id, step: 3)
        let client = bench.client
        let group = DispatchGroup()
        let (wait, stream) = (Box(0), Box(""))
        DispatchQueue(label: "waits").async(group: group) {
            wait.value = (try? client.get("/v1/jobs/\(id)?wait=60s&until=terminal").status) ?? 0
        }
        DispatchQueue(label: "streams").async(group: group) {
            let sse = try? client.get("/v1/jobs/\(id)/events", ["Accept": "text/event-stream"])
            stream.value = sse?.text ?? ""
        }
        #expect(eventually { bench.store.changes.count == 2 })
        let began = Date()
        bench.server.drain(timeout: 5)
        group.wait()
        #expect(Date().timeIntervalSince(began) < 4)
        #expect(wait.value == 200)
        #expect(ids(stream.value).count >= 3)
    }
}

/// `@unchecked Sendable`: written by one thread, read after it has ended.
private final class Box<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
}
