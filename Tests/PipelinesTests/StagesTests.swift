// A job of two stages that goes on from its second one.

import Configs
import Foundation
import Pipelines
import TestSupport
import Testing

extension Runs {
    struct Stages {
        @Test func `a retraining that goes on within its second stage reports the first one too`()
            throws
        {
            try withCells { cells, _ in
                let folder = cells.root.appending(path: "retraining")
                func run() throws -> RunResult {
                    let spec = try JSONValue(
                        parsing: """
                            {"architecture": {"space": \(Small.space), "genome": "0,1,2,3,0,1"},
                             "classification": {"data": {"dataset": "cls_caltech10"}, "image": {"size": 32},
                               \(Small.training())},
                             "detection": {"train": \(Small.list("train")), "validation": \(Small.list("search")),
                               \(Small.detector), \(Small.training(everySteps: 2))}}
                            """
                    )
                    let context = try FolderRun(
                        folder: folder,
                        seed: 7,
                        cores: [0],
                        datasetRoots: [cells.root, SharedData.url("")],
                    )
                    return try Pipeline.run(
                        JobSpec.resolve(kind: .subnetRetrain, spec).get(),
                        RunInputs(),
                        context,
                    )
                }
                let whole = try run()
                #expect(whole.metrics["classification"]?["top1"] != nil)
                // What a kill after the detector's second step leaves.
                try FileManager.default.removeItem(
                    at: folder.appending(path: "detection-final.safetensors")
                )
                let resumed = try run()
                #expect(resumed.metrics == whole.metrics)
                #expect(resumed.architectures == whole.architectures)
                #expect(resumed.checkpoint?.sha256 == whole.checkpoint?.sha256)
            }
        }
    }
}
