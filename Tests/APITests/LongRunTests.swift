// What a client sees of a server that has run for long: a full disk, a compacted log, a damaged database.

import Configs
import Foundation
import GRDB
import Jobs
import Scheduling
import Synchronization
import TestSupport
import Testing

@testable import JobStore

@Suite struct LongRunTests {
    @Test func `while the disk is short of room nothing new is taken, and everything says why`()
        throws
    {
        let free = Mutex(1000)
        let space: @Sendable (String) -> DiskSpace? = { _ in
            DiskSpace(total: 1 << 40, free: free.withLock { $0 })
        }
        let bench = try ServerBench(settings: {
            $0.diskSpace = space
            $0.diskReserve = 500
            $0.diskSeconds = 0.05
        })
        _ = try bench.run("result", seed: 1)
        #expect(try bench.client.get("/readyz").status == 200)
        let key = ["Idempotency-Key": "k"]
        let first = try bench.client.send("POST", "/v1/jobs", body: ServerBench.pretrain, key)
        #expect(first.status == 201)
        free.withLock { $0 = 400 }
        for target in ["/v1/jobs", "/v1/jobs?dryRun=true"] {
            let answer = try bench.client.send("POST", target, body: ServerBench.pretrain)
            #expect(answer.status == 507, "\(answer.text)")
            let problem = try answer.json
            #expect(problem["code"] == "disk_reserve" && problem["freeBytes"] == 400)
            #expect(problem["reserveBytes"] == 500)
        }
        var step = ServerBench.pretrain.object ?? [:]
        step["name"] = "a"
        _ = try bench.refuse(["steps": [.object(step)]], to: "/v1/pipelines", 507)
        // Told again, not made again.
        #expect(
            try bench.client.send("POST", "/v1/jobs", body: ServerBench.pretrain, key).status == 201
        )
        let plain = "/v1/jobs?dryRun=true&measure=false"
        #expect(try bench.client.send("POST", plain, body: ServerBench.pretrain).status == 200)
        let ready = try bench.client.get("/readyz")
        #expect(try ready.status == 503 && ready.json["code"] == "disk_reserve")
        let disk = try bench.client.json("/v1/system")["disk"]
        #expect(disk?["isShort"] == true && disk?["reserveBytes"] == 500)
        #expect(try bench.client.json("/v1/system/queue")["waitingFor"] == ["disk"])
        let page = try bench.client.get("/metrics").text
        #expect(page.contains("detnas_store_free_bytes 400.0"))
        #expect(page.contains("detnas_store_reserve_bytes 500.0"))
        free.withLock { $0 = 1000 }
        #expect(try bench.client.get("/readyz").status == 200)
        #expect(try bench.client.json("/v1/system/queue")["waitingFor"] == [])
    }

    @Test func `a waiting job says that it waits for the disk`() throws {
        let free = Mutex(1000)
        let space: @Sendable (String) -> DiskSpace? = { _ in
            DiskSpace(total: 1 << 40, free: free.withLock { $0 })
        }
        let bench = try ServerBench(settings: {
            $0.slots = 1
            $0.diskSpace = space
            $0.diskReserve = 500
            $0.diskSeconds = 0.05
        })
        let running = try bench.submit("until_told; result", seed: 1)
        let waiting = try bench.submit("result", seed: 2)
        #expect(
            try eventually { try bench.client.json("/v1/jobs/\(running)")["state"] == "running" }
        )
        free.withLock { $0 = 400 }
        try bench.service.tell(running)
        _ = try bench.end(running)
        #expect(
            try eventually {
                let job = try bench.client.json("/v1/jobs/\(waiting)")
                return job["phase"] == "waiting_for_disk" && job["waitingFor"] == ["disk"]
            }
        )
        free.withLock { $0 = 1000 }
        #expect(try bench.end(waiting)["state"] == "succeeded")
    }

    @Test func `of a compacted log who asks for what was dropped is told, others get what is left`()
        throws
    {
        let bench = try ServerBench()
        let made = try bench.run(
            #"event metric '{"step":1}'; event evaluation '{"step":1,"map":0.5}'; event metric '{"step":2}'; result"#
        )
        let id = try #require(made["id"]?.string)
        #expect(try bench.store.compactEvents(endedBefore: Date() + 60) == 2)
        func events(_ query: String, _ fields: [String: String] = [:]) throws -> Answer {
            try bench.client.get("/v1/jobs/\(id)/events" + query, fields)
        }
        // state, state, attempt.started, metric (4), evaluation (5), metric (6), state, end.
        for query in ["?after=0", "?after=5", "?after=0&types=evaluation,metric"] {
            let answer = try events(query)
            #expect(answer.status == 410, "\(query)")
            #expect(try answer.json["code"] == "compacted" && answer.json["oldestSeq"] == 7)
            #expect(try answer.json["job"]?.string == "/v1/jobs/\(id)")
        }
        #expect(try events("", ["Last-Event-ID": "3"]).status == 410)
        #expect(
            try events("?after=3", ["Accept": "text/event-stream"]).status == 410
        )
        for (query, seqs) in [
            ("", [1, 2, 3, 5, 7, 8]), ("?after=6", [7, 8]), ("?after=0&types=evaluation", [5]),
        ] {
            let found = try events(query).json["data"]?.array?.compactMap { $0["seq"]?.int }
            #expect(found == seqs, "\(query)")
        }
        let stream = try events("", ["Accept": "application/x-ndjson"])
        #expect(stream.text.split(separator: "\n").count == 6)
    }

    @Test func `a stream ends behind what came after the end of its job`() throws {
        let bench = try ServerBench(settings: { $0.keepCheckpoints = 1 })
        let made = try bench.run(
            "for n in 1 2 3; do checkpoint step-$n $n supernet; done; result"
        )
        let id = try #require(made["id"]?.string)
        #expect(
            try eventually {
                try bench.store.checkpoints(of: JobID(rawValue: id), limit: 9).elements.count == 1
            }
        )
        let end = try #require(
            try bench.client.json("/v1/jobs/\(id)/events?types=job.end")["data"]?.array?.first?[
                "seq"
            ]?.int
        )
        let answer = try bench.client.get(
            "/v1/jobs/\(id)/events?after=\(end)",
            ["Accept": "application/x-ndjson"],
        )
        let lines = answer.text.split(separator: "\n")
        #expect(lines.count == 2 && lines.allSatisfy { $0.contains("checkpoint.deleted") })
        #expect(
            try bench.client.get(
                "/v1/jobs/\(id)/events?after=\(end + 2)",
                ["Accept": "text/event-stream"],
            ).status == 204
        )
    }

    @Test func `retention is asked for with a job, patched, and taken back`() throws {
        let bench = try ServerBench()
        let request: JSONValue = .object(
            (ServerBench.pretrain.object ?? [:]).merging(["retention": ["checkpoints": 3]]) { $1 }
        )
        let id = try bench.submit("until_told; result", request)
        func retention() throws -> JSONValue? {
            try bench.client.json("/v1/jobs/\(id)")["retention"]
        }
        #expect(try retention() == ["checkpoints": 3])
        func patch(_ value: JSONValue) throws -> Int {
            try bench.client.send("PATCH", "/v1/jobs/\(id)", body: ["retention": value]).status
        }
        #expect(try patch(["checkpoints": 5]) == 200)
        #expect(try retention() == ["checkpoints": 5])
        #expect(try patch(.null) == 200)
        #expect(try retention() == ["checkpoints": .null])
        for wrong in [["checkpoints": 0], ["checkpoints": "x"], ["days": 1], 3] as [JSONValue] {
            #expect(try patch(wrong) == 422, "\(wrong.canonical)")
        }
        try bench.service.tell(id)
        _ = try bench.end(id)
    }

    @Test func `a damaged part of the database is told of, and the rest is served`() throws {
        let prepared = try ServerBench()
        let id = try #require(prepared.run("result")["id"]?.string)
        let folder = NSTemporaryDirectory() + "detnas-damage-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try Backup.make(of: prepared.service.folder, in: folder + "/backup")
        let bench = try ServerBench(prepare: { service in
            let copy = service.folder + "/detnas.db"
            try FileManager.default.copyItem(atPath: folder + "/backup/detnas.db", toPath: copy)
            let queue = try DatabaseQueue(path: copy)
            let page = try queue.read {
                try Int.fetchOne(
                    $0,
                    sql: "SELECT rootpage FROM sqlite_master WHERE name = 'events'",
                )
            }
            try queue.close()
            try damage(page: #require(page), of: copy)
        })
        #expect(try bench.client.get("/readyz").status == 200)
        #expect(try bench.client.json("/v1/jobs/\(id)")["state"] == "succeeded")
        let answer = try bench.client.get("/v1/jobs/\(id)/events")
        #expect(answer.status == 500)
        #expect(try answer.json["code"] == "database_damaged")
        #expect(!answer.text.contains(bench.service.folder))
        let ready = try bench.client.get("/readyz")
        #expect(try ready.status == 503 && ready.json["code"] == "database_damaged")
        #expect(try bench.client.get("/metrics").text.contains("detnas_store_damaged 1.0"))
        // What can be read still is.
        #expect(try bench.client.json("/v1/jobs/\(id)")["state"] == "succeeded")
        #expect(try bench.client.json("/v1/jobs")["data"]?.array?.count == 1)
    }

    @Test func `a store that cannot be written answers so, and is read as before`() throws {
        let bench = try ServerBench()
        let id = try #require(bench.run("result")["id"]?.string)
        try bench.store.database.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA query_only = 1")
        }
        let answer = try bench.client.send("POST", "/v1/jobs", body: ServerBench.pretrain)
        #expect(answer.status == 500)
        #expect(try answer.json["code"] == "storage_failed")
        #expect(try bench.client.json("/v1/jobs/\(id)")["state"] == "succeeded")
        try bench.store.database.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA query_only = 0")
        }
        #expect(try bench.run("result", seed: 2)["state"] == "succeeded")
    }

    @Test func `an ended job whose folder is gone says what is gone, and the rest is there`() throws
    {
        let bench = try ServerBench()
        let made = try bench.run("checkpoint final 10 supernet; leave a.json []; result")
        let id = try #require(made["id"]?.string)
        let checkpoint = try #require(made["outputs"]?["checkpointId"]?.string)
        try FileManager.default.removeItem(atPath: "\(bench.service.folder)/runs/\(id)")
        let content = try bench.client.get("/v1/checkpoints/\(checkpoint)/content")
        #expect(content.status == 410)
        #expect(try content.json["code"] == "gone")
        #expect(try bench.client.json("/v1/jobs/\(id)")["state"] == "succeeded")
        #expect(try bench.client.get("/v1/jobs/\(id)/events").status == 200)
        #expect(try bench.client.get("/v1/jobs/\(id)/logs").status == 200)
        // A job that needs the file fails with its name.
        let user = try bench.end(
            bench.submit("result", ServerBench.finetune(.string(checkpoint)), seed: 5)
        )
        #expect(user["error"]?["code"] == "bad_checkpoint")
    }
}
