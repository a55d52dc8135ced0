// Pause, resume, retry, checkpoint, patch and delete, over real HTTP.

import API
import Configs
import Foundation
import JobStore
import Jobs
import TestSupport
import Testing

private let work =
    #"event job.progress '{"phase":"training","unit":"steps","done":3,"total":10}'; "#

extension ServerBench {
    fileprivate func post(_ id: String, _ verb: String, _ body: JSONValue? = nil) throws -> Answer {
        try client.send("POST", "/v1/jobs/\(id)/\(verb)", body: body)
    }

    fileprivate func becomes(_ id: String, _ state: String) throws -> Bool {
        try eventually { try client.json("/v1/jobs/\(id)")["state"]?.string == state }
    }

    fileprivate func works(_ id: String) throws {
        #expect(
            try eventually { try client.json("/v1/jobs/\(id)")["progress"]?["done"]?.int == 3 }
        )
    }

    fileprivate func jobFile(_ id: String) throws -> JSONValue {
        try JSONValue(
            parsing: Data(contentsOf: URL(filePath: "\(service.folder)/runs/\(id)/job.json"))
        )
    }
}

@Suite struct VerbTests {
    @Test func `a running job is paused with a checkpoint, and goes on from it`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(
            work + "[ $attempt = 1 ] && until_stopped; checkpoint final 10 supernet; result"
        )
        try bench.works(id)
        let asked = try bench.post(id, "pause")
        #expect(asked.status == 202)
        #expect(try bench.becomes(id, "paused"))
        let paused = try bench.client.json("/v1/jobs/\(id)")
        #expect(paused["phase"] == "paused" && paused["terminal"] == false)
        #expect(paused["placement"]?["cores"] == [] && paused["desiredState"] == nil)
        #expect(try bench.post(id, "pause").status == 200)
        #expect(try bench.post(id, "resume").status == 202)
        let end = try bench.end(id)
        #expect(end["state"] == "succeeded" && end["attempts"]?.array?.count == 2)
        let events = try bench.client.json("/v1/jobs/\(id)/events?types=attempt.started")
        #expect(events["data"]?.array?.last?["data"]?["fromCheckpoint"] == "stopped")
        for verb in ["pause", "resume", "retry", "checkpoint"] {
            let refused = try bench.post(id, verb)
            #expect(refused.status == 409)
            #expect(try refused.json["state"] == "succeeded")
            #expect(try refused.json["allowedVerbs"] == ["delete"])
        }
    }

    @Test
    func `a waiting job is paused at once and keeps its place, and one resumed early runs on`()
        throws
    {
        let bench = try ServerBench()
        let wide: JSONValue = .object(
            (ServerBench.pretrain.object ?? [:]).merging(["cores": 2]) { $1 }
        )
        let first = try bench.submit(work + "until_told; result", wide, seed: 1)
        try bench.works(first)
        let second = try bench.submit("result", wide, seed: 2)
        let paused = try bench.post(second, "pause")
        #expect(try paused.status == 202 && paused.json["state"] == "paused")
        try bench.service.tell(first)
        #expect(try bench.end(first)["state"] == "succeeded")
        #expect(try bench.client.json("/v1/jobs/\(second)")["state"] == "paused")
        #expect(try bench.post(second, "resume").status == 202)
        #expect(try bench.end(second)["state"] == "succeeded")

        // Resumed while its worker is still ending: it goes on without being asked again.
        let third = try bench.submit(
            work + "[ $attempt = 1 ] && until_stopped; result",
            seed: 3,
        )
        try bench.works(third)
        #expect(try bench.post(third, "pause").status == 202)
        _ = try bench.post(third, "resume")
        #expect(try bench.end(third)["state"] == "succeeded")
    }

    @Test func `a failed job is tried again, from its checkpoint or from the start`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(work + "checkpoint mid 5 supernet; fail bad_data false")
        #expect(try bench.end(id)["state"] == "failed")
        #expect(try bench.post(id, "retry").status == 202)
        #expect(try bench.end(id)["state"] == "failed")
        #expect(try bench.jobFile(id)["restart"] == nil)

        let checkpoints = try bench.client.json("/v1/checkpoints?job=\(id)")
        let named = try #require(checkpoints["data"]?.array?.last?["id"]?.string)
        for (from, hasCheckpoint) in [(named, true), ("start", false)] {
            #expect(try bench.post(id, "retry", ["from": .string(from)]).status == 202)
            #expect(try bench.end(id)["error"]?["code"] == "bad_data")
            let restart = try #require(try bench.jobFile(id)["restart"])
            #expect(
                (restart["checkpoint"]?["path"]?.string?.hasSuffix("mid.safetensors") == true)
                    == hasCheckpoint
            )
        }
        #expect(try bench.jobFile(id)["restart"]?["afterEpoch"] == 3)

        try bench.service.behave(seed: 0, "result")
        #expect(try bench.post(id, "retry").status == 202)
        let end = try bench.end(id)
        #expect(end["state"] == "succeeded" && end["error"] == nil)
        #expect(try bench.post(id, "retry").status == 409)
        let other = try bench.submit("fail bad_data false", seed: 5)
        _ = try bench.end(other)
        let strange = try bench.post(other, "retry", ["from": .string(named)])
        #expect(strange.status == 422 && strange.text.contains("/from"))
        #expect(try bench.post(other, "retry", ["form": "start"]).status == 422)
    }

    @Test func `a stream of a job that is tried again goes on to its last end`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(
            work + "[ $attempt = 1 ] && fail bad_data false; event metric '{\"step\":7}'; result"
        )
        #expect(try bench.end(id)["state"] == "failed")
        #expect(try bench.post(id, "retry").status == 202)
        #expect(try bench.end(id)["state"] == "succeeded")
        let job = try bench.client.json("/v1/jobs/\(id)")
        for accept in ["text/event-stream", "application/x-ndjson"] {
            let stream = try bench.client.send(
                "GET",
                "/v1/jobs/\(id)/events?types=metric",
                ["Accept": accept],
            )
            #expect(stream.text.components(separatedBy: #""type":"job.end""#).count == 3)
            #expect(stream.text.contains(#""seq":\#(job["lastSeq"]?.int ?? 0)"#))
        }
    }

    @Test func `a time limit counts for a job that runs already`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(work + "until_stopped")
        try bench.works(id)
        let patch = try bench.client.send(
            "PATCH",
            "/v1/jobs/\(id)",
            body: ["limits": ["maxSeconds": 1]],
        )
        #expect(patch.status == 200)
        #expect(try bench.end(id)["error"]?["code"] == "time_limit")
    }

    @Test func `a checkpoint is ordered of a running training alone`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(
            work
                + #"while [ ! -e "$run/checkpoint-order" ]; do nap; done; checkpoint asked 4 supernet; until_told; result"#
        )
        try bench.works(id)
        #expect(try bench.post(id, "checkpoint").status == 202)
        #expect(
            try eventually {
                try bench.client.json("/v1/checkpoints?job=\(id)")["data"]?.array?.first?["name"]
                    == "asked"
            }
        )
        try bench.service.tell(id)
        _ = try bench.end(id)
        #expect(try bench.post(id, "checkpoint").status == 409)
    }

    @Test func `a patch changes what it names, against the revision that is known`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(work + "until_told; result")
        try bench.works(id)
        func patch(_ body: JSONValue, _ fields: [String: String] = [:]) throws -> Answer {
            try bench.client.send("PATCH", "/v1/jobs/\(id)", body: body, fields)
        }
        let first = try patch(["name": "cells", "labels": ["team": "a", "x": "1"], "priority": 7])
        #expect(try first.status == 200 && first.json["name"] == "cells")
        let second = try patch(["labels": ["x": .null], "limits": ["maxSeconds": 900]])
        #expect(try second.json["labels"] == ["team": "a"] && second.json["priority"] == 7)
        #expect(try second.json["limits"] == ["maxSeconds": 900, "maxAttempts": 3])
        let tag = second.headers["etag"] ?? ""
        for (known, status) in [
            ("\(tag)", 304), ("\"r1\", W/\(tag)", 304), ("*", 304), ("\"r1\"", 200),
        ] {
            let answer = try bench.client.get("/v1/jobs/\(id)", ["If-None-Match": known])
            #expect(answer.status == status, "\(known)")
        }
        let stale = try patch(["priority": 1], ["If-Match": first.headers["etag"] ?? ""])
        #expect(try stale.status == 412 && stale.json["code"] == "revision")
        let fresh = try patch(["name": .null], ["If-Match": second.headers["etag"] ?? ""])
        #expect(try fresh.status == 200 && fresh.json["name"] == .null)
        let wrong = try patch(["priorty": 1, "limits": ["maxAttempts": 0]])
        #expect(wrong.status == 422 && wrong.text.contains("priority"))
        try bench.service.tell(id)
        _ = try bench.end(id)
    }

    @Test func `a running search gets more generations, by an attempt that reads of them`() throws {
        let bench = try ServerBench()
        _ = try bench.run("checkpoint final 10 detector-supernet; result", seed: 1)
        let made = try bench.client.json("/v1/checkpoints")["data"]?.array?.first?["id"] ?? nil
        let id = try bench.submit(
            work + "[ $attempt = 1 ] && until_stopped; result",
            ServerBench.search(made, ["generations": 3]),
        )
        try bench.works(id)
        let longer = try bench.client.send("PATCH", "/v1/jobs/\(id)", body: ["generations": 7])
        #expect(try longer.status == 200 && longer.json["spec"]?["generations"] == 7)
        let end = try bench.end(id)
        #expect(end["state"] == "succeeded" && end["attempts"]?.array?.count == 2)
        #expect(end["submittedSpec"]?["generations"] == 3)
        let causes = try bench.client.json("/v1/jobs/\(id)/events?types=job.interrupted")["data"]
        #expect(causes?.array?.map { $0["data"]?["cause"] } == ["changed"])
        #expect(try bench.jobFile(id)["spec"]?["generations"] == 7)
        let late = try bench.client.send("PATCH", "/v1/jobs/\(id)", body: ["generations": 9])
        #expect(late.status == 409)
        let other = try bench.submit("result", seed: 3)
        let wrong = try bench.client.send("PATCH", "/v1/jobs/\(other)", body: ["generations": 9])
        #expect(wrong.status == 422 && wrong.text.contains("supernet.pretrain"))
    }

    @Test func `an ended job that nobody needs is forgotten with its files`() throws {
        let bench = try ServerBench()
        let id = try bench.submit(work + "checkpoint final 10 supernet; until_told; result")
        try bench.works(id)
        func delete(_ id: String, _ query: String = "") throws -> Answer {
            try bench.client.send("DELETE", "/v1/jobs/\(id)\(query)")
        }
        #expect(try delete(id).status == 409)
        try bench.service.tell(id)
        let checkpoint = try #require(try bench.end(id)["outputs"]?["checkpointId"])
        let user = try bench.submit(
            work + "until_told; result",
            ServerBench.finetune(checkpoint),
            seed: 1,
        )
        let needed = try delete(id)
        #expect(try needed.status == 409 && needed.json["code"] == "referenced")
        #expect(try needed.json["by"] == [.string(user)])
        try bench.service.tell(user)
        _ = try bench.end(user)
        #expect(try delete(id).status == 204)
        #expect(try bench.client.get("/v1/jobs/\(id)").status == 404)
        #expect(try bench.client.get("/v1/jobs/\(id)/events").status == 404)
        #expect(try bench.client.get("/v1/checkpoints/\(checkpoint.string ?? "")").status == 404)
        #expect(!FileManager.default.fileExists(atPath: "\(bench.service.folder)/runs/\(id)"))
        let left = try bench.client.json("/v1/jobs")["data"]?.array?.compactMap { $0["id"]?.string }
        #expect(left == [user])

        let kept = try #require(
            try bench.run("checkpoint final 10 supernet; result", seed: 3)["id"]?.string
        )
        let file = try #require(
            try bench.client.json("/v1/checkpoints?job=\(kept)")["data"]?.array?.first?["id"]?
                .string
        )
        #expect(try delete(kept, "?artifacts=keep").status == 204)
        #expect(try bench.client.get("/v1/checkpoints/\(file)/content").status == 200)
        #expect(try delete(kept).status == 404)
    }

    @Test func `a job that is tried again after what it needs was deleted fails at once`() throws {
        let bench = try ServerBench()
        func step(_ name: String, _ seed: Int64, _ job: JSONValue) -> JSONValue {
            .object(
                (job.object ?? [:]).merging(["name": .string(name), "seed": .int(seed)]) { $1 }
            )
        }
        try bench.service.behave(seed: 1, "checkpoint final 10 supernet; result")
        try bench.service.behave(seed: 2, "fail bad_data false")
        let made = try bench.client.send(
            "POST",
            "/v1/pipelines",
            body: [
                "steps": [
                    step("a", 1, ServerBench.pretrain),
                    step("b", 2, ServerBench.finetune(["$from": "a.outputs.checkpoint"])),
                ]
            ],
        )
        let ids = try #require(made.json["jobs"]?.array?.compactMap { $0["id"]?.string })
        #expect(try bench.end(ids[1])["error"]?["code"] == "bad_data")
        #expect(try bench.client.send("DELETE", "/v1/jobs/\(ids[0])").status == 204)
        #expect(try bench.post(ids[1], "retry").status == 202)
        let end = try bench.end(ids[1])
        #expect(end["error"]?["code"] == "dependency_failed")
        #expect(end["error"]?["message"]?.string?.hasSuffix("is deleted") == true)
    }

    @Test func `what a crash left of a deleted job is removed at the next start`() throws {
        let service = try FakeService()
        defer { service.remove() }
        let store = try JobStore(folder: service.folder)
        let job = Job(kind: .supernetPretrain, spec: [:])
        _ = try store.insert([job])
        _ = try store.change(job.id) { try $0.requestCancel(.now, at: Date()) }
        try store.delete(job.id, keepsFiles: false)
        let folder = store.runDirectory(of: job.id).path
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
        )
        try store.removeLeftovers()
        #expect(!FileManager.default.fileExists(atPath: folder))
    }
}
