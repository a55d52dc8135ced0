// Training with other samplers, and with averaged weights.

import Configs
import Foundation
import NN
import Pipelines
import TestSupport
import Testing

extension Runs {
    struct Samplers {
        @Test func `a strictly fair step moves every operation, a uniform one a quarter of them`()
            throws
        {
            try withCells { cells, run in
                func moved(_ sampler: String) throws -> (operations: Int, of: Int) {
                    func weights(_ steps: Int) throws -> [String: Data] {
                        let spec = Small.finetune(
                            training: Small.training(steps: steps),
                            more: "\"sampler\": {\"kind\": \"\(sampler)\"},",
                        )
                        let result = try RecordedRun(cells).run(.detectorFinetune, spec)
                        let file = try SafeTensorsFile(#require(result.checkpoint).url)
                        let names = file.records.map(\.name).filter {
                            $0.hasPrefix("backbone.blocks") && $0.hasSuffix("main.0.conv.weight")
                        }
                        return try Dictionary(
                            uniqueKeysWithValues: names.map { name in
                                (name, try file.withBytes(of: name) { Data($0) })
                            }
                        )
                    }
                    let (one, two) = (try weights(1), try weights(2))
                    return (one.count { $0.value != two[$0.key] }, one.count)
                }
                let (fair, uniform) = (try moved("fair"), try moved("uniform"))
                #expect(fair == (24, 24))
                #expect(uniform == (6, 24))
            }
        }

        @Test func `averaged weights are what is kept, also across a resume`() throws {
            try withCells { cells, _ in
                func run(_ name: String, decay: String, cut: Bool) throws -> String {
                    let folder = cells.root.appending(path: name)
                    let training = Small.training(steps: 6, everySteps: 3)
                        .replacing(
                            "\"steps\": 6",
                            with: "\"steps\": 6, \"averageDecay\": \(decay)",
                        )
                    let spec = try JSONValue(parsing: Small.finetune(training: training))
                    func go() throws -> String {
                        let context = try FolderRun(
                            folder: folder,
                            seed: 7,
                            cores: [0],
                            datasetRoots: [cells.root, SharedData.url("")],
                        )
                        let result = try Pipeline.run(
                            JobSpec.resolve(kind: .detectorFinetune, spec).get(),
                            RunInputs(),
                            context,
                        )
                        return try #require(result.checkpoint).sha256
                    }
                    let whole = try go()
                    guard cut else { return whole }
                    try FileManager.default.removeItem(
                        at: folder.appending(path: "final.safetensors")
                    )
                    return try go()
                }
                let whole = try run("whole", decay: "0.9", cut: false)
                let cut = try run("cut", decay: "0.9", cut: true)
                let plain = try run("plain", decay: "null", cut: false)
                #expect(cut == whole)
                #expect(plain != whole)
            }
        }
    }
}
