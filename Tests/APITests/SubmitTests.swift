// What is taken and what is refused, over real HTTP.

import API
import Configs
import Foundation
import SearchSpaces
import TestSupport
import Testing

@Suite struct SubmitTests {
    @Test func `a job is taken with every default filled in, and both specs kept`() throws {
        let bench = try ServerBench()
        try bench.service.behave(seed: 0, "result")
        let answer = try bench.client.send("POST", "/v1/jobs", body: ServerBench.pretrain)
        #expect(answer.status == 201)
        let job = try answer.json
        #expect(answer.headers["location"] == "/v1/jobs/\(job["id"]?.string ?? "")")
        #expect(job["spec"]?["training"]?["batch"] == 16)
        #expect(job["submittedSpec"] == ServerBench.pretrain["spec"])
        #expect(job["state"] == "queued")
    }

    @Test func `a dry run tells the costs and stores nothing`() throws {
        let bench = try ServerBench()
        let answer = try bench.client.send(
            "POST",
            "/v1/jobs?dryRun=true",
            body: ServerBench.pretrain,
        )
        #expect(answer.status == 200)
        let space = try answer.json["estimate"]?["space"]
        #expect(space?["positions"] == 12)
        let (least, most) = (
            space?["macs"]?["cheapest"]?.int ?? 0, space?["macs"]?["dearest"]?.int ?? 0,
        )
        #expect(0 < least && least < most)
        #expect(try bench.client.json("/v1/jobs")["data"] == [])
    }

    @Test func `a dry run tells what a worker measured, or why it could not`() throws {
        let bench = try ServerBench()
        try bench.service.behave(
            seed: 0,
            #"""
            put ../trial.json '{"report":{"parts":[{"name":"training","unit":"steps","total":10,"measured":3,"secondsPerUnit":0.5,"seconds":6}],"seconds":6,"diskBytes":7},"peakMemoryBytes":8}'
            """#,
        )
        let target = "/v1/jobs?dryRun=true"
        let answer = try bench.client.send("POST", target, body: ServerBench.pretrain)
        #expect(answer.status == 200)
        let api = try OpenAPI()
        #expect(try api.faults(answer.json, api.schema("JobDryRun")) == [])
        let measured = try #require(answer.json["estimate"]?["measured"])
        #expect(measured["seconds"] == 6 && measured["peakMemoryBytes"] == 8)
        #expect(measured["cores"] == 1 && measured["busyCores"] == 0)

        try bench.service.behave(
            seed: 0,
            #"""put ../trial.json '{"error":{"code":"bad_data","message":"no images","retriable":false}}'"""#,
        )
        let failed = try bench.client.send("POST", target, body: ServerBench.pretrain)
        #expect(
            try failed.json["estimate"]?["problem"]
                == ["code": "bad_data", "message": "no images"]
        )
        try bench.service.behave(seed: 0, "exit 3")
        let died = try bench.client.send("POST", target, body: ServerBench.pretrain)
        #expect(try died.json["estimate"]?["problem"]?["code"] == "internal")
        let quick = try bench.client.send(
            "POST",
            target + "&measure=false",
            body: ServerBench.pretrain,
        )
        #expect(try quick.json["estimate"]?["problem"] == nil)
        let wrong = try bench.client.send(
            "POST",
            "/v1/jobs?measure=perhaps",
            body: ServerBench.pretrain,
        )
        #expect(wrong.status == 400)
        #expect(try bench.client.json("/v1/jobs")["data"] == [])
        let left = try? FileManager.default.contentsOfDirectory(
            atPath: bench.service.folder + "/trials"
        )
        #expect(left ?? [] == [])
    }

    @Test(arguments: [
        ("{\"kind\":", "line 1"), ("", "Content-Type"), ("{} {}", "line 1"), ("[1,]", "line 1"),
        ("{\"a\":1,\"a\":2}", "twice"),
    ])
    func `JSON that is none is refused with the place`(text: String, hint: String) throws {
        let bench = try ServerBench()
        let answer = try bench.client.send("POST", "/v1/jobs", raw: text)
        #expect([400, 415].contains(answer.status))
        #expect(try answer.json["detail"]?.string?.contains(hint) == true, "\(answer.text)")
    }

    @Test func `a form is no JSON, and a body too large is not read`() throws {
        let bench = try ServerBench { $0.bodyBytes = 1000 }
        let form = try bench.client.send(
            "POST",
            "/v1/jobs",
            raw: "a=b",
            ["Content-Type": "application/x-www-form-urlencoded"],
        )
        #expect(form.status == 415)
        let large = try bench.client.send(
            "POST",
            "/v1/jobs",
            raw: String(repeating: " ", count: 2000),
        )
        #expect(large.status == 413)
    }

    @Test func `all that is wrong is told at once, each with its place`() throws {
        let bench = try ServerBench()
        let errors = try bench.refuse([
            "kind": "supernet.pretrain", "cores": 0, "priorty": 3,
            "spec": [
                "data": ["dataset": "photos"], "space": "detnas-mini",
                "training": ["steps": -1, "bach": 3],
            ],
        ])
        #expect(errors["/cores"] != nil)
        #expect(errors["/priorty"]?["code"] == "unknown_field")
        #expect(errors["/spec/training/steps"] != nil)
        #expect(errors["/spec/training/bach"]?["detail"]?.string?.contains("batch") == true)
    }

    @Test func `a data set, a path of it and cores that are not there are told`() throws {
        let bench = try ServerBench()
        let errors = try bench.refuse([
            "kind": "supernet.pretrain", "cores": 3,
            "spec": [
                "data": ["dataset": "photoz"], "space": "detnas-mini", "training": ["steps": 1],
            ],
        ])
        #expect(errors["/cores"]?["allowed"] == "1...2")
        #expect(errors["/spec/data/dataset"]?["allowed"] == "\"photos\"")
        #expect(errors["/spec/data/dataset"]?["code"] == "not_found")
        let path = try bench.refuse([
            "kind": "detector.finetune",
            "spec": [
                "train": ["dataset": "photos", "annotations": "annotations/none.json"],
                "space": "detnas-mini", "training": ["steps": 1],
            ],
        ])
        #expect(path["/spec/train/annotations"]?["code"] == "not_found")
        // A VOC list brings the folders of its tree along.
        let lists = try bench.refuse([
            "kind": "detector.finetune",
            "spec": [
                "train": [
                    "dataset": "photos",
                    "annotations": [
                        "annotations/instances_train.json", "VOC2012/ImageSets/Main/train.txt",
                    ],
                ],
                "space": "detnas-mini", "training": ["steps": 1],
            ],
        ])
        #expect(lists.keys.sorted() == ["/spec/train/annotations/1"])
    }

    @Test func `references must lead to what is there, of the right kind, space and shuffle`()
        throws
    {
        let bench = try ServerBench()
        let made = try bench.run("checkpoint final 10 supernet; result")
        let id = try #require(made["outputs"]?["checkpointId"])
        typealias B = ServerBench
        #expect(
            try bench.refuse(B.finetune("ckpt_none"))["/spec/checkpoint"]?["code"] == "not_found"
        )
        #expect(
            try bench.refuse(B.search(id))["/spec/checkpoint"]?["detail"]?.string?
                .contains("\"supernet\"") == true
        )
        #expect(
            try bench.refuse(B.finetune(id, ["space": "detnas-300m"]))["/spec/space"]?["code"]
                == "conflict"
        )
        #expect(
            try bench.refuse(B.finetune(id, ["shuffle": 2]))["/spec/shuffle"]?["code"] == "conflict"
        )
        #expect(
            try bench.refuse([
                "kind": "subnet.retrain",
                "spec": [
                    "architecture": "arch_0000000000000000",
                    "classification": ["data": ["dataset": "photos"], "training": ["steps": 1]],
                ],
            ])["/spec/architecture"]?["code"] == "not_found"
        )
        let taken = try bench.client.send(
            "POST",
            "/v1/jobs?dryRun=true",
            body: B.finetune(id, ["shuffle": 1]),
        )
        #expect(taken.status == 200, "\(taken.text)")
    }

    @Test
    func
        `a supernet needs a path to be looked at, a detector is one, and the path is of its space`()
        throws
    {
        let bench = try ServerBench()
        let supernet = try #require(
            try bench.run(
                "checkpoint final 10 detector-supernet; result",
                [
                    "kind": "detector.finetune",
                    "spec": [
                        "train": [
                            "dataset": "photos", "annotations": "annotations/instances_train.json",
                        ], "space": "detnas-mini", "training": ["steps": 10],
                    ],
                ],
            )["outputs"]?["checkpointId"]
        )
        let detector = try #require(
            try bench.run("checkpoint final 10 detector; result", seed: 1)["outputs"]?[
                "checkpointId"
            ]
        )
        let train: JSONValue = [
            "dataset": "photos", "annotations": "annotations/instances_train.json",
        ]
        func predict(_ checkpoint: JSONValue, _ path: JSONValue?) -> JSONValue {
            var spec: [String: JSONValue] = [
                "checkpoint": checkpoint, "folder": ["dataset": "photos"],
            ]
            spec["architecture"] = path
            spec["train"] = path.map { _ in train }
            return ["kind": "architecture.predict", "spec": .object(spec)]
        }
        let twelve: JSONValue = "0,1,2,3,0,1,2,3,0,1,2,3"
        #expect(
            try bench.refuse(predict(supernet, nil))["/spec/architecture"]?["code"] == "missing"
        )
        #expect(
            try bench.refuse(predict(detector, twelve))["/spec/architecture"]?["code"]
                == "conflict"
        )
        #expect(
            try bench.refuse(predict(supernet, "0,1"))["/spec/architecture"]?["code"]
                == "not_allowed"
        )
        var missing = predict(detector, nil).object ?? [:]
        missing["spec"] = [
            "checkpoint": detector, "folder": ["dataset": "photos", "path": "none"],
        ]
        #expect(
            try bench.refuse(.object(missing))["/spec/folder/path"]?["code"] == "not_found"
        )
        for request in [predict(supernet, twelve), predict(detector, nil)] {
            let taken = try bench.client.send("POST", "/v1/jobs?dryRun=true", body: request)
            #expect(taken.status == 200, "\(taken.text)")
        }
        // The path of another space.
        let space = try #require(SearchSpace.named["detnas-300m"])
        let genome = try Genome(
            parsing: Array(repeating: "0", count: space.length).joined(separator: ","),
            in: space,
        )
        let found = try Architecture(space: space, genome: genome)
        let json = String(decoding: try JSONEncoder().encode(space), as: UTF8.self)
        _ = try bench.run("result_found '\(genome)' '\(json)' '\(found.hash)'", seed: 2)
        let other = try bench.refuse(predict(supernet, .string(found.hash)))
        #expect(other["/spec/architecture"]?["code"] == "conflict")
    }

    @Test func `a limit that nothing meets is refused with the cheapest cost`() throws {
        let bench = try ServerBench()
        let first = try bench.run("checkpoint final 10 supernet; result")
        let second = try bench.run(
            "checkpoint final 10 detector-supernet; result",
            ServerBench.finetune(#require(first["outputs"]?["checkpointId"])),
            seed: 1,
        )
        let id = try #require(second["outputs"]?["checkpointId"])
        let errors = try bench.refuse(ServerBench.search(id, ["limit": ["macs": 1000]]))
        let fault = try #require(errors["/spec/limit/macs"])
        let dry = try bench.client.send(
            "POST",
            "/v1/jobs?dryRun=true",
            body: ServerBench.search(id),
        )
        let cheapest = try #require(dry.json["estimate"]?["space"]?["macs"]?["cheapest"]?.int)
        #expect(fault["detail"]?.string?.contains("the cheapest costs \(cheapest) ") == true)
        let met = ServerBench.search(id, ["limit": ["macs": .int(Int64(cheapest))]])
        #expect(try bench.client.send("POST", "/v1/jobs?dryRun=true", body: met).status == 200)
    }

    @Test func `architectures to search from, and to audit, must be of the space and the limit`()
        throws
    {
        let bench = try ServerBench()
        let made = try bench.run(
            "checkpoint final 10 detector-supernet; result",
            [
                "kind": "detector.finetune",
                "spec": [
                    "train": [
                        "dataset": "photos", "annotations": "annotations/instances_train.json",
                    ], "space": "detnas-mini", "training": ["steps": 10],
                ],
            ],
        )
        let id = try #require(made["outputs"]?["checkpointId"])
        let space = try #require(SearchSpace.named["detnas-mini"])
        let (cheap, dear) = (space.cheapest(), space.dearest())
        let least = Int64(space.cost(of: cheap).macs)
        let seeds = try bench.refuse(
            ServerBench.search(
                id,
                [
                    "limit": ["macs": .int(least)],
                    "seeds": [.string("\(cheap)"), .string("\(dear)"), "0,1,2"],
                ],
            )
        )
        #expect(seeds.keys.sorted() == ["/spec/seeds/1", "/spec/seeds/2"])
        #expect(seeds["/spec/seeds/1"]?["allowed"]?.string == "<= \(least)")
        let many = try bench.refuse(
            ServerBench.search(
                id,
                [
                    "population": 1, "parents": 1, "mutation": 0, "crossover": 0,
                    "seeds": [.string("\(cheap)"), .string("\(dear)")],
                ],
            )
        )
        #expect(many["/spec/seeds"]?["code"] == "conflict")

        func audit(_ architectures: JSONValue) -> JSONValue {
            let list: [String: JSONValue] = [
                "dataset": "photos", "annotations": "annotations/instances_train.json",
            ]
            func half(_ role: JSONValue) -> JSONValue {
                .object(list.merging(["part": ["role": role]]) { $1 })
            }
            return [
                "kind": "search.audit",
                "spec": [
                    "checkpoint": id, "train": half("weights"), "search": half("architecture"),
                    "architectures": architectures, "training": ["steps": 1],
                ],
            ]
        }
        let short = try bench.refuse(
            audit([
                "kind": "genomes",
                "genomes": [.string("\(cheap)"), "0,1", .string("\(dear)")],
            ])
        )
        #expect(short.keys.sorted() == ["/spec/architectures/genomes/1"])
        func found(_ space: SearchSpace, seed: Int) throws -> JSONValue {
            let genome = space.cheapest()
            let architecture = try Architecture(space: space, genome: genome)
            let json = String(decoding: try JSONEncoder().encode(space), as: UTF8.self)
            _ = try bench.run(
                "result_found '\(genome)' '\(json)' '\(architecture.hash)'",
                seed: seed,
            )
            return .string(architecture.hash)
        }
        let own = try found(space, seed: 1)
        let other = try found(try #require(SearchSpace.named["detnas-300m"]), seed: 2)
        let strange = try bench.refuse(audit(["kind": "baseline", "architecture": other]))
        #expect(strange["/spec/architectures/architecture"]?["code"] == "conflict")
        let mixed = try bench.refuse(
            audit(["kind": "references", "ids": [own, other, "arch_0000000000000000"]])
        )
        #expect(
            mixed.mapValues { $0["code"] } == [
                "/spec/architectures/ids/1": "conflict", "/spec/architectures/ids/2": "not_found",
            ]
        )
        let taken = try bench.client.send(
            "POST",
            "/v1/jobs?dryRun=true",
            body: audit(["kind": "baseline", "architecture": own]),
        )
        #expect(taken.status == 200, "\(taken.text)")
    }

    @Test func `a request with a key is taken once, however often it comes`() throws {
        let bench = try ServerBench()
        try bench.service.behave(seed: 0, "result")
        let client = bench.client
        @Sendable
        func send(_ body: JSONValue, _ key: String, to target: String = "/v1/jobs") throws -> Answer
        {
            try client.send("POST", target, body: body, ["Idempotency-Key": key])
        }
        let first = try send(ServerBench.pretrain, "a-1")
        #expect(first.status == 201 && first.headers["idempotency-replayed"] == nil)
        let again = try send(ServerBench.pretrain, "a-1")
        #expect(again.status == 201 && again.headers["idempotency-replayed"] == "true")
        #expect(try again.json["id"] == first.json["id"])
        #expect(again.headers["location"] == first.headers["location"])
        let other = try send(
            .object((ServerBench.pretrain.object ?? [:]).merging(["seed": 0]) { $1 }),
            "a-1",
        )
        #expect(try other.status == 422 && other.json["code"] == "idempotency_mismatch")
        #expect(try send(ServerBench.pretrain, "a-2").json["id"] != first.json["id"])
        #expect(try send(ServerBench.pretrain, "a b").status == 400)
        #expect(try send(ServerBench.pretrain, "a b", to: "/v1/jobs?dryRun=true").status == 400)
        #expect(try send(["steps": []], "a b", to: "/v1/pipelines?dryRun=true").status == 400)
        // Many at once: one job.
        let ids = Ids()
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            if let id = try? send(ServerBench.pretrain, "a-3").json["id"]?.string { ids.add(id) }
        }
        #expect(ids.all.count == 8 && Set(ids.all).count == 1)
        // What was taken once is answered although it could not be taken today.
        let photos = "\(bench.service.datasets)/photos"
        try FileManager.default.moveItem(atPath: photos, toPath: photos + "-away")
        #expect(try send(ServerBench.pretrain, "a-2").status == 201)
        #expect(try send(ServerBench.pretrain, "a-4").status == 422)
        try FileManager.default.moveItem(atPath: photos + "-away", toPath: photos)
        let pipeline: JSONValue = [
            "steps": [
                .object((ServerBench.pretrain.object ?? [:]).merging(["name": "a"]) { $1 })
            ]
        ]
        let made = try send(pipeline, "p-1", to: "/v1/pipelines")
        #expect(try send(pipeline, "p-1", to: "/v1/pipelines").json["id"] == made.json["id"])
        #expect(try bench.client.json("/v1/jobs")["data"]?.array?.count == 4)
        let id = try #require(try first.json["id"]?.string)
        _ = try bench.end(id)
        #expect(try bench.client.send("DELETE", "/v1/jobs/\(id)").status == 204)
        #expect(try send(ServerBench.pretrain, "a-1").status == 410)
    }

    @Test func `a queue that is full takes nothing more`() throws {
        let bench = try ServerBench { $0.queuedJobs = 0 }
        _ = try bench.refuse(ServerBench.pretrain, 429)
    }

    @Test func `a pipeline waits step by step and shows its jobs`() throws {
        let bench = try ServerBench()
        try bench.service.behave(seed: 1, "checkpoint final 10 supernet; result")
        try bench.service.behave(seed: 2, "checkpoint final 10 detector-supernet; result")
        func step(_ name: String, _ seed: Int64, _ job: JSONValue) throws -> JSONValue {
            var members = try #require(job.object)
            members["name"] = .string(name)
            members["seed"] = .int(seed)
            return .object(members)
        }
        let finetune = ServerBench.finetune(["$from": "a.outputs.checkpoint"])
        let request: JSONValue = [
            "name": "two",
            "steps": [try step("a", 1, ServerBench.pretrain), try step("b", 2, finetune)],
        ]
        let answer = try bench.client.send("POST", "/v1/pipelines", body: request)
        #expect(answer.status == 201, "\(answer.text)")
        let api = try OpenAPI()
        #expect(try api.faults(answer.json, api.schema("Pipeline")) == [])
        let place = try #require(answer.headers["location"])
        #expect(try eventually { try bench.client.json(place)["terminal"] == true })
        let pipeline = try bench.client.json(place)
        #expect(pipeline["state"] == "succeeded")
        #expect(pipeline["jobs"]?.array?.map { $0["step"] } == ["a", "b"])

        let wrong: JSONValue = [
            "steps": [
                try step("b", 2, ServerBench.finetune(["$from": "a.outputs.checkpoint"])),
                try step("a", 1, ServerBench.pretrain),
            ]
        ]
        let errors = try bench.refuse(wrong, to: "/v1/pipelines")
        #expect(errors.keys.contains { $0.hasPrefix("/steps/0/spec/checkpoint") })
    }
}

/// Sendable: `lock` guards `all`.
private final class Ids: @unchecked Sendable {
    private let lock = NSLock()
    private(set) var all: [String] = []

    func add(_ id: String) { lock.withLock { all.append(id) } }

    @Test func `a template becomes its steps, and errors are told by what was sent`() throws {
        let bench = try ServerBench()
        let photos: JSONValue = [
            "dataset": "photos", "annotations": "annotations/instances_train.json",
        ]
        let request: JSONValue = [
            "template": "one-shot-nas", "classification": ["dataset": "photos"], "train": photos,
            "top": 2,
        ]
        let dry = try bench.client.send("POST", "/v1/pipelines?dryRun=true", body: request)
        #expect(dry.status == 200, "\(dry.text)")
        let shown = try #require(try dry.json["pipeline"])
        #expect(shown["steps"]?.array?.count == 5)
        // What was shown can be sent.
        for body in [request, shown] {
            let answer = try bench.client.send("POST", "/v1/pipelines", body: body)
            #expect(answer.status == 201, "\(answer.text)")
            let steps = try answer.json["jobs"]?.array?.map { $0["step"]?.string }
            #expect(steps == ["pretrain", "finetune", "search", "retrain-1", "retrain-2"])
        }
        let wrong = request.merged(with: ["train": ["dataset": "nowhere"], "top": 1])
        let errors = try bench.refuse(wrong, to: "/v1/pipelines")
        #expect(errors.keys.sorted() == ["/train/dataset"])
    }
}
