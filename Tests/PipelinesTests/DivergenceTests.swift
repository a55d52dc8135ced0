// A loss that is not finite: the run says where, and what was good stays.

import Configs
import Foundation
import Pipelines
import Testing

extension Runs {
    struct Divergence {
        @Test
        func
            `a loss that is not finite ends the run with its step and images; the last checkpoint loads`()
            throws
        {
            try withCells { cells, run in
                // One tame step, then ones that throw the weights away.
                let training = """
                    "training": {"steps": 30, "batch": 4, "checkpoint": {"everySteps": 1, "everySeconds": 0},
                      "optimizer": {"kind": "sgd", "learningRate": 1e30},
                      "schedule": {"kind": "constant", "warmupSteps": 4, "warmupFactor": 1e-33}}
                    """
                let error = try run.failure(.detectorFinetune, Small.finetune(training: training))
                #expect(error.code == "nan_loss")
                guard case .notFinite(let step, let images) = error else {
                    Issue.record("\(error)")
                    return
                }
                #expect(images.count == 4 && Set(images).isSubset(of: cells.train))
                #expect(
                    images.allSatisfy { "\(error)".contains($0) } && "\(error)".contains("\(step)")
                )

                let last = try #require(run.checkpoints.last)
                #expect(last.step >= 1 && last.step <= step)
                let file = try CheckpointFile(last.url)
                #expect(file.step == last.step)
                #expect(try file.tensor("backbone.stem.conv.weight").isFinite())
            }
        }

        @Test
        func `weights that are not finite are neither kept as a checkpoint nor called a result`()
            throws
        {
            try withCells { _, run in
                // The only step: its loss is finite, what decay then does to the weights is not.
                let training = """
                    "training": {"steps": 1, "batch": 4, "checkpoint": {"everySteps": 1, "everySeconds": 0},
                      "optimizer": {"kind": "sgd", "learningRate": 1e38, "weightDecay": 1e6}}
                    """
                let error = try run.failure(.detectorFinetune, Small.finetune(training: training))
                #expect(error.code == "nan_loss")
                #expect(run.checkpoints.isEmpty)
            }
        }
    }
}
