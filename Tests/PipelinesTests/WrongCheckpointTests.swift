// Checkpoints that do not fit what was asked for: refused with both values, before anything is trained.

import Configs
import Foundation
import NN
import Pipelines
import SearchSpaces
import Testing

extension Runs {
    struct WrongCheckpoint {
        /// A classifier's supernet, trained for a step.
        private func supernet(_ cells: CellSet, more: String = "") throws -> StoredCheckpoint {
            let result = try RecordedRun(cells).run(
                .supernetPretrain,
                """
                {"data": {"dataset": "cls_caltech10"}, "space": \(Small.space), "image": {"size": 32}, \(more)
                 \(Small.training(steps: 1)), "evaluation": {"paths": 0}}
                """,
            )
            return try #require(result.checkpoint)
        }

        private func detector(_ cells: CellSet) throws -> StoredCheckpoint {
            let result = try RecordedRun(cells).run(
                .detectorFinetune,
                Small.finetune(training: Small.training(steps: 1)),
            )
            return try #require(result.checkpoint)
        }

        /// The same checkpoint with some of its metadata changed.
        private func altered(_ checkpoint: StoredCheckpoint, _ changes: [String: String]) throws
            -> RunInputs
        {
            let file = try SafeTensorsFile(checkpoint.url)
            let url = checkpoint.url.deletingLastPathComponent().appending(
                path: "altered.safetensors"
            )
            let (sha256, _) = try SafeTensorsWriter.write(
                to: url,
                metadata: file.metadata.merging(changes) { $1 },
                tensors: file.records.map { record in
                    TensorSource(name: record.name, type: record.type, shape: record.shape) {
                        take in
                        try take(#require(file.bytes(of: record.name)))
                    }
                },
            )
            return RunInputs(checkpoint: url, checkpointDigest: sha256)
        }

        private func refusal(
            _ kind: JobKind,
            _ spec: String,
            _ inputs: RunInputs,
            _ run: RecordedRun,
            names parts: [String],
            _ location: SourceLocation = #_sourceLocation,
        ) throws {
            let error = try run.failure(kind, spec, inputs)
            #expect(error.code == "bad_checkpoint", sourceLocation: location)
            for part in parts {
                #expect("\(error)".contains(part), "\(error)", sourceLocation: location)
            }
            #expect(run.events.data(of: "metric").isEmpty, sourceLocation: location)
            #expect(run.checkpoints.isEmpty, sourceLocation: location)
        }

        @Test func `a checkpoint of another kind is refused with both kinds`() throws {
            try withCells { cells, run in
                let (classifier, detector) = (try supernet(cells), try detector(cells))
                try refusal(
                    .detectorFinetune,
                    Small.finetune(space: nil, more: #""checkpoint": "ckpt_given","#),
                    given(detector),
                    run,
                    names: ["is a detector-supernet", "allowed: supernet"],
                )
                try refusal(
                    .searchEvolution,
                    Small.search(),
                    given(classifier),
                    run,
                    names: ["is a supernet", "allowed: detector-supernet"],
                )
            }
        }

        @Test func `another space, shuffle method or pixel convention is refused with both values`()
            throws
        {
            try withCells { cells, run in
                let classifier = try supernet(cells)
                func refused(_ more: String, space: String? = nil, names: [String]) throws {
                    try refusal(
                        .detectorFinetune,
                        Small.finetune(space: space, more: #""checkpoint": "ckpt_given","# + more),
                        given(classifier),
                        run,
                        names: names,
                    )
                }
                try refused(
                    "",
                    space: #""detnas-mini""#,
                    names: ["space tiny", "asked for is detnas-mini"],
                )
                // The same name stands for another space.
                try refused(
                    "",
                    space: Small.space.replacing("\"width\": 48", with: "\"width\": 56"),
                    names: ["\"width\":48", "\"width\":56"],
                )
                try refused(#""shuffle": 2,"#, names: ["shuffle method 1", "asked for is 2"])
                let other = try supernet(cells, more: #""shuffle": 2,"#)
                try refusal(
                    .detectorFinetune,
                    Small.finetune(
                        space: nil,
                        more: #""checkpoint": "ckpt_given", "shuffle": 1,"#,
                    ),
                    given(other),
                    run,
                    names: ["shuffle method 2", "asked for is 1"],
                )
                let bgr = Small.finetune(space: nil, more: #""checkpoint": "ckpt_given","#)
                    .replacing(
                        #""longSide": 96"#,
                        with: #""longSide": 96, "pixels": {"order": "bgr"}"#,
                    )
                try refusal(.detectorFinetune, bgr, given(classifier), run, names: ["rgb", "bgr"])
            }
        }

        @Test func `a search on other classes than the detector's is refused with both lists`()
            throws
        {
            try withCells { cells, run in
                let detector = try detector(cells)
                for list in ["train", "search"] {
                    try cells.edit(list) { object in
                        var categories = try #require(object["categories"] as? [[String: Any]])
                        categories[2]["name"] = "Parasites"
                        object["categories"] = categories
                    }
                }
                try refusal(
                    .searchEvolution,
                    Small.search(),
                    given(detector),
                    run,
                    names: ["RBC, WBC, Platelets", "RBC, WBC, Parasites"],
                )
            }
        }

        @Test func `a file that is torn, foreign or lies about itself is refused`() throws {
            try withCells { cells, run in
                let classifier = try supernet(cells)
                let spec = Small.finetune(space: nil, more: #""checkpoint": "ckpt_given","#)
                func refused(_ inputs: RunInputs, names: [String]) throws {
                    try refusal(.detectorFinetune, spec, inputs, run, names: names)
                }
                try refused(
                    altered(classifier, ["format": "detnas-9"]),
                    names: ["detnas-9", "detnas-1"],
                )
                try refused(
                    altered(classifier, ["space": "{}"]),
                    names: ["altered.safetensors", "metadata"],
                )
                try refused(
                    altered(classifier, ["config": "{"]),
                    names: ["altered.safetensors", "metadata"],
                )
                try refused(altered(classifier, ["shuffle": "two"]), names: ["two"])
                // The tensors are those of a smaller space than the metadata tells of.
                let wider = Small.space.replacing("\"width\": 48", with: "\"width\": 56")
                let space = try SearchSpace.json(wider)
                try refused(altered(classifier, ["space": space]), names: ["backbone"])

                let torn = cells.root.appending(path: "torn.safetensors")
                let whole = try Data(contentsOf: classifier.url)
                for length in [0, 5, 300, whole.count - 1] {
                    try whole.prefix(length).write(to: torn)
                    try refused(
                        RunInputs(checkpoint: torn, checkpointDigest: "00"),
                        names: ["torn.safetensors"],
                    )
                }
            }
        }
    }
}

extension SearchSpace {
    /// The JSON that a space is written as.
    fileprivate static func json(_ text: String) throws -> String {
        let space = try JSONDecoder().decode(SearchSpace.self, from: Data(text.utf8))
        return String(decoding: try JSONEncoder().encode(space), as: UTF8.self)
    }
}
