// The search of a classifier: `objective: top1` over the supernet of a pretraining.

import Configs
import Foundation
import Pipelines
import Search
import SearchSpaces
import TestSupport
import Testing

extension Runs {
    struct ClassificationSearch {
        private func supernet(_ cells: CellSet) throws -> StoredCheckpoint {
            let result = try RecordedRun(cells).run(
                .supernetPretrain,
                Small.pretrain(
                    #"{"dataset": "cls_caltech10"}"#,
                    training: Small.training(steps: 20),
                ),
            )
            return try #require(result.checkpoint)
        }

        private static func side(_ folder: String, _ more: String) -> String {
            #"{"dataset": "cls_caltech10", "folder": "\#(folder)"\#(more)}"#
        }

        private static let weights = side("train", #", "part": {"role": "weights"}"#)
        private static let architecture = side("train", #", "part": {"role": "architecture"}"#)

        private func spec(
            train: String = weights,
            search: String = architecture,
            more: String = "",
        ) -> String {
            Small.search(train: train, search: search, more: more)
                .replacing(#""objective": "loss""#, with: #""objective": "top1""#)
        }

        private func archive(_ run: RecordedRun) throws -> Archive {
            try Archive.read(journal: run.journaled.reduce(into: Data()) { $0 += $1 }).archive
        }

        @Test
        func
            `paths are ranked by top-1, with its standard error; top-5 and loss stand beside it; the best can be retrained`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try supernet(cells)
                let result = try run.run(.searchEvolution, spec(), given(checkpoint))
                let found = try archive(run).candidates
                #expect(found.count == 18 && found.allSatisfy { $0.failure == nil })
                let images = Double(try #require(result.metrics["images"]?.int))
                for score in found.compactMap(\.score) {
                    let (top1, top5) = (try #require(score.top1), try #require(score.top5))
                    #expect(score.value == top1 && top1 <= top5 && top5 <= 1)
                    // A share of the images, and the standard error of a share.
                    #expect((top1 * images).rounded() == (top1 * images * 1e9).rounded() / 1e9)
                    let error = (top1 * (1 - top1) / (images - 1)).squareRoot()
                    #expect(abs(try #require(score.standardError) - error) < 1e-12)
                    #expect(try #require(score.loss) > 0 && score.ap == nil)
                    #expect(score.scale.fidelity == "supernet-top1/exact-6")
                }
                #expect(run.events.data(of: "candidate.evaluated").allSatisfy { $0["top1"] != nil })
                let top = try #require(result.metrics["top"]?.array?.first)
                #expect(top["top1"]?.double == found.compactMap { $0.score?.top1 }.max())
                let interval = try #require(top["interval95"]?["top1"]?.array).compactMap(\.double)
                #expect(
                    interval[0] <= (top["top1"]?.double ?? 0)
                        && (top["top1"]?.double ?? 1) <= interval[1]
                )

                let best = try #require(result.architectures.first?["genome"]?.string)
                let retrained = try run.run(
                    .subnetRetrain,
                    """
                    {"architecture": {"space": \(Small.space), "genome": "\(best)"},
                     "classification": {"data": {"dataset": "cls_caltech10"}, "image": {"size": 32}, \(Small.training())}}
                    """,
                )
                #expect(retrained.checkpoint?.kind == "subnet")
            }
        }

        @Test(arguments: [
            #"{"images": 6}"#, #"{"kind": "ema", "batches": 4, "batch": 4}"#,
            #"{"kind": "batch", "size": 8}"#, #"{"kind": "none"}"#,
        ])
        func `cores, cache and an interruption change no byte of the journal`(statistics: String)
            throws
        {
            try withCells { cells, one in
                let checkpoint = try supernet(cells)
                func searched(_ run: RecordedRun, cache: Int) throws -> [Data] {
                    let spec = spec(more: #""cacheMegabytes": \#(cache),"#)
                        .replacing(#"{"images": 6}"#, with: statistics)
                    try run.run(.searchEvolution, spec, given(checkpoint))
                    return run.journaled
                }
                let plain = try searched(one, cache: 0)
                #expect(plain.count == 18)
                #expect(try searched(RecordedRun(cells, cores: [0, 1]), cache: 64) == plain)
                let cut = try RecordedRun(cells)
                cut.earlier = plain.prefix(8).map { $0.dropLast() }
                #expect(try searched(cut, cache: 3) == plain)
            }
        }

        @Test func `copies of the images that set the statistics are refused as search images`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try supernet(cells)
                // A copy of the folder under another name holds the same images.
                let copy = cells.root.appending(path: "copy")
                try FileManager.default.createDirectory(
                    at: copy,
                    withIntermediateDirectories: true,
                )
                try FileManager.default.copyItem(
                    at: SharedData.url("cls_caltech10/train"),
                    to: copy.appending(path: "train"),
                )
                let error = try run.failure(
                    .searchEvolution,
                    spec(search: #"{"dataset": "copy", "folder": "train", "images": 5}"#),
                    given(checkpoint),
                )
                #expect(error.code == "bad_data")
                #expect("\(error)".contains("share"), "\(error)")
            }
        }

        @Test func `a folder with other classes is refused with both lists`() throws {
            try withCells { cells, run in
                let checkpoint = try supernet(cells)
                let other = cells.root.appending(path: "other/val")
                for (name, file) in zip(["cat", "dog"], cells.train) {
                    let folder = other.appending(path: name)
                    try FileManager.default.createDirectory(
                        at: folder,
                        withIntermediateDirectories: true,
                    )
                    try FileManager.default.copyItem(
                        at: cells.image(file),
                        to: folder.appending(path: file),
                    )
                }
                let error = try run.failure(
                    .searchEvolution,
                    spec(search: #"{"dataset": "other", "folder": "val"}"#),
                    given(checkpoint),
                )
                #expect(error.code == "bad_checkpoint")
                #expect("\(error)".contains("cat, dog"), "\(error)")
            }
        }

        @Test func `a search in which too many candidates fail ends with their reasons`() throws {
            try withCells { cells, run in
                let checkpoint = try supernet(cells)
                // At 32 pixels the last stage has one cell: a batch of one has nothing to take statistics from.
                let spec = spec(more: #""maxFailed": 0.9,"#).replacing(
                    #"{"images": 6}"#,
                    with: #"{"kind": "batch", "size": 1}"#,
                )
                let error = try run.failure(.searchEvolution, spec, given(checkpoint))
                #expect(error.code == "candidates_failed")
                for part in ["6 of 6", "0.9", "one value a channel"] {
                    #expect("\(error)".contains(part), "\(error)")
                }
                // What failed is in the journal, with its reason; a resumed search does not try it again.
                #expect(try archive(run).failures.count == 6)
                let again = try RecordedRun(cells)
                again.earlier = run.journaled.map { $0.dropLast() }
                let second = try again.failure(.searchEvolution, spec, given(checkpoint))
                #expect(second.code == "candidates_failed")
            }
        }
    }
}
