// Forks, and architectures that join a running search.

import API
import Configs
import Foundation
import SearchSpaces
import TestSupport
import Testing

@Suite struct ForkTests {
    @Test func `a fork is the job it was made after, but for what is overridden`() throws {
        let bench = try ServerBench()
        var request = ServerBench.pretrain.object ?? [:]
        request["name"] = "pattern"
        request["labels"] = ["team": "a", "run": "1"]
        let pattern = try bench.end(bench.submit("result", .object(request), seed: 3))
        let id = try #require(pattern["id"]?.string)
        try bench.service.behave(seed: 4, "result")
        let made = try bench.client.send(
            "POST",
            "/v1/jobs",
            body: [
                "forkOf": .string(id),
                "overrides": [
                    "seed": 4, "labels": ["run": nil], "spec": ["training": ["batch": 5]],
                ],
            ],
        )
        #expect(made.status == 201)
        let fork = try made.json
        #expect(fork["forkOf"]?.string == id && fork["id"] != pattern["id"])
        #expect(fork["name"] == "pattern" && fork["labels"] == ["team": "a"] && fork["seed"] == 4)
        #expect(fork["spec"]?["training"]?["steps"] == pattern["spec"]?["training"]?["steps"])
        #expect(fork["spec"]?["training"]?["batch"] == 5)
        #expect(fork["submittedSpec"]?["training"] == ["steps": 10, "batch": 5])
        #expect(pattern["forkOf"] == nil)
    }

    @Test func `a fork goes on from a checkpoint of its pattern, which then cannot be deleted`()
        throws
    {
        let bench = try ServerBench()
        let pattern = try bench.run(
            "checkpoint half 5 supernet; checkpoint final 10 supernet; result"
        )
        let id = try #require(pattern["id"]?.string)
        let list = try bench.client.json("/v1/checkpoints?job=\(id)")["data"]?.array ?? []
        let half = try #require(list.first { $0["name"] == "half" })
        try bench.service.behave(seed: 1, "until_told; checkpoint final 20 supernet; result")
        let made = try bench.client.send(
            "POST",
            "/v1/jobs",
            body: [
                "forkOf": .string(id), "from": half["id"] ?? nil,
                "overrides": ["seed": 1, "spec": ["training": ["steps": 20]]],
            ],
        )
        let fork = try #require(made.json["id"]?.string)
        let place = "\(bench.service.folder)/runs/\(fork)/job.json"
        #expect(try eventually { FileManager.default.fileExists(atPath: place) })
        let file = try JSONValue(parsing: Data(contentsOf: URL(filePath: place)))
        #expect(file["restart"]?["checkpoint"]?["sha256"] == half["sha256"])
        let refused = try bench.client.send("DELETE", "/v1/jobs/\(id)")
        #expect(refused.status == 409)
        #expect(try refused.json["by"] == [.string(fork)])
        try bench.service.tell(fork)
        #expect(try bench.end(fork)["state"] == "succeeded")
        #expect(try bench.client.send("DELETE", "/v1/jobs/\(id)").status == 204)
    }

    @Test func `a fork that cannot be is refused with every reason`() throws {
        let bench = try ServerBench()
        let pattern = try bench.run("checkpoint final 10 supernet; result")
        let id: JSONValue = .string(pattern["id"]?.string ?? "")
        let list = try bench.client.json("/v1/checkpoints")["data"]?.array ?? []
        let final = try #require(list.first?["id"])
        #expect(try bench.refuse(["forkOf": "job_0"]).keys.sorted() == ["/forkOf"])
        #expect(try bench.refuse(["forkOf": id, "from": final]).keys.sorted() == ["/from"])
        #expect(
            try bench.refuse(["forkOf": id, "spec": [:], "overrides": 1]).keys.sorted()
                == ["/overrides", "/spec"]
        )
        #expect(
            try bench.refuse(["forkOf": id, "overrides": ["kind": "x"]]).keys.sorted()
                == ["/overrides/kind"]
        )
        #expect(
            try bench.refuse(["forkOf": id, "overrides": ["spec": ["training": nil]]]).keys.sorted()
                == ["/spec/training"]
        )
    }

    @Test func `architectures join a search that runs, until its last generation`() throws {
        let bench = try ServerBench()
        _ = try bench.run("checkpoint final 10 detector-supernet; result", seed: 1)
        let list = try bench.client.json("/v1/checkpoints")["data"]?.array ?? []
        let request = ServerBench.search(
            list.first?["id"] ?? nil,
            [
                "population": 4, "generations": 3, "parents": 2, "mutation": 1, "crossover": 1,
                "limit": ["macs": 60_000_000],
            ],
        )
        let id = try bench.submit(
            #"""
            event job.progress '{"phase":"searching","unit":"candidates","done":4,"total":12}'
            event candidate.evaluated '{"index":0,"generation":0,"genome":"0,0,0,0,0,0,0,0,0,0,0,0","map":0.2,"macs":10,"params":5}'
            until_told
            event job.progress '{"phase":"searching","unit":"candidates","done":8,"total":12}'
            until_stopped
            """#,
            request,
        )
        #expect(
            try eventually { try bench.client.json("/v1/jobs/\(id)")["progress"]?["done"] == 4 }
        )
        let place = "/v1/jobs/\(id)/candidates"
        let known: JSONValue = "0,0,0,0,0,0,0,0,0,0,0,0"
        let new: JSONValue = "0,0,0,0,0,0,0,0,0,0,0,1"
        let taken = try bench.client.send("POST", place, body: ["genomes": [known, new]])
        #expect(taken.status == 202)
        #expect(try taken.json == ["accepted": [new], "known": [known]])
        let seeds = "\(bench.service.folder)/runs/\(id)/seeds"
        let files = try FileManager.default.contentsOfDirectory(atPath: seeds)
        #expect(files.count == 1)
        #expect(
            try JSONValue(parsing: Data(contentsOf: URL(filePath: "\(seeds)/\(files[0])"))) == [new]
        )
        let faults = try bench.refuse(
            ["genomes": ["9", new, "3,3,3,3,3,3,3,3,3,3,3,3"]],
            to: place,
        )
        #expect(faults.keys.contains("/genomes/0") && !faults.keys.contains("/genomes/1"))
        #expect(try bench.refuse(["genomes": []], to: place).keys.sorted() == ["/genomes"])
        try bench.service.tell(id)
        #expect(
            try eventually { try bench.client.json("/v1/jobs/\(id)")["progress"]?["done"] == 8 }
        )
        #expect(try bench.client.send("POST", place, body: ["genomes": [new]]).status == 409)
        let other = try bench.run("result", seed: 3)["id"]?.string ?? ""
        let wrong = try bench.client.send(
            "POST",
            "/v1/jobs/\(other)/candidates",
            body: ["genomes": [new]],
        )
        #expect(wrong.status == 409)
    }
}
