// A detector that is only used: what it finds, how good that is, and what it refuses.

import Configs
import Foundation
import Pipelines
import Testing

extension Runs {
    struct Predictions {
        /// Finds something everywhere, however little it was trained.
        private static let detector = Small.detector.replacing(
            #""detector": {"#,
            with: #""detector": {"scoreThreshold": 0, "maxDetections": 5, "#,
        )

        private func supernet(_ run: RecordedRun, _ detector: String = Self.detector) throws
            -> StoredCheckpoint
        {
            try #require(
                try run.run(.detectorFinetune, Small.finetune(detector: detector)).checkpoint
            )
        }

        private func retrained(_ run: RecordedRun) throws -> RunResult {
            try run.run(
                .subnetRetrain,
                """
                {"architecture": {"space": \(Small.space), "genome": "0,1,2,3,0,1"},
                 "detection": {"train": \(Small.list("train")), "validation": \(Small.list("search")),
                   \(Self.detector), \(Small.training())}}
                """,
            )
        }

        private static let path =
            #""architecture": "0,1,2,3,0,1", "train": \#(Small.list("train")), "recalibrationImages": 6"#

        private func predict(_ fields: String) -> String {
            #"{"checkpoint": "ckpt_given", "scoreThreshold": 0, \#(fields)}"#
        }

        private func json(_ file: StoredFile) throws -> JSONValue {
            try JSONValue(parsing: Data(contentsOf: file.url))
        }

        @Test func `a path of a supernet is shown on a list, twice to the same bytes`() throws {
            try withCells { cells, run in
                let given = given(try supernet(run))
                let spec = predict(
                    #"\#(Self.path), "list": \#(Small.list("search")), "pictures": {"groundTruth": true}"#
                )
                let result = try run.run(.architecturePredict, spec, given)
                #expect(result.metrics["images"] == 4 && result.metrics["skipped"] == 0)
                #expect(result.metrics["pictures"] == 4)
                #expect(result.files.map(\.name).first == "detections.json")
                #expect(result.files.count == 5 && Set(result.files.map(\.name)).count == 5)
                for file in result.files.dropFirst() {
                    let bytes = try Data(contentsOf: file.url)
                    #expect(bytes.starts(with: [0xFF, 0xD8]) && bytes.count == file.bytes)
                }
                let found = try #require(try json(result.files[0]).array)
                #expect(found.count == 20 && result.metrics["detections"] == 20)
                let perClass = result.metrics["perClass"]?.array ?? []
                #expect(perClass.count == 3)
                #expect(perClass.compactMap { $0["detections"]?.int }.reduce(0, +) == 20)
                let again = try RecordedRun(cells).run(.architecturePredict, spec, given)
                #expect(again.files.map(\.sha256) == result.files.map(\.sha256))
                let other = try RecordedRun(cells).run(
                    .architecturePredict,
                    spec.replacing("0,1,2,3,0,1", with: "3,1,2,3,0,1"),
                    given,
                )
                #expect(other.files[0].sha256 != result.files[0].sha256)
            }
        }

        @Test func `a folder's images are numbered, and a truncated one is skipped by its name`()
            throws
        {
            try withCells { cells, run in
                let given = given(try #require(try retrained(run).checkpoint))
                try cells.truncate(cells.search[1])
                let result = try run.run(
                    .architecturePredict,
                    predict(
                        #""folder": {"dataset": "cells"}, "pictures": {"most": 3, "format": "png"}"#
                    ),
                    given,
                )
                #expect(run.events.warnings("broken_image").map(\.images) == [[cells.search[1]]])
                #expect(result.metrics["images"] == 15 && result.metrics["skipped"] == 1)
                let names = result.files.map(\.name)
                #expect(names.prefix(2) == ["detections.json", "images.json"])
                #expect(names.count == 5 && names.dropFirst(2).allSatisfy { $0.hasSuffix(".png") })
                let described = try json(result.files[1])
                let images = described["images"]?.array ?? []
                #expect(images.count == 15 && images[0]["width"] == 640)
                #expect(!images.contains { $0["file_name"]?.string == cells.search[1] })
                #expect(described["categories"]?.array?.count == 3)
                let ids = Set(images.compactMap { $0["id"]?.int })
                let found = try #require(try json(result.files[0]).array)
                #expect(!found.isEmpty)
                #expect(found.allSatisfy { ids.contains($0["image_id"]?.int ?? 0) })
                let error = try run.failure(
                    .architecturePredict,
                    predict(#""folder": {"dataset": "cells"}, "maxBadImages": 0.01"#),
                    given,
                )
                #expect(error.code == "bad_data" && "\(error)".contains(cells.search[1]))
            }
        }

        @Test func `an evaluation has the figures that the training ended with, and intervals`()
            throws
        {
            try withCells { _, run in
                let trained = try retrained(run)
                let result = try run.run(
                    .architectureEvaluate,
                    #"{"checkpoint": "ckpt_given", "list": \#(Small.list("search")), "resamples": 20}"#,
                    given(try #require(trained.checkpoint)),
                )
                let expected = try #require(trained.metrics["detection"])
                #expect(result.metrics["stats"] == expected["stats"])
                #expect(result.metrics["stats"]?.object?.count == 12)
                for (figure, interval) in result.metrics["intervals95"]?.object ?? [:] {
                    let ends = (interval.array ?? []).compactMap(\.double)
                    #expect(ends.count == 2 && ends[0] <= ends[1], "\(figure)")
                }
                #expect(result.metrics["intervals95"]?["AP"] != nil)
                #expect(result.files.map(\.name) == ["detections.json"])
                #expect(run.events.data(of: "evaluation").last?["stats"] == expected["stats"])
                #expect(result.metrics["voc"] == nil)
            }
        }

        @Test func `of VOC's images an evaluation has VOC's average precision too`() throws {
            try withCells { _, run in
                func list(_ name: String) -> String {
                    #"{"dataset": "det_voc100", "annotations": "VOC2012/ImageSets/Main/\#(name).txt"}"#
                }
                let trained = try run.run(
                    .subnetRetrain,
                    """
                    {"architecture": {"space": \(Small.space), "genome": "0,1,2,3,0,1"},
                     "detection": {"train": \(list("train")), "validation": \(list("val")),
                       \(Self.detector), \(Small.training())}}
                    """,
                )
                let result = try run.run(
                    .architectureEvaluate,
                    #"{"checkpoint": "ckpt_given", "list": \#(list("val")), "batch": 4, "resamples": 0}"#,
                    given(try #require(trained.checkpoint)),
                )
                #expect(result.metrics["voc"]?["perClass"]?.array?.count == 20)
                #expect(result.metrics["voc"] == trained.metrics["detection"]?["voc"])
                #expect(result.metrics["intervals95"] == [:])
            }
        }

        @Test(arguments: [Self.detector, Small.twoStage])
        func `a path of a supernet is measured as the search measures it`(detector: String) throws {
            try withCells { cells, run in
                let checkpoint = try supernet(run, detector)
                let searched = try run.run(
                    .searchEvolution,
                    Small.search(more: #""strategy": "random","#),
                    given(checkpoint),
                )
                let best = try #require(searched.metrics["top"]?.array?.first)
                let result = try run.run(
                    .architectureEvaluate,
                    """
                    {"checkpoint": "ckpt_given", "architecture": "\(best["genome"]?.string ?? "")",
                     "train": \(Small.list("train")), "recalibrationImages": 6, "list": \(Small.list("search"))}
                    """,
                    given(checkpoint),
                )
                #expect(result.metrics["map"] == best["map"])
                #expect(result.metrics["map50"] == best["map50"])
                #expect(result.metrics["intervals95"]?["AP"] == best["interval95"]?["map"])
            }
        }

        @Test func `images that set the statistics are not measured on, whatever list names them`()
            throws
        {
            try withCells { cells, run in
                let given = given(try supernet(run))
                try FileManager.default.copyItem(at: cells.list("train"), to: cells.list("again"))
                let error = try run.failure(
                    .architectureEvaluate,
                    #"{"checkpoint": "ckpt_given", \#(Self.path), "list": \#(Small.list("again"))}"#,
                    given,
                )
                #expect("\(error)".contains("list and train share 12 images, among them"))
            }
        }

        @Test func `a supernet without a path, and a path that it lacks, are refused`() throws {
            try withCells { cells, run in
                let given = given(try supernet(run))
                let folder = #""folder": {"dataset": "cells"}"#
                let none = try run.failure(.architecturePredict, predict(folder), given)
                #expect(none.code == "bad_checkpoint")
                #expect("\(none)".contains("is a detector-supernet: it needs an architecture"))
                let long = try run.failure(
                    .architecturePredict,
                    predict("\(Self.path.replacing("0,1,2", with: "0,1,2,2")), \(folder)"),
                    given,
                )
                #expect("\(long)".contains("tiny, which has no path 0,1,2,2,3,0,1"))
            }
        }

        @Test func `a detector is the one architecture that it is, for the classes that it has`()
            throws
        {
            try withCells { cells, run in
                let given = given(try #require(try retrained(run).checkpoint))
                let other = try run.failure(
                    .architecturePredict,
                    predict(
                        #"\#(Self.path.replacing("0,1,2", with: "1,1,2")), "folder": {"dataset": "cells"}"#
                    ),
                    given,
                )
                #expect(
                    "\(other)".contains("is the architecture 0,1,2,3,0,1; asked for is 1,1,2,3,0,1")
                )
                let classes = try run.failure(
                    .architecturePredict,
                    predict(#""list": \#(Small.list("instances_val", dataset: "det_coco128"))"#),
                    given,
                )
                #expect("\(classes)".contains("was trained for the classes"))
                let empty = cells.root.appending(path: "cells/none")
                try FileManager.default.createDirectory(
                    at: empty,
                    withIntermediateDirectories: true,
                )
                let none = try run.failure(
                    .architecturePredict,
                    predict(#""folder": {"dataset": "cells", "path": "none"}"#),
                    given,
                )
                #expect("\(none)".contains("has no pictures"))
            }
        }
    }
}
