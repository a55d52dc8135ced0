// Searches that cannot start, that were cut off, and that meet a path that cannot be scored.

import Configs
import Foundation
import NN
import Pipelines
import Search
import SearchSpaces
import Testing

extension Runs {
    struct SearchInput {
        private func detector(_ cells: CellSet) throws -> StoredCheckpoint {
            let result = try RecordedRun(cells).run(
                .detectorFinetune,
                Small.finetune(training: Small.training(steps: 1)),
            )
            return try #require(result.checkpoint)
        }

        private func archive(_ run: RecordedRun) throws -> Archive {
            try Archive.read(journal: run.journaled.reduce(into: Data()) { $0 += $1 }).archive
        }

        @Test
        func
            `a limit that no path meets is refused with the cheapest cost, before any data is read`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                let space = try CheckpointFile(checkpoint.url).metadata.space
                let cheapest = space.costTable(.macs(.backbone), height: 224, width: 224).minimum
                func spec(_ macs: Int, dataset: String) -> String {
                    Small.search(
                        train: Small.list("train", dataset: dataset),
                        more: #""limit": {"macs": \#(macs)},"#,
                    )
                }
                let error = try run.failure(
                    .searchEvolution,
                    spec(cheapest - 1, dataset: "celery"),
                    given(checkpoint),
                )
                #expect(error.code == "impossible_limit")
                #expect(
                    "\(error)".contains("\(cheapest - 1)") && "\(error)".contains("\(cheapest)"),
                    "\(error)",
                )
                #expect(run.journaled.isEmpty)

                // One more and there is a path; no more than that one is evaluated.
                try run.run(.searchEvolution, spec(cheapest, dataset: "cells"), given(checkpoint))
                #expect(try archive(run).candidates.map(\.cost.macs) == [cheapest])
            }
        }

        @Test
        func
            `images for the statistics and for the fitness must differ; those that do not are named`()
            throws
        {
            try withCells { cells, run in
                try cells.edit("search") { object in
                    var images = try #require(object["images"] as? [[String: Any]])
                    images[1]["file_name"] = cells.train[3]
                    object["images"] = images
                }
                let error = try run.failure(
                    .searchEvolution,
                    Small.search(),
                    given(detector(cells)),
                )
                #expect(error.code == "bad_data")
                #expect("\(error)".contains("share 1 image"), "\(error)")
                #expect("\(error)".contains(cells.train[3]), "\(error)")
            }
        }

        @Test func `a search that would touch an image of the test does not start, and names it`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                try FileManager.default.copyItem(at: cells.list("search"), to: cells.list("test"))
                try cells.edit("test") { object in
                    var images = try #require(object["images"] as? [[String: Any]])
                    images[1]["file_name"] = cells.train[3]
                    object["images"] = images.dropFirst().prefix(1).map { $0 }
                    object["annotations"] = [[String: Any]]()
                }
                let error = try run.failure(
                    .searchEvolution,
                    Small.search(more: "\"test\": \(Small.list("test")),"),
                    given(checkpoint),
                )
                #expect(error.code == "bad_data")
                #expect("\(error)".contains("test and train share 1 image"), "\(error)")
                #expect("\(error)".contains(cells.train[3]), "\(error)")
                #expect(run.journaled.isEmpty)
            }
        }

        @Test func `one core and two give the same archive, byte for byte`() throws {
            try withCells { cells, one in
                let two = try RecordedRun(cells, cores: [0, 1])
                let checkpoint = try detector(cells)
                try one.run(.searchEvolution, Small.search(), given(checkpoint))
                try two.run(.searchEvolution, Small.search(), given(checkpoint))
                #expect(one.journaled.count == 18)
                #expect(one.journaled == two.journaled)
            }
        }

        @Test
        func `an architecture joins a running search, and a search that was cut off keeps it`()
            throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                let joining = "3,3,3,3,3,3"
                run.handedIn = [1: [joining]]
                try run.run(.searchEvolution, Small.search(), given(checkpoint))
                let whole = try archive(run)
                let joined = whole.candidates.filter { $0.origin == .seed }
                #expect(joined.map(\.genome.description) == [joining])
                #expect(joined.map(\.generation) == [1] && whole.count == 18)
                let told = run.events.data(of: "candidates.joined")
                #expect(told == [["generation": 1, "genomes": [.string(joining)]]])

                for count in [5, 6, 8, 13] {
                    let cut = try RecordedRun(cells)
                    cut.earlier = run.journaled.prefix(count).map { $0.dropLast() }
                    // Cut off before the generation it joins after, it is handed in again; else it is on the disk.
                    if count < 6 {
                        cut.handedIn = run.handedIn
                    } else {
                        cut.joinings = run.joinings
                    }
                    try cut.run(.searchEvolution, Small.search(), given(checkpoint))
                    #expect(try archive(cut) == whole, "\(count)")
                }
            }
        }

        @Test func `fronts are told when a generation changed them`() throws {
            try withCells { cells, run in
                try run.run(.searchEvolution, Small.search(), given(detector(cells)))
                let archive = try archive(run)
                let fronts = run.events.data(of: "pareto.changed")
                #expect(fronts.first?["generation"] == 0)
                let last = try #require(fronts.last?["front"]?.array)
                let front = archive.front { _ in true }
                #expect(last.map { $0["genome"]?.string } == front.map(\.genome.description))
                #expect(last.map { $0["macs"]?.int } == front.map(\.cost.macs))
            }
        }

        @Test func `a search that was cut off anywhere goes on to the same archive`() throws {
            try withCells { cells, whole in
                let checkpoint = try detector(cells)
                try whole.run(.searchEvolution, Small.search(), given(checkpoint))
                for count in [1, 8, 17] {
                    let cut = try RecordedRun(cells)
                    cut.earlier = whole.journaled.prefix(count).map { $0.dropLast() }
                    try cut.run(.searchEvolution, Small.search(), given(checkpoint))
                    #expect(cut.journaled == whole.journaled)
                    // What was known is told once more at most, and not evaluated again.
                    #expect(cut.events.data(of: "candidate.evaluated").count == 18 - count + 1)
                }
            }
        }

        @Test
        func `a journal with a spoilt line is trusted up to it, and the rest is evaluated again`()
            throws
        {
            try withCells { cells, whole in
                let checkpoint = try detector(cells)
                try whole.run(.searchEvolution, Small.search(), given(checkpoint))
                let cut = try RecordedRun(cells)
                cut.earlier = whole.journaled.prefix(16).map { $0.dropLast() }
                cut.earlier[13] = Data(cut.earlier[13].prefix(30))
                try cut.run(.searchEvolution, Small.search(), given(checkpoint))
                #expect(cut.journaled == whole.journaled)
                let warnings = cut.events.warnings("damaged_journal")
                try #require(warnings.count == 1)
                #expect(warnings[0].message.contains("line 14 of 16"), "\(warnings)")
            }
        }

        /// The weights of one operation are not numbers: each path with it fails, the others are searched.
        @Test func `a path that cannot be scored is remembered as failed and stops nothing`() throws
        {
            try withCells { cells, run in
                let checkpoint = try detector(cells)
                let file = try SafeTensorsFile(checkpoint.url)
                // The last block's second choice.
                let names = file.records.map(\.name).filter {
                    $0.hasPrefix("backbone.blocks.5.shuffle_5x5.")
                }
                try #require(!names.isEmpty)
                let url = cells.root.appending(path: "spoilt.safetensors")
                let (sha256, _) = try SafeTensorsWriter.write(
                    to: url,
                    metadata: file.metadata,
                    tensors: file.records.map { record in
                        TensorSource(name: record.name, type: record.type, shape: record.shape) {
                            take in
                            var data = Data(try #require(file.bytes(of: record.name)))
                            if names.contains(record.name), record.type == .float32 {
                                // Every float a NaN.
                                data = Data(repeating: 0xFF, count: data.count)
                            }
                            try data.withUnsafeBytes(take)
                        }
                    },
                )
                let result = try run.run(
                    .searchEvolution,
                    Small.search(),
                    RunInputs(checkpoint: url, checkpointDigest: sha256),
                )
                let archive = try archive(run)
                #expect(archive.count == 18)
                let spoilt = archive.candidates.filter { $0.genome.letters.last == 1 }
                #expect(!spoilt.isEmpty)
                #expect(archive.failures == spoilt)
                #expect(archive.failures.allSatisfy { $0.failure?.contains("not finite") == true })
                #expect(result.metrics["failed"] == .int(Int64(spoilt.count)))
                #expect(result.architectures.count == 2)

                // After a crash what failed is known, and not evaluated again.
                let cut = try RecordedRun(cells)
                cut.earlier = run.journaled.prefix(17).map { $0.dropLast() }
                try cut.run(
                    .searchEvolution,
                    Small.search(),
                    RunInputs(checkpoint: url, checkpointDigest: sha256),
                )
                #expect(cut.journaled == run.journaled)
                #expect(cut.events.data(of: "candidate.evaluated").count == 2)
            }
        }
    }
}
