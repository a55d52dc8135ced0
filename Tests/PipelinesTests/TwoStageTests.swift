// The two-stage detector through the pipelines: fine-tuning, search, retraining.

import Configs
import Foundation
import Pipelines
import Testing

extension Runs {
    struct TwoStage {
        private func tuned(_ run: RecordedRun) throws -> StoredCheckpoint {
            let spec = Small.finetune(
                validation: Small.list("search"),
                detector: Small.twoStage,
                evaluation: #"{"paths": 2, "recalibrationImages": 6}"#,
            )
            return try #require(try run.run(.detectorFinetune, spec).checkpoint)
        }

        @Test
        func `a two-stage supernet is fine-tuned with all four terms, twice to the same bytes`()
            throws
        {
            try withCells { cells, run in
                let first = try tuned(run)
                let second = try tuned(RecordedRun(cells))
                #expect(first.sha256 == second.sha256)
                let terms = ["lossRpnCls", "lossRpnBox", "lossCls", "lossBox"]
                let metrics = run.events.data(of: "metric")
                #expect(metrics.count == 4)
                for metric in metrics {
                    let values = try terms.map { try #require(metric[$0]?.double, "\($0)") }
                    let loss = try #require(metric["loss"]?.double)
                    #expect(abs(values.reduce(0, +) - loss) < 1e-4 * loss)
                }
                #expect(run.events.data(of: "evaluation").count == 1)
            }
        }

        @Test func `its paths are searched, and one is retrained`() throws {
            try withCells { cells, run in
                let checkpoint = try tuned(run)
                let result = try run.run(.searchEvolution, Small.search(), given(checkpoint))
                let best = try #require(result.architectures.first?["genome"]?.string)
                #expect(result.metrics["failed"]?.int == 0)
                let again = try RecordedRun(cells).run(
                    .searchEvolution,
                    Small.search(),
                    given(checkpoint),
                )
                #expect(again.architectures == result.architectures)

                let retrained = try run.run(
                    .subnetRetrain,
                    """
                    {"architecture": {"space": \(Small.space), "genome": "\(best)"},
                     "detection": {"train": \(Small.list("train")), "validation": \(Small.list("search")),
                       \(Small.twoStage), \(Small.training())}}
                    """,
                )
                #expect(retrained.checkpoint?.kind == "detector")
            }
        }
    }
}
