// What a job would take, measured by its first steps.

import Configs
import Foundation
import Pipelines
import SearchSpaces
import Testing

extension Runs {
    struct Trials {
        private func spec(_ kind: JobKind, _ text: String) throws -> JobSpec {
            switch JobSpec.resolve(kind: kind, try JSONValue(parsing: text)) {
            case .success(let spec): return spec
            case .failure(let violations): throw RunError.badData("\(violations)")
            }
        }

        private func measure(
            _ kind: JobKind,
            _ text: String,
            _ cells: CellSet,
            _ inputs: RunInputs = RunInputs(),
        ) throws -> [String: JSONValue] {
            let folder = cells.root.appending(path: "trial-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let trial = Trial(
                inputs,
                seed: 7,
                cores: [0],
                device: "cpu",
                datasetRoots: [cells.root],
                folder: folder,
                seconds: 0.3,
            )
            return try trial.run(spec(kind, text))
        }

        private func part(_ report: [String: JSONValue], _ index: Int) throws -> JSONValue {
            let parts = try #require(report["parts"]?.array)
            try #require(parts.indices.contains(index))
            return parts[index]
        }

        @Test func `a long training is told by a few of its steps`() throws {
            try withCells { cells, _ in
                let text = Small.finetune(
                    validation: Small.list("search"),
                    training: Small.training(steps: 100_000, everySteps: 1000),
                    evaluation: #"{"paths": 3, "everySteps": 50000, "recalibrationImages": 6}"#,
                )
                let began = ContinuousClock.now
                let report = try measure(.detectorFinetune, text, cells)
                #expect(began.duration(to: .now) < .seconds(30))
                let training = try part(report, 0)
                let step = try #require(training["secondsPerUnit"]?.double)
                #expect(training["name"] == "training" && training["unit"] == "steps")
                #expect(training["total"] == 100_000)
                #expect((2...10_000).contains(try #require(training["measured"]?.int)))
                // Two evaluations of three paths on 6 + 4 images, in batches of 4, each a third of a step.
                let evaluation = try #require(training["evaluationSeconds"]?.double)
                #expect(abs(evaluation - 2 * 3 * 3 * step / 3) < 1e-9)
                let seconds = try #require(report["seconds"]?.double)
                #expect(seconds >= 100_000 * step + evaluation)
                let bytes = try #require(report["checkpointBytes"]?.int)
                #expect(report["diskBytes"]?.int == bytes * 100)

                let made = try RecordedRun(cells)
                try made.run(.detectorFinetune, Small.finetune(training: Small.training(steps: 1)))
                let final = try #require(made.checkpoints.last)
                let parameters = try #require(report["parameters"]?.int)
                // The final checkpoint has them as floats, and running statistics and its metadata besides.
                #expect(4 * parameters < final.bytes)
                #expect(8 * parameters > final.bytes)
                let macs = try #require(report["macs"])
                let (least, most) = (macs["cheapest"]?.double ?? 0, macs["dearest"]?.double ?? 0)
                #expect(0 < least && least < most && macs["width"] == 96)
            }
        }

        @Test func `a retraining has two parts, an audit scores and trains`() throws {
            try withCells { cells, run in
                let retrain = """
                    {"architecture": {"space": \(Small.space), "genome": "0,1,2,3,0,1"},
                     "detection": {"train": \(Small.list("train")), \(Small.detector),
                       \(Small.training(steps: 1000))}}
                    """
                let alone = try measure(.subnetRetrain, retrain, cells)
                #expect(alone["parts"]?.array?.compactMap { $0["name"]?.string } == ["detection"])
                #expect(alone["macs"]?["architecture"] != nil && alone["macs"]?["mean"] == nil)

                let tuned = try run.run(
                    .detectorFinetune,
                    Small.finetune(training: Small.training(steps: 6)),
                )
                let inputs = given(try #require(tuned.checkpoint))
                let audit = """
                    {"checkpoint": "ckpt_given", "train": \(Small.list("train")), "search": \(Small.list("search")),
                     "architectures": {"count": 4, "sample": 10}, "objective": "loss",
                     "statistics": {"images": 6}, \(Small.training(steps: 30))}
                    """
                let report = try measure(.searchAudit, audit, cells, inputs)
                let (scoring, training) = (try part(report, 0), try part(report, 1))
                #expect(scoring["name"] == "scoring" && scoring["total"] == 10)
                #expect(training["name"] == "detection" && training["total"] == 120)

                let search = try measure(.searchEvolution, Small.search(), cells, inputs)
                #expect(try part(search, 0)["unit"] == "candidates")
                #expect(try part(search, 0)["total"] == 18)
                #expect(search["diskBytes"] == 0 && search["parameters"] != nil)
            }
        }

        @Test func `a run that would fail at once says so`() throws {
            try withCells { cells, _ in
                try cells.edit("train") { $0["images"] = [] }
                let error = try #require(throws: RunError.self) {
                    try measure(.detectorFinetune, Small.finetune(), cells)
                }
                #expect(error.code == "bad_data")
            }
        }
    }
}
