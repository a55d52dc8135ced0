// The files in `configs/` are what users start from: each must resolve.

import Foundation
import Testing

@testable import Configs

private let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "configs")

@Test func `every file in configs resolves, alone or as a step of its folder`() throws {
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        .filter { $0.hasSuffix(".json") }.sorted()
    let steps = ["pretrain", "finetune", "search", "retrain"]
    let folders = Set(
        files.filter { $0.contains("/") }.compactMap { $0.split(separator: "/").first }
    )
    var seen: Set<String> = []

    for name in files where name.hasSuffix(".pipeline.json") {
        let pipeline = try PipelineRequest.resolve(try read(name)).get()
        #expect(
            try PipelineRequest.resolve(pipeline.json).get().steps.count == pipeline.steps.count
        )
        seen.insert(name)
    }
    for name in files where !name.contains("/") && !name.hasSuffix(".pipeline.json") {
        _ = try JobRequest.resolve(try read(name)).get()
        seen.insert(name)
    }
    for folder in folders {
        let names = steps.map { "\(folder)/\($0).json" }
        let pipeline: JSONValue = [
            "name": .string(String(folder)), "steps": .array(try names.map(read)),
        ]
        let request = try PipelineRequest.resolve(pipeline).get()
        #expect(request.steps.map(\.name) == steps)
        seen.formUnion(names)
        let audit = "\(folder)/audit.json"
        guard files.contains(audit) else { continue }
        let audited: JSONValue = [
            "steps": .array(
                try ["\(folder)/pretrain.json", "\(folder)/finetune.json", audit].map(read)
            )
        ]
        #expect(try PipelineRequest.resolve(audited).get().steps.last?.kind == .searchAudit)
        seen.insert(audit)
    }
    #expect(seen == Set(files))
}

@Test func `the published run is the published run`() throws {
    let json: JSONValue = [
        "steps": .array(
            try ["pretrain", "finetune", "search", "retrain"].map { try read("detnas/\($0).json") }
        )
    ]
    let specs = try PipelineRequest.resolve(json).get().steps.map(\.spec.json)
    #expect(specs[0]["training"]?["steps"] == 300_000 && specs[0]["training"]?["batch"] == 1024)
    #expect(specs[1]["training"]?["optimizer"]?["momentum"] == 0.9)
    #expect(specs[1]["training"]?["schedule"]?["at"] == [60_000, 80_000])
    #expect(specs[1]["training"]?["schedule"]?["factor"] == 0.1)
    #expect(specs[2]["limit"]?["macs"] == 300_000_000)
    #expect(specs[3]["shuffle"] == 2)
}

private func read(_ name: String) throws -> JSONValue {
    try JSONValue(parsing: Data(contentsOf: folder.appending(path: name)))
}
