// Checkpoints: the best, the newest, checked, deleted and imported, over a real socket.

import API
import Configs
import Foundation
import JobStore
import SearchSpaces
import TestSupport
import Testing

@Suite struct CheckpointTests {
    private func checkpoints(_ bench: ServerBench, of job: String) throws -> [String: String] {
        let list = try bench.client.json("/v1/checkpoints?job=\(job)")["data"]?.array ?? []
        return Dictionary(
            list.map { ($0["name"]?.string ?? "", $0["id"]?.string ?? "") }
        ) { first, _ in first }
    }

    private let measured = #"""
        event evaluation '{"step":5,"top1":0.5}'; checkpoint a 5 supernet
        event evaluation '{"step":6,"top1":0.9}'
        event evaluation '{"step":8,"top1":0.7}'; checkpoint b 8 supernet
        event evaluation '{"step":10,"top1":0.6}'; checkpoint final 10 supernet; result
        """#

    @Test func `best and latest lead to the checkpoint itself, by its id`() throws {
        let bench = try ServerBench()
        let made = try bench.run(measured)
        #expect(made["best"] == ["metric": "top1", "value": 0.9, "step": 6])
        let job = made["id"]?.string ?? ""
        let ids = try checkpoints(bench, of: job)
        let place = "/v1/jobs/\(job)/checkpoints"
        for (name, id, step) in [("best", ids["b"], 8), ("latest", ids["final"], 10)] {
            let answer = try bench.client.get("\(place)/\(name)")
            #expect(answer.status == 307)
            #expect(answer.headers["location"] == "/v1/checkpoints/\(id ?? "")")
            #expect(try answer.json["step"]?.int == step)
            let content = try bench.client.get("\(place)/\(name)/content")
            #expect(content.headers["location"] == "/v1/checkpoints/\(id ?? "")/content")
            let head = try bench.client.send("HEAD", "\(place)/\(name)/content")
            #expect(head.status == 307 && head.body.isEmpty)
        }
        let best = try bench.client.get(place + "/best").json
        #expect(best["metric"] == "top1" && best["value"] == 0.7)

        // Of those that are there.
        let b = "/v1/checkpoints/\(ids["b"] ?? "")"
        let other = try bench.client.send("DELETE", b, ["If-Match": "\"nope\""])
        #expect(try other.status == 412 && other.json["code"] == "revision")
        #expect(try bench.client.send("DELETE", b).status == 204)
        #expect(try bench.client.get(place + "/best").json["step"] == 10)
        let folder = "\(bench.service.folder)/runs/\(job)/epoch-1/checkpoints"
        try FileManager.default.removeItem(atPath: folder + "/final.safetensors")
        #expect(try bench.client.get(place + "/latest").json["step"] == 5)
        #expect(try bench.client.get(place + "/best?x=1").status == 400)
    }

    @Test func `the best of a job is one of what it was for, and unmeasured the newest`() throws {
        let bench = try ServerBench()
        // The classifier is a stage on the way, its accuracy no measure of the detector.
        let job =
            try bench.run(
                #"""
                event evaluation '{"step":5,"top1":0.9,"stage":"classification"}'; checkpoint a 5 subnet
                checkpoint b 2 detector; event evaluation '{"step":5,"map":0.1,"stage":"detection"}'
                checkpoint c 5 detector; checkpoint d 6 detector; result
                """#
            )["id"]?.string ?? ""
        let best = try bench.client.get("/v1/jobs/\(job)/checkpoints/best").json
        #expect(best["step"] == 5 && best["metric"] == "map" && best["value"] == 0.1)
        let plain = try bench.run(
            "checkpoint a 1 supernet; checkpoint b 2 supernet; result",
            seed: 1,
        )
        let newest = try bench.client.get(
            "/v1/jobs/\(plain["id"]?.string ?? "")/checkpoints/best"
        ).json
        #expect(newest["step"] == 2 && newest["metric"] == .null && newest["value"] == .null)
    }

    @Test func `where there is none it is told why`() throws {
        let bench = try ServerBench()
        let ended = try bench.run("result")["id"]?.string ?? ""
        let running = try bench.submit("until_stopped", seed: 1)
        for (job, why) in [(ended, "it is succeeded"), (running, "none yet")] {
            let answer = try bench.client.get("/v1/jobs/\(job)/checkpoints/best")
            #expect(answer.status == 404 && answer.text.contains(why), "\(answer.text)")
        }
        #expect(try bench.client.get("/v1/jobs/job_x/checkpoints/latest").status == 404)
    }

    @Test func `a checkpoint is compared with what was written`() throws {
        let bench = try ServerBench()
        let job = try bench.run("checkpoint final 10 supernet; result")
        let id = job["outputs"]?["checkpointId"]?.string ?? ""
        let place = "/v1/checkpoints/\(id)/verify"
        let good = try bench.client.send("POST", place)
        #expect(good.status == 200)
        let api = try OpenAPI()
        #expect(try api.faults(good.json, api.schema("Verification")) == [])
        #expect(try good.json["matches"] == true)
        #expect(try good.json["foundSha256"] == good.json["sha256"])
        let path =
            "\(bench.service.folder)/runs/\(job["id"]?.string ?? "")/epoch-1/checkpoints/final.safetensors"
        try Data("weights of final at 11".utf8).write(to: URL(filePath: path))
        let bad = try bench.client.send("POST", place).json
        #expect(bad["matches"] == false && bad["foundBytes"] == bad["bytes"])
        #expect(
            bad["foundSha256"]?.string
                == SHA256.digest(Array("weights of final at 11".utf8)).hex
        )
        try FileManager.default.removeItem(atPath: path)
        let gone = try bench.client.send("POST", place)
        #expect(gone.status == 410 && gone.text.contains("no longer on the disk"))
        #expect(try bench.client.send("POST", "/v1/checkpoints/ckpt_x/verify").status == 404)
    }

    // MARK: Delete

    @Test func `a deleted checkpoint is gone from disk and list, and the log says so`() throws {
        let bench = try ServerBench()
        let job = try bench.run(measured)["id"]?.string ?? ""
        let ids = try checkpoints(bench, of: job)
        let id = try #require(ids["a"])
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(id)").status == 204)
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(id)").status == 404)
        #expect(try bench.client.get("/v1/checkpoints/\(id)").status == 404)
        #expect(
            bench.files(in: "runs/\(job)/epoch-1/checkpoints")
                == ["b.safetensors", "final.safetensors"]
        )
        let events = try bench.client.json("/v1/jobs/\(job)/events?types=checkpoint.deleted")
        let event = try #require(events["data"]?.array?.first)
        #expect(event["data"]?["id"]?.string == id && event["data"]?["step"] == 5)
        // A reader that had seen the end gets what came after it, and then the end of the stream.
        let last = try bench.client.json("/v1/jobs/\(job)")["lastSeq"]?.int ?? 0
        let stream = try bench.client.get(
            "/v1/jobs/\(job)/events?after=\(last - 1)",
            ["Accept": "application/x-ndjson"],
        )
        #expect(stream.text.contains("checkpoint.deleted"))
    }

    @Test func `a checkpoint that unfinished jobs need stays, and they are named`() throws {
        let bench = try ServerBench()
        let maker = try bench.run(measured)
        let id = maker["outputs"]?["checkpointId"]?.string ?? ""
        let running = try bench.submit(
            "checkpoint x 1 supernet; checkpoint y 2 supernet; until_told; result",
            seed: 1,
        )
        let user = try bench.submit(
            "until_told; result",
            ServerBench.finetune(.string(id)),
            seed: 2,
        )
        let waiting = try bench.submit("result", ServerBench.finetune(.string(id)), seed: 3)
        let refusal = try bench.client.send("DELETE", "/v1/checkpoints/\(id)")
        #expect(refusal.status == 409)
        #expect(try refusal.json["code"] == "referenced")
        #expect(try refusal.json["by"] == [.string(user), .string(waiting)])
        #expect(try eventually { try checkpoints(bench, of: running).count == 2 })
        let own = try checkpoints(bench, of: running)
        let newest = try bench.client.send("DELETE", "/v1/checkpoints/\(own["y"] ?? "")")
        #expect(newest.status == 409 && newest.text.contains("newest"))
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(own["x"] ?? "")").status == 204)
        for job in [running, user] { try bench.service.tell(job) }
        for job in [running, user, waiting] { _ = try bench.end(job) }
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(id)").status == 204)
    }

    @Test func `a checkpoint where a job begins again, or that a step is to use, stays`() throws {
        let bench = try ServerBench()
        let failed = try bench.end(
            bench.submit(
                "[ $attempt = 1 ] && { checkpoint a 1 supernet; checkpoint b 2 supernet; fail bad_data false; }; until_told; result"
            )
        )
        let job = failed["id"]?.string ?? ""
        let a = try #require(try checkpoints(bench, of: job)["a"])
        let retry = try bench.client.send(
            "POST",
            "/v1/jobs/\(job)/retry",
            body: ["from": .string(a)],
        )
        #expect(retry.status == 202)
        let refusal = try bench.client.send("DELETE", "/v1/checkpoints/\(a)")
        #expect(refusal.status == 409 && refusal.text.contains("(restart)"), "\(refusal.text)")
        try bench.service.tell(job)
        _ = try bench.end(job)
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(a)").status == 204)

        try bench.service.behave(seed: 5, "checkpoint final 10 supernet; result")
        try bench.service.behave(seed: 6, "until_told; result")
        var (first, second) = (
            try #require(ServerBench.pretrain.object),
            try #require(
                ServerBench.finetune(["$from": "one.outputs.checkpoint"]).object
            ),
        )
        (first["name"], second["name"]) = ("one", "two")
        (first["seed"], second["seed"]) = (5, 6)
        let made = try bench.client.send(
            "POST",
            "/v1/pipelines",
            body: ["steps": [.object(first), .object(second)]],
        )
        try #require(made.status == 201, "\(made.text)")
        let jobs = try made.json["jobs"]?.array?.compactMap { $0["id"]?.string } ?? []
        let one = try bench.end(jobs[0])["outputs"]?["checkpointId"]?.string ?? ""
        let needed = try bench.client.send("DELETE", "/v1/checkpoints/\(one)")
        #expect(try needed.json["by"] == [.string(jobs[1])])
        try bench.service.tell(jobs[1])
        _ = try bench.end(jobs[1])
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(one)").status == 204)
    }

    @Test func `a download that has begun ends with all its bytes`() throws {
        let bench = try ServerBench()
        let size = 24_000_000
        let sample = CheckpointSample(
            tensors: #""a":{"dtype":"U8","shape":[\#(size)],"data_offsets":[0,\#(size)]}"#,
            data: Data(repeating: 3, count: size),
        )
        let id = try bench.imported(sample)["id"]?.string ?? ""
        let connection = try bench.client.connect()
        defer { close(connection) }
        let head =
            "GET /v1/checkpoints/\(id)/content HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        #expect(send(connection, head, head.utf8.count, Int32(MSG_NOSIGNAL)) == head.utf8.count)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var received = recv(connection, &buffer, buffer.count, 0)
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(id)").status == 204)
        #expect(bench.files(in: "checkpoints") == [])
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            received += count
        }
        #expect(received > sample.file.count)
    }

    // MARK: Import

    @Test func `an imported checkpoint is one like any other`() throws {
        let bench = try ServerBench()
        let sample = CheckpointSample()
        let made = try bench.imported(sample)
        let api = try OpenAPI()
        #expect(api.faults(made, api.schema("Checkpoint")) == [])
        let id = try #require(made["id"]?.string)
        #expect(made["job"] == .null && made["name"] == "weights" && made["step"] == 12)
        #expect(made["kind"] == "supernet" && made["final"] == true)
        #expect(made["sha256"]?.string == SHA256.digest(Array(sample.file)).hex)
        #expect(try bench.client.json("/v1/checkpoints?kind=supernet")["data"] == [made])
        #expect(try bench.client.json("/v1/uploads")["data"] == [])
        #expect(bench.files(in: "uploads") == [])
        let content = try bench.client.get("/v1/checkpoints/\(id)/content", ["Range": "bytes=8-"])
        #expect(content.status == 206 && content.body == sample.file.dropFirst(8))
        #expect(
            try bench.client.send("POST", "/v1/checkpoints/\(id)/verify").json["matches"] == true
        )

        // A spec can name it, and its space holds.
        let job = try bench.run("result", ServerBench.finetune(.string(id)), seed: 1)
        #expect(job["spec"]?["checkpoint"]?.string == id)
        let file = "\(bench.service.folder)/runs/\(job["id"]?.string ?? "")/job.json"
        let told = try JSONValue(parsing: Data(contentsOf: URL(filePath: file)))["inputs"]
        let path = told?["checkpoint"]?["path"]?.string ?? ""
        let digest = try bench.client.json("/v1/checkpoints/\(id)")["sha256"] ?? .null
        #expect(job["inputs"] == ["checkpoint": ["sha256": digest, "kind": "supernet"]])
        #expect(try Data(contentsOf: URL(filePath: path)) == sample.file)
        let other = try bench.refuse(
            ServerBench.finetune(.string(id), ["space": "detnas-300m", "shuffle": 2])
        )
        #expect(Set(other.keys) == ["/spec/space", "/spec/shuffle"])
        #expect(try bench.refuse(ServerBench.search(.string(id)))["/spec/checkpoint"] != nil)

        // And it is protected, and then not.
        let user = try bench.submit(
            "until_told; result",
            ServerBench.finetune(.string(id)),
            seed: 2,
        )
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(id)").status == 409)
        try bench.service.tell(user)
        _ = try bench.end(user)
        #expect(try bench.client.send("DELETE", "/v1/checkpoints/\(id)").status == 204)
        #expect(bench.files(in: "checkpoints") == [])
    }

    @Test func `a job that failed goes on from an imported checkpoint that it could have made`()
        throws
    {
        let bench = try ServerBench()
        let job = try bench.end(bench.submit("[ $attempt = 1 ] && fail bad_data false; result"))
        let place = "/v1/jobs/\(job["id"]?.string ?? "")/retry"
        var other = CheckpointSample()
        other.metadata["space"] = CheckpointSample.space("detnas-300m")
        var shuffled = CheckpointSample()
        shuffled.metadata["shuffle"] = "2"
        var detector = CheckpointSample()
        detector.metadata["kind"] = "detector-supernet"
        detector.metadata["detector"] = "{}"
        for sample in [other, shuffled, detector] {
            let wrong = try #require(try bench.imported(sample)["id"])
            #expect(try bench.client.send("POST", place, body: ["from": wrong]).status == 422)
        }
        let id = try #require(try bench.imported()["id"])
        let retry = try bench.client.send("POST", place, body: ["from": id])
        #expect(retry.status == 202, "\(retry.text)")
        #expect(try bench.end(job["id"]?.string ?? "")["state"] == "succeeded")
    }

    @Test func `an import that cannot be is told, and the upload stays`() throws {
        let bench = try ServerBench()
        let missing = try bench.refuse(["upload": "up_x"], to: "/v1/checkpoints")
        #expect(missing["/upload"]?["code"] == "not_found")
        let made = try bench.client.send("POST", "/v1/uploads", body: ["name": "a"]).json
        let waiting = try bench.refuse(["upload": made["id"] ?? ""], to: "/v1/checkpoints")
        #expect(waiting["/upload"]?["detail"]?.string?.contains("no content yet") == true)
        let good = try bench.upload(CheckpointSample().file)
        let wrong = try bench.refuse(
            ["upload": .string(good), "kind": "detector"],
            to: "/v1/checkpoints",
        )
        #expect(wrong["/kind"]?["code"] == "conflict")
        for pth in [Data([0x50, 0x4b, 3, 4]) + Data(count: 99), Data([0x80, 2, 0x8a, 10, 1])] {
            let upload = try bench.upload(pth, name: "resnet.pth")
            let refusal = try bench.refuse(["upload": .string(upload)], to: "/v1/checkpoints")
            let detail = refusal["/upload"]?["detail"]?.string ?? ""
            #expect(detail.contains("detnas checkpoint import"), "\(detail)")
            #expect(try bench.client.get("/v1/uploads/\(upload)").status == 200)
        }
        var long = CheckpointSample()
        long.length = 1 << 63
        let upload = try bench.upload(long.file)
        let refusal = try bench.refuse(["upload": .string(upload)], to: "/v1/checkpoints")
        #expect(refusal["/upload"]?["detail"]?.string?.contains("9223372036854775808") == true)
        #expect(try bench.client.json("/v1/checkpoints")["data"] == [])
        #expect(bench.files(in: "checkpoints") == [])
    }

    @Test func `an import that is asked for twice is made once`() throws {
        let bench = try ServerBench()
        let upload = try bench.upload(CheckpointSample().file)
        let key = ["Idempotency-Key": "import-1"]
        let body: JSONValue = ["upload": .string(upload), "name": "mine"]
        let first = try bench.client.send("POST", "/v1/checkpoints", body: body, key)
        let again = try bench.client.send("POST", "/v1/checkpoints", body: body, key)
        #expect(first.status == 201 && again.status == 201, "\(again.text)")
        #expect(try first.json["id"] == again.json["id"])
        #expect(try bench.client.json("/v1/checkpoints")["data"]?.array?.count == 1)
    }

    @Test func `checkpoints of both origins come page by page, each once`() throws {
        let bench = try ServerBench()
        _ = try bench.run("for i in 1 2 3 4; do checkpoint c$i $i supernet; done; result")
        for _ in 0..<3 { _ = try bench.imported() }
        var steps: [Int] = []
        var target = "/v1/checkpoints?limit=2&kind=supernet"
        while true {
            let answer = try bench.client.get(target)
            steps += try answer.json["data"]?.array?.compactMap { $0["step"]?.int } ?? []
            guard let link = answer.headers["link"] else { break }
            target = String(link.dropFirst().prefix { $0 != ">" })
        }
        #expect(steps == [12, 12, 12, 4, 3, 2, 1])
        let both = try bench.client.json("/v1/checkpoints?kind=detector,supernet")["data"]?.array
        #expect(both?.count == 7)
        #expect(try bench.client.json("/v1/checkpoints?kind=detector,subnet")["data"] == [])
        #expect(try bench.client.get("/v1/checkpoints?kind=head").status == 400)
    }
}
