// The audit of a ranking: what it trains, what it compares, and that nothing is done twice.

import Configs
import Foundation
import Pipelines
import Search
import SearchSpaces
import Testing

extension Runs {
    struct Audit {
        private func detector(_ cells: CellSet) throws -> StoredCheckpoint {
            let result = try RecordedRun(cells).run(
                .detectorFinetune,
                Small.finetune(training: Small.training(steps: 6)),
            )
            return try #require(result.checkpoint)
        }

        private func spec(
            _ architectures: String = #"{"count": 4, "sample": 10}"#,
            objective: String = "loss",
            steps: Int = 3,
        ) -> String {
            """
            {"checkpoint": "ckpt_given", "train": \(Small.list("train")), "search": \(Small.list("search")),
             "architectures": \(architectures), "objective": "\(objective)", "statistics": {"images": 6},
             \(Small.training(steps: steps, everySteps: 1)), "resamples": 100}
            """
        }

        /// The paths of the rows, as numbers.
        private func rows(_ result: RunResult, _ name: String) throws -> [Double] {
            try #require(result.metrics["rows"]?.array).map { try #require($0[name]?.double) }
        }

        @Test
        func `each of the chosen is trained once, told as it comes, and compared with its score`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                let result = try run.run(.searchAudit, spec(), given(checkpoint))
                let scores = try rows(result, "score")
                let losses = try rows(result, "loss")
                let macs = try rows(result, "macs")
                #expect(scores.count == 4 && result.metrics["compared"] == 4)
                #expect(run.events.data(of: "audit.trained") == result.metrics["rows"]?.array)
                #expect(
                    run.checkpoints.count { $0.kind == "detector" && $0.name.hasSuffix("final") }
                        == 4
                )
                let alone = losses.map { -$0 }
                #expect(result.metrics["search"]?["tau"]?.double == kendallTau(scores, alone))
                #expect(result.metrics["macs"]?["tau"]?.double == kendallTau(macs, alone))
                for told in ["search", "macs"] {
                    let interval = try #require(result.metrics[told]?["interval95"]?.array)
                        .compactMap(\.double)
                    #expect(interval[0] <= interval[1] && interval[0] >= -1 && interval[1] <= 1)
                }
                let half = try #require(result.metrics["splitHalf"]?["tau"]?.double)
                #expect(half >= -1 && half <= 1)
                // Those of the sample's ends are among them.
                let sampled = run.journaled.compactMap {
                    try? JSONValue(parsing: $0)["scored"]?["value"]?.double
                }
                #expect(sampled.count == 10)
                #expect(scores.first == sampled.min() && scores.last == sampled.max())
                #expect(scores == scores.sorted())
            }
        }

        @Test
        func `a path's score is the search's, and an architecture's training that of a retraining`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                let genomes = ["0,1,2,3,0,1", "1,1,1,1,1,1", "3,2,1,0,3,2"]
                let list =
                    #"{"kind": "genomes", "genomes": ["\#(genomes.joined(separator: #"", ""#))"]}"#
                let result = try run.run(.searchAudit, spec(list), given(checkpoint))
                let found = try #require(result.metrics["rows"]?.array)
                #expect(found.map { $0["genome"]?.string } == genomes)

                let searched = try RecordedRun(cells)
                let seeds = genomes.map { "\"\($0)\"" }.joined(separator: ", ")
                try searched.run(
                    .searchEvolution,
                    Small.search(more: #""seeds": [\#(seeds)],"#),
                    given(checkpoint),
                )
                let archive = try Archive.read(
                    journal: searched.journaled.reduce(into: Data()) { $0 += $1 }
                ).archive
                #expect(
                    try rows(result, "score")
                        == archive.candidates.prefix(3).compactMap { $0.score?.value }
                )

                let retrained = try RecordedRun(cells).run(
                    .subnetRetrain,
                    """
                    {"architecture": {"space": \(Small.space), "genome": "\(genomes[2])"},
                     "detection": {"train": \(Small.list("train")), "validation": \(Small.list("search")),
                       \(Small.detector), \(Small.training(steps: 3))}}
                    """,
                )
                #expect(
                    retrained.metrics["detection"]?["paths"]?.array?.first?["loss"]
                        == found[2]["loss"]
                )
            }
        }

        @Test
        func `a winner is compared with random architectures of its cost, trained as it was`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                let finetune = try JSONValue(
                    parsing: Data(Small.finetune(training: Small.training(steps: 6)).utf8)
                )
                guard
                    case .success(.finetune(let config)) = JobSpec.resolve(
                        kind: .detectorFinetune,
                        finetune,
                    ), let space = config.space?.space
                else { return #expect(Bool(false), "the fine-tuning does not resolve") }
                let winner = try Genome(parsing: "0,1,2,3,0,1", in: space)
                func audit(_ tolerance: Double) -> String {
                    spec(
                        #"{"kind": "baseline", "architecture": "arch_1", "random": 4, "tolerance": \#(tolerance)}"#
                    )
                }
                var inputs = given(checkpoint)
                inputs.architectures = [(space, winner)]
                let result = try run.run(.searchAudit, audit(0.1), inputs)
                let macs = try rows(result, "macs")
                #expect(
                    result.metrics["rows"]?.array?.first?["genome"]?.string == winner.description
                )
                #expect(macs.count == 5 && macs.allSatisfy { abs($0 - macs[0]) <= 0.1 * macs[0] })
                // By the loss: less is better.
                let values = try rows(result, "loss").map { -$0 }
                let others = Array(values.dropFirst())
                let mean = others.reduce(0, +) / 4
                let told = try #require(result.metrics["baseline"])
                #expect(told["winner"]?.double == values[0])
                #expect(abs(try #require(told["random"]?["mean"]?.double) - mean) < 1e-12)
                #expect(told["beaten"]?.int == others.count { $0 < values[0] })
                let deviation = (others.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 3)
                    .squareRoot()
                let interval = (told["interval95"]?.array ?? []).compactMap(\.double)
                try #require(interval.count == 2)
                // t of 3 degrees of freedom is 3.182.
                let reach = 3.182 * deviation * 1.25.squareRoot()
                #expect(abs((interval[1] - interval[0]) / 2 - reach) < 0.01 * reach)
                #expect(abs((interval[1] + interval[0]) / 2 - (values[0] - mean)) < 1e-12)

                let error = try RecordedRun(cells).failure(.searchAudit, audit(1e-9), inputs)
                #expect("\(error)".contains("random architectures held only"), "\(error)")
            }
        }

        @Test func `an audit that was cut off anywhere repeats nothing that was finished`() throws {
            try withCells { cells, whole in
                let checkpoint = try detector(cells)
                let result = try whole.run(.searchAudit, spec(objective: "ap"), given(checkpoint))
                #expect(whole.journaled.count == 14)
                for count in [3, 10, 12, 14] {
                    let cut = try RecordedRun(cells)
                    cut.earlier = whole.journaled.prefix(count).map { $0.dropLast() }
                    let again = try cut.run(.searchAudit, spec(objective: "ap"), given(checkpoint))
                    #expect(cut.journaled == whole.journaled)
                    #expect(again.metrics == result.metrics)
                    #expect(cut.events.data(of: "audit.trained").count == 14 - max(10, count))
                }
            }
        }

        @Test func `architectures of another space, and words of none, are refused by name`() throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                let short =
                    #"{"kind": "genomes", "genomes": ["0,1,2,3,0,1", "0,1", "1,1,1,1,1,1"]}"#
                let error = try run.failure(.searchAudit, spec(short), given(checkpoint))
                #expect(
                    error.code == "bad_architecture" && "\(error)".contains(#""0,1""#),
                    "\(error)",
                )

                var inputs = given(checkpoint)
                let mini = try #require(SearchSpace.named["detnas-mini"])
                inputs.architectures = [(mini, Genome([UInt8](repeating: 0, count: mini.length)))]
                let references = #"{"kind": "references", "ids": ["arch_1", "arch_2", "arch_3"]}"#
                let other = try run.failure(.searchAudit, spec(references), inputs)
                #expect(other.code == "bad_architecture")
                #expect(
                    "\(other)".contains("detnas-mini") && "\(other)".contains("tiny"),
                    "\(other)",
                )
                #expect(run.journaled.isEmpty)
            }
        }
    }
}
