// Data that is not as it should be: what can be left out is, and is named; what cannot ends the run.

import Configs
import Foundation
import Pipelines
import SearchSpaces
import TestSupport
import Testing

extension Runs {
    struct BadData {
        // MARK: Photographs

        @Test func `a truncated photograph is skipped and named once`() throws {
            try withCells { cells, run in
                try cells.truncate(cells.train[5])
                try run.run(.detectorFinetune, Small.finetune(training: Small.training(steps: 6)))
                #expect(run.events.warnings("broken_image").map(\.images) == [[cells.train[5]]])
                #expect(run.events.data(of: "metric").count == 6)
            }
        }

        @Test func `more broken photographs than allowed end the run with their names`() throws {
            try withCells { cells, run in
                for name in cells.train.prefix(2) { try cells.truncate(name) }
                let error = try run.failure(
                    .detectorFinetune,
                    Small.finetune(training: Small.training(steps: 50)),
                )
                #expect(error.code == "bad_data")
                for name in cells.train.prefix(2) {
                    #expect("\(error)".contains(name), "\(error)")
                }
                #expect("\(error)".contains("2 of 12"), "\(error)")
            }
        }

        /// One of twelve is allowed, though it is one of the eight that set the statistics.
        @Test func `the share of broken photographs is of the list, not of the few chosen from it`()
            throws
        {
            try withCells { cells, run in
                var random = CounterRandom(seed: run.seed, stream: "recalibration")
                let chosen = random.permutation(cells.train.count).prefix(8)
                try cells.truncate(cells.train[try #require(chosen.first)])
                let result = try run.run(
                    .detectorFinetune,
                    Small.finetune(
                        validation: Small.list("search"),
                        evaluation: #"{"paths": 1, "recalibrationImages": 8}"#,
                    ),
                )
                #expect(result.metrics["map"] != nil)
            }
        }

        @Test func `a truncated picture in a class folder is skipped and named`() throws {
            try withCells { cells, run in
                let classes = cells.root.appending(path: "classes/train")
                var pictures: [URL] = []
                for (number, name) in cells.train.enumerated() {
                    let folder = classes.appending(path: number % 2 == 0 ? "even" : "odd")
                    try FileManager.default.createDirectory(
                        at: folder,
                        withIntermediateDirectories: true,
                    )
                    pictures.append(folder.appending(path: name))
                    try FileManager.default.copyItem(at: cells.image(name), to: pictures[number])
                }
                let data = try Data(contentsOf: pictures[3])
                try data.prefix(data.count / 2).write(to: pictures[3])
                let spec = Small.pretrain(
                    #"{"dataset": "classes", "val": null}"#,
                    training: Small.training(steps: 6),
                )
                try run.run(.supernetPretrain, spec)
                #expect(run.events.warnings("broken_image").map(\.images) == [[cells.train[3]]])

                try Data().write(to: pictures[4])
                let error = try RecordedRun(cells).failure(.supernetPretrain, spec)
                #expect(error.code == "bad_data")
                #expect("\(error)".contains(cells.train[3]) && "\(error)".contains(cells.train[4]))
            }
        }

        // MARK: Annotations

        @Test func `an image without its file is skipped and named`() throws {
            try withCells { cells, run in
                try FileManager.default.removeItem(at: cells.image(cells.train[2]))
                try run.run(.detectorFinetune, Small.finetune(training: Small.training(steps: 6)))
                let warnings = run.events.warnings("broken_image")
                #expect(warnings.allSatisfy { $0.images == [cells.train[2]] } && !warnings.isEmpty)
                #expect(warnings.allSatisfy { $0.message.contains("does not exist") })
            }
        }

        @Test(arguments: [
            (["id": 90_001, "image_id": 777_777], "image_id"),
            (["id": 90_001, "category_id": 555], "category_id"),
        ])
        func `an annotation that points nowhere is left out and named`(
            fields: [String: Int],
            culprit: String,
        ) throws {
            try withCells { cells, run in
                try cells.annotate("train", fields)
                try run.run(.detectorFinetune, Small.finetune(training: Small.training(steps: 1)))
                let warnings = run.events.warnings("annotation")
                let value = try #require(fields[culprit])
                try #require(warnings.count == 1)
                for part in ["90001", culprit, "\(value)"] {
                    #expect(warnings[0].message.contains(part), "\(warnings[0].message)")
                }
            }
        }

        @Test
        func `boxes outside their image, reaching over its edge or without an area are named`()
            throws
        {
            try withCells { cells, run in
                let boxes = [
                    [900, 20, 50, 50], [600, 20, 100, 50], [10, 20, 0, 50], [10, 20, -5, 50],
                ]
                for (number, box) in boxes.enumerated() {
                    try cells.annotate("train", ["id": 90_001 + number, "bbox": box])
                }
                try run.run(.detectorFinetune, Small.finetune(training: Small.training(steps: 3)))
                let warnings = run.events.warnings("annotation").map(\.message)
                #expect(warnings.count == 4)
                for id in 90_001...90_004 {
                    #expect(warnings.contains { $0.contains("\(id)") }, "\(warnings)")
                }
                #expect(warnings.contains { $0.contains("900") && $0.contains("0...640") })
            }
        }

        @Test func `a list whose every annotation points nowhere ends the run`() throws {
            try withCells { cells, run in
                try cells.edit("train") { $0["categories"] = [["id": 99, "name": "none"]] }
                let error = try run.failure(.detectorFinetune, Small.finetune())
                #expect(error.code == "bad_data")
                #expect("\(error)".contains("none of the 12 images"), "\(error)")
                // Twenty by name, and how many more there are.
                #expect(run.events.warnings("annotation").count == 21)
            }
        }

        @Test func `a file name that leads out of the image folder ends the run`() throws {
            try withCells { cells, run in
                try cells.edit("train") { object in
                    var images = try #require(object["images"] as? [[String: Any]])
                    images[1]["file_name"] = "../../secret.jpg"
                    object["images"] = images
                }
                let error = try run.failure(.detectorFinetune, Small.finetune())
                #expect(error.code == "bad_data")
                #expect("\(error)".contains("../../secret.jpg"), "\(error)")
            }
        }

        @Test func `annotations that are no JSON end the run with line and column`() throws {
            try withCells { cells, run in
                try Data("{\"images\": [\n{]".utf8).write(to: cells.list("train"))
                let error = try run.failure(.detectorFinetune, Small.finetune())
                #expect(error.code == "bad_data")
                #expect("\(error)".contains("2:2"), "\(error)")
            }
        }

        // MARK: Sets

        @Test func `a missing data set, list or folder ends the run with its name`() throws {
            try withCells { _, run in
                for (list, name) in [
                    (Small.list("train", dataset: "celery"), "celery"),
                    (Small.list("trein"), "trein.json"),
                ] {
                    let error = try run.failure(.detectorFinetune, Small.finetune(train: list))
                    #expect(error.code == "bad_data")
                    #expect("\(error)".contains(name), "\(error)")
                }
                for (data, name) in [
                    (#"{"dataset": "celery"}"#, "celery"),
                    (#"{"dataset": "cls_caltech10", "train": "trein"}"#, "trein"),
                    (#"{"dataset": "cls_caltech10", "val": "vol"}"#, "vol"),
                ] {
                    let error = try run.failure(.supernetPretrain, Small.pretrain(data))
                    #expect(error.code == "bad_data")
                    #expect("\(error)".contains(name), "\(error)")
                }
            }
        }

        @Test func `training and validation that share an image end the run with its name`() throws
        {
            try withCells { cells, run in
                try FileManager.default.copyItem(at: cells.list("train"), to: cells.list("again"))
                let error = try run.failure(
                    .detectorFinetune,
                    Small.finetune(train: Small.list("train"), validation: Small.list("again")),
                )
                #expect(error.code == "bad_data")
                #expect("\(error)".contains("share 12 images"), "\(error)")
                #expect("\(error)".contains(cells.train[0]), "\(error)")
            }
        }
    }
}
