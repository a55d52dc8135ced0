// `detnas config show` as a shell sees it.

import Foundation
import TestSupport
import Testing

@Suite struct ConfigCommandTests {
    private static let configs = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "configs")

    private func show(_ arguments: [String]) throws -> (code: Int32, output: Data, errors: String) {
        let process = Process()
        process.becomeDetnas(["config", "show"] + arguments)
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, text, String(decoding: complaint, as: UTF8.self))
    }

    private func shown(_ arguments: [String]) throws -> NSDictionary {
        let (code, output, errors) = try show(arguments)
        try #require(code == 0, "\(errors)")
        return try #require(try JSONSerialization.jsonObject(with: output) as? NSDictionary)
    }

    private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "config-\(UUID().uuidString).json")
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try body(file.path)
    }

    @Test func `a step of a pipeline is shown with its defaults, and shows the same again`() throws
    {
        let file = Self.configs.appending(path: "bccd/search.json").path
        let whole = try shown([file])
        #expect((whole["spec"] as? NSDictionary)?["population"] as? Int == 50)
        let text = String(decoding: try show([file]).output, as: UTF8.self)
        try withFile(text) { file in
            let again = try shown([file])
            #expect(again == whole)
        }
        let least = try shown([file, "--diff"])
        #expect((least["spec"] as? NSDictionary)?["population"] == nil)
        let statistics = (least["spec"] as? NSDictionary)?["statistics"] as? NSDictionary
        #expect(statistics?["images"] as? Int == 32)
    }

    @Test func `a pipeline is shown with all its steps`() throws {
        let file = Self.configs.appending(path: "demo.pipeline.json").path
        let steps = try #require(try shown([file])["steps"] as? [NSDictionary])
        #expect(steps.count >= 4 && steps.allSatisfy { $0["seed"] != nil && $0["spec"] != nil })
    }

    @Test func `a recipe in YAML is shown as the JSON that is sent`() throws {
        let file = Self.configs.appending(path: "detnas/voc-fpn-300m.yaml").path
        let steps = try #require(try shown([file])["steps"] as? [NSDictionary])
        #expect(
            steps.map { $0["name"] as? String } == ["pretrain", "finetune", "search", "retrain"]
        )
        let text = String(decoding: try show([file]).output, as: UTF8.self)
        try withFile(text) { file in
            let again = try shown([file])["steps"] as? [NSDictionary]
            #expect(again == steps)
        }
    }

    @Test func `everything wrong is told at once on stderr, with exit 1`() throws {
        let spec =
            #"{"data": {"dataset": "a"}, "space": "detnas-mini", "training": {"steps": 0, "bach": 1}}"#
        try withFile(#"{"kind": "supernet.pretrain", "cores": 0, "spec": \#(spec)}"#) { file in
            let (code, output, errors) = try show([file])
            #expect(code == 1 && output.isEmpty)
            for place in ["/cores", "/spec/training/steps", "/spec/training/bach"] {
                #expect(errors.contains("\(place): "), "\(errors)")
            }
        }
        try withFile(spec) { file in
            let (code, _, errors) = try show([file, "--kind", "supernet.pretrain"])
            #expect(code == 1 && errors.contains("/training/steps: ") && !errors.contains("/spec"))
            #expect(try show([file, "--kind", "supernet.train"]).code == 64)
        }
        try withFile("{\"kind\":") { file in
            let code = try show([file]).code
            #expect(code == 1)
        }
    }
}
