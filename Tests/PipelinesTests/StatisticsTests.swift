// Where a candidate's batch-norm statistics come from, through whole searches.

import Configs
import Foundation
import Pipelines
import Search
import Testing

extension Runs {
    struct Statistics {
        private func detector(_ cells: CellSet, _ detector: String = Small.detector) throws
            -> StoredCheckpoint
        {
            let result = try RecordedRun(cells).run(
                .detectorFinetune,
                Small.finetune(detector: detector, training: Small.training(steps: 2)),
            )
            return try #require(result.checkpoint)
        }

        /// The archive of a search with other statistics or settings.
        private func search(
            _ cells: CellSet,
            _ checkpoint: StoredCheckpoint,
            _ statistics: String,
            more: String = "",
            cores: [Int] = [0],
        ) throws -> [Candidate] {
            let run = try RecordedRun(cells, cores: cores)
            try run.run(
                .searchEvolution,
                Small.search(more: more)
                    .replacing(#"{"images": 6}"#, with: statistics),
                given(checkpoint),
            )
            let journal = run.journaled.reduce(into: Data()) { $0 += $1 }
            return try Archive.read(journal: journal).archive.candidates
        }

        @Test func `a shuffled list of search images gives every candidate the identical score`()
            throws
        {
            try withCells { cells, _ in
                let checkpoint = try detector(cells)
                let exact = #"{"kind": "exact", "images": 6}"#
                let listed = try search(cells, checkpoint, exact, more: #""evaluationBatch": 3,"#)
                try cells.edit("search") { object in
                    let images = try #require(object["images"] as? [Any])
                    let annotations = try #require(object["annotations"] as? [Any])
                    object["images"] = [2, 0, 3, 1].map { images[$0] }
                    object["annotations"] = Array(annotations.reversed())
                }
                let shuffled = try search(
                    cells,
                    checkpoint,
                    exact,
                    more: #""evaluationBatch": 3,"#,
                )
                #expect(listed.map(\.genome) == shuffled.map(\.genome))
                #expect(listed.map(\.score?.value) == shuffled.map(\.score?.value))
                #expect(listed.map(\.score?.ap) == shuffled.map(\.score?.ap))

                let alone = try search(cells, checkpoint, exact, more: #""evaluationBatch": 1,"#)
                for (one, other) in zip(listed.prefix(6), alone.prefix(6)) {
                    let losses = [try #require(one.score?.loss), try #require(other.score?.loss)]
                    #expect(abs(losses[0] - losses[1]) < 1e-5 * losses[0])
                }
            }
        }

        @Test func `with the batch's statistics a score depends on how many images share a batch`()
            throws
        {
            try withCells { cells, _ in
                let checkpoint = try detector(cells)
                let losses = try [1, 4].map { size in
                    try search(cells, checkpoint, #"{"kind": "batch", "size": \#(size)}"#)
                        .prefix(6).map { try #require($0.score?.loss) }
                }
                for (one, other) in zip(losses[0], losses[1]) {
                    #expect(abs(one - other) > 1e-4 * one)
                }
            }
        }

        @Test(arguments: [Small.detector, Small.twoStage])
        func `each choice scores all candidates, the same on two cores, and says which it was`(
            network: String
        ) throws {
            try withCells { cells, _ in
                let checkpoint = try detector(cells, network)
                for (choice, name) in [
                    (#"{"kind": "ema", "batches": 5, "batch": 4}"#, "ema-5x4-0.1"),
                    (#"{"kind": "batch", "size": 2}"#, "batch-2"), (#"{"kind": "none"}"#, "none"),
                    (#"{"kind": "exact", "images": 6}"#, "exact-6"),
                ] {
                    let one = try search(cells, checkpoint, choice)
                    let two = try search(cells, checkpoint, choice, cores: [0, 1])
                    #expect(one == two && one.count == 18, "\(name)")
                    for candidate in one {
                        #expect(candidate.score?.scale.fidelity == "supernet-loss/\(name)")
                    }
                }
            }
        }
    }
}
