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

@Test func `every YAML file in configs is a pipeline that resolves`() throws {
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        .filter { $0.hasSuffix(".yaml") }.sorted()
    #expect(names.contains("results/finetune.yaml") && names.contains("results/baseline.yaml"))
    for name in names {
        let data = try Data(contentsOf: folder.appending(path: name))
        #expect(throws: Never.self, "\(name)") {
            try PipelineRequest.resolve(JSONValue(parsingYAML: data)).get()
        }
    }
}

/// A file of configs/detnas: a whole pipeline.
private func published(_ name: String) throws -> [String: JSONValue] {
    let json = try JSONValue(
        parsingYAML: Data(contentsOf: folder.appending(path: "detnas/\(name).yaml"))
    )
    let steps = try PipelineRequest.resolve(json).get().steps
    return Dictionary(steps.map { ($0.name, $0.spec.json) }) { first, _ in first }
}

@Test func `every published recipe resolves, and each of its numbers has a source`() throws {
    let names = try FileManager.default
        .contentsOfDirectory(atPath: folder.appending(path: "detnas").path).sorted()
    #expect(names.count == 8 && names.allSatisfy { $0.hasSuffix(".yaml") })
    for name in names {
        let steps = try published(String(name.dropLast(5)))
        #expect(steps["retrain"] != nil)
        let text = try String(
            contentsOf: folder.appending(path: "detnas/\(name)"),
            encoding: .utf8,
        )
        let numbers =
            /^ *(steps|batch|learningRate|momentum|weightDecay|population|limit|statistics): .*[0-9]/
        for line in text.split(separator: "\n") where line.firstMatch(of: numbers) != nil {
            #expect(line.contains("  # "), "\(name): \(line)")
        }
    }
}

@Test func `the published runs are the published runs`() throws {
    let coco = try published("coco-fpn-300m")
    #expect(coco["pretrain"]?["training"]?["steps"] == 300_000)
    #expect(coco["pretrain"]?["training"]?["batch"] == 1024)
    #expect(coco["finetune"]?["training"]?["optimizer"]?["learningRate"] == 0.02)
    #expect(coco["finetune"]?["training"]?["schedule"]?["at"] == [60_000, 80_000])
    #expect(coco["finetune"]?["training"]?["schedule"]?["factor"] == 0.1)
    #expect(coco["search"]?["limit"]?["macs"] == 300_000_000)
    #expect(coco["retrain"]?["shuffle"] == 2)
    let voc = try published("voc-retinanet-300m")
    #expect(voc["finetune"]?["training"]?["steps"] == 22_500)
    #expect(voc["finetune"]?["training"]?["optimizer"]?["learningRate"] == 0.01)
    #expect(voc["finetune"]?["detector"]?["kind"] == "retinanet")
    let wide = try published("coco-fpn-3.8g")
    #expect(wide["retrain"]?["architecture"]?["space"]?["lastConv"] == 1728)
}

@Test func `YAML that no JSON says is refused with its place`() throws {
    func message(_ yaml: String) -> String {
        do {
            return "\(try JSONValue(parsingYAML: Data(yaml.utf8)))"
        } catch { return "\(error)" }
    }
    #expect(message("").contains("empty"))
    #expect(message("a: 1\na: 2").contains("a"))
    #expect(message("a: [1, 2").contains("2"))
    #expect(message("a: 2001-12-14t21:59:43.10-05:00").contains("line 1"))
    #expect(
        try JSONValue(parsingYAML: Data("a: [1, 2.5, x, true, null]".utf8))
            == ["a": [1, 2.5, "x", true, nil]]
    )
}

private func read(_ name: String) throws -> JSONValue {
    try JSONValue(parsing: Data(contentsOf: folder.appending(path: name)))
}
