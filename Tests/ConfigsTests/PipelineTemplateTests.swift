// What becomes of a request that names a template.

import Testing

@testable import Configs

@Suite struct PipelineTemplateTests {
    private let least: JSONValue = [
        "template": "one-shot-nas", "classification": ["dataset": "pictures"],
        "train": ["dataset": "photos", "annotations": "train.json"],
    ]

    private func expand(_ request: JSONValue) throws -> PipelineRequest {
        let template = try #require(try OneShotTemplate.resolve(request)?.get())
        return try PipelineRequest.resolve(template.pipeline).get()
    }

    @Test(arguments: ["small", "paper"])
    func `a template is the steps of the method, each using the one before it`(scale: String) throws
    {
        let request = least.setting("scale", to: .string(scale)).setting("top", to: 3)
        let steps = try expand(request).steps
        #expect(
            steps.map(\.name) == [
                "pretrain", "finetune", "search", "retrain-1", "retrain-2", "retrain-3",
            ]
        )
        let needs = steps.map { PipelineRequest.dependencies(of: $0) }
        #expect(
            needs == [[], ["pretrain"], ["finetune"]] + Array(repeating: ["search"], count: 3)
        )
        let chosen = steps.dropFirst(3).map { $0.spec.json["architecture"] }
        #expect(
            chosen == [
                ["$from": "search.outputs.architecture"],
                ["$from": "search.outputs.architecture", "rank": 2],
                ["$from": "search.outputs.architecture", "rank": 3],
            ]
        )
    }

    @Test func `the images that score candidates train no weights of the supernet`() throws {
        let steps = try expand(least.setting("architectureShare", to: 0.25)).steps
        #expect(steps[1].spec.json["train"]?["part"]?["role"] == "weights")
        let search = steps[2].spec.json
        #expect(search["train"]?["part"] == steps[1].spec.json["train"]?["part"])
        #expect(search["search"]?["part"]?["role"] == "architecture")
        #expect(search["search"]?["part"]?["architectureShare"] == 0.25)
        #expect(steps[3].spec.json["detection"]?["train"]?["part"] == .null)
    }

    @Test(
        arguments: [
            ("template", "two-shot", "/template"), ("top", 0, "/top"), ("macs", 0, "/macs"),
            ("train/part", ["role": "weights"], "/train/part"),
            ("train/split", "test", "/train/split"),
            ("stages", 1, "/stages"),
        ] as [(String, JSONValue, String)]
    )
    func `what is wrong is told at its place`(field: String, value: JSONValue, place: String) throws
    {
        let result = try #require(OneShotTemplate.resolve(least.setting(field, to: value)))
        #expect(throws: Violations.self) { try result.get() }
        guard case .failure(let faults) = result else { return }
        #expect(faults.all.map(\.pointer) == [place])
    }

    @Test func `what is wrong with a step is told where the request says it`() throws {
        let template = try #require(try OneShotTemplate.resolve(least)?.get())
        for (step, here) in [
            ("/steps/0/spec/data/dataset", "/classification/dataset"),
            ("/steps/2/spec/search/annotations/0", "/train/annotations/0"),
            ("/steps/2/spec/limit", "/macs"),
            ("/steps/3/spec/detection/train", "/train"), ("/steps/1/device", "/device"),
            ("/steps/3/spec/shuffle", "/template"),
        ] {
            #expect(template.place(of: step) == here)
        }
    }

    @Test(arguments: [0, 101]) func `a rank is 1 to 100`(rank: Int) throws {
        let architecture: JSONValue = [
            "$from": "search.outputs.architecture", "rank": .int(Int64(rank)),
        ]
        let request = try expand(least).json
        let wrong = request.setting("steps/3/spec/architecture", to: architecture)
        guard case .failure(let faults) = PipelineRequest.resolve(wrong) else {
            Issue.record("a rank of \(rank) was taken")
            return
        }
        #expect(faults.all.map(\.pointer) == ["/steps/3/spec/architecture/rank"])
    }
}
