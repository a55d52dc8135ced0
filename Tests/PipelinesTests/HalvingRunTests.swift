// A search that halves its candidates, on a real supernet.

import Configs
import Foundation
import Pipelines
import Search
import Testing

extension Runs {
    struct HalvingRuns {
        private func candidates(_ run: RecordedRun) throws -> [Candidate] {
            try Archive.read(journal: run.journaled.reduce(into: Data()) { $0 += $1 }).archive
                .candidates
        }

        private func detector(_ cells: CellSet) throws -> RunInputs {
            let result = try RecordedRun(cells).run(
                .detectorFinetune,
                Small.finetune(training: Small.training(steps: 6)),
            )
            return given(try #require(result.checkpoint))
        }

        private func spec(z: Double, images: Int = 2) -> String {
            Small.search(more: #""halving": {"images": \#(images), "factor": 2, "z": \#(z)},"#)
        }

        @Test
        func `half of each generation is halted on few images, the others are scored as ever`()
            throws
        {
            try withCells { cells, run in
                let inputs = try detector(cells)
                let result = try run.run(.searchEvolution, spec(z: 0), inputs)
                let found = try candidates(run)
                #expect(found.count == 18)
                for generation in 0..<3 {
                    let own = found.filter { $0.generation == generation }
                    #expect(own.count { $0.halted != nil } == 3)
                    #expect(own.compactMap(\.halted).allSatisfy { $0.images == 2 })
                }
                let told = try #require(result.metrics["halving"])
                #expect(told["rungs"]?.array?.first?["halted"] == 9 && told["whole"] == 9)
                // 18 on 2 images and 9 on all 4: as many as 18 on 4.
                #expect(told["imagesScored"]?.double == 1)
                let events = run.events.data(of: "candidate.evaluated")
                #expect(events.count { $0["halted"] != nil } == 9)
                let progress = try #require(run.events.data(of: "job.progress").last)
                #expect(progress["unit"] == "candidates" && progress["done"] == 18)
                #expect(try #require(progress["throughput"]?.double) > 0)

                // The same genomes with nobody halted have the same scores.
                let whole = try RecordedRun(cells)
                try whole.run(.searchEvolution, spec(z: 1000), inputs)
                let all = try candidates(whole)
                #expect(all.allSatisfy { $0.halted == nil })
                let scores = Dictionary(uniqueKeysWithValues: all.map { ($0.genome, $0.score) })
                for candidate in found where candidate.generation == 0 && candidate.score != nil {
                    #expect(candidate.score == scores[candidate.genome])
                }
                let plain = try RecordedRun(cells)
                try plain.run(.searchEvolution, Small.search(), inputs)
                #expect(plain.journaled == whole.journaled)
            }
        }

        @Test func `a search that was cut off anywhere halts the same`() throws {
            try withCells { cells, whole in
                let inputs = try detector(cells)
                let result = try whole.run(.searchEvolution, spec(z: 0.5), inputs)
                for count in [1, 3, 5, 6, 8, 13, 17] {
                    let cut = try RecordedRun(cells, cores: [0, 1])
                    cut.earlier = whole.journaled.prefix(count).map { $0.dropLast() }
                    let again = try cut.run(.searchEvolution, spec(z: 0.5), inputs)
                    #expect(cut.journaled == whole.journaled, "after \(count)")
                    #expect(again.metrics == result.metrics)
                }
            }
        }

        @Test func `a first rung of all images is none`() throws {
            try withCells { cells, run in
                let inputs = try detector(cells)
                let result = try run.run(.searchEvolution, spec(z: 0, images: 4), inputs)
                #expect(result.metrics["halving"]?["rungs"] == [])
                #expect(try candidates(run).allSatisfy { $0.score != nil })
            }
        }
    }
}
