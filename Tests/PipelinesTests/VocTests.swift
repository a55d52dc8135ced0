// Runs on VOC trees: the same as on COCO json, and VOC's average precision beside COCO's figures.

import Configs
import Foundation
import Pipelines
import TestSupport
import Testing

extension CellSet {
    /// Writes the two lists as a VOC tree beside them, its images those of `images`; `difficult` marks
    /// every n-th object.
    func writeTree(difficultEvery step: Int = 0) throws {
        let tree = root.appending(path: "cells/VOC2012")
        for part in ["Annotations", "ImageSets/Main"] {
            try FileManager.default.createDirectory(
                at: tree.appending(path: part),
                withIntermediateDirectories: true,
            )
        }
        for name in ["train", "search"] {
            let json = try JSONSerialization.jsonObject(with: Data(contentsOf: list(name)))
            let object = try #require(json as? [String: Any])
            let images = try #require(object["images"] as? [[String: Any]])
            let annotations = try #require(object["annotations"] as? [[String: Any]])
            let classes = ["RBC", "WBC", "Platelets"]
            var stems: [String] = []
            for image in images {
                let file = try #require(image["file_name"] as? String)
                let stem = (file as NSString).deletingPathExtension
                let objects = annotations.filter {
                    $0["image_id"] as? Int == image["id"] as? Int
                }.enumerated().map { index, annotation in
                    let box = (annotation["bbox"] as? [NSNumber] ?? []).map(\.doubleValue)
                    let kind = annotation["category_id"] as? Int ?? 1
                    let isDifficult = step > 0 && index % step == 0
                    return """
                        <object><name>\(classes[kind - 1])</name>
                        <difficult>\(isDifficult ? 1 : 0)</difficult>
                        <bndbox><xmin>\(box[0] + 1)</xmin><ymin>\(box[1] + 1)</ymin>
                        <xmax>\(box[0] + box[2])</xmax><ymax>\(box[1] + box[3])</ymax></bndbox>
                        </object>
                        """
                }
                let xml = """
                    <annotation><filename>\(file)</filename><size><width>640</width>
                    <height>480</height></size>\(objects.joined())</annotation>
                    """
                try Data(xml.utf8).write(to: tree.appending(path: "Annotations/\(stem).xml"))
                stems.append(stem)
            }
            try Data(stems.joined(separator: "\n").utf8).write(
                to: tree.appending(path: "ImageSets/Main/\(name).txt")
            )
        }
    }
}

extension Small {
    static func voc(_ name: String) -> String {
        """
        {"dataset": "cells", "annotations": "VOC2012/ImageSets/Main/\(name).txt", "images": "images"}
        """
    }
}

extension Runs {
    struct Voc {
        private let evaluation = #"{"paths": 2, "recalibrationImages": 4}"#

        @Test func `a VOC tree trains to the same bytes as its json, but for classes and digest`()
            throws
        {
            try withCells { cells, run in
                try cells.writeTree()
                // Classes by their bytes, as a tree without VOC's own has them.
                for list in ["train", "search"] {
                    try cells.edit(list) { object in
                        let names = ["Platelets", "RBC", "WBC"]
                        let from = [1: 2, 2: 3, 3: 1]
                        object["categories"] = names.enumerated().map {
                            ["id": $0.offset + 1, "name": $0.element] as [String: Any]
                        }
                        object["annotations"] = (object["annotations"] as? [[String: Any]])?.map {
                            $0.merging(
                                ["category_id": from[$0["category_id"] as? Int ?? 1] ?? 1]
                            ) { $1 }
                        }
                    }
                }
                let other = try RecordedRun(cells)
                let json = try run.run(
                    .detectorFinetune,
                    Small.finetune(validation: Small.list("search"), evaluation: evaluation),
                )
                let voc = try other.run(
                    .detectorFinetune,
                    Small.finetune(
                        train: Small.voc("train"),
                        validation: Small.voc("search"),
                        evaluation: evaluation,
                    ),
                )
                func losses(_ run: RecordedRun) -> [JSONValue?] {
                    run.events.data(of: "metric").map { $0["loss"] }
                }
                #expect(losses(run) == losses(other) && losses(run).count == 4)
                #expect(json.metrics["stats"] == voc.metrics["stats"])
                #expect(json.metrics["voc"] == nil)
                let figures = try #require(voc.metrics["voc"])
                for name in ["map11", "map"] {
                    let value = try #require(figures[name]?.double)
                    #expect((0...1).contains(value))
                }
                let classes = try #require(figures["perClass"]?.array)
                #expect(classes.map { $0["class"] } == ["Platelets", "RBC", "WBC"])
                #expect(classes.allSatisfy { $0["ap11"] != nil && $0["ap"] != nil })
                let events = other.events.data(of: "evaluation")
                #expect(events.count == 1 && events[0]["voc"] == figures)
            }
        }

        @Test func `difficult objects are neither learnt nor counted by VOC's figures`() throws {
            try withCells { cells, run in
                try cells.writeTree(difficultEvery: 2)
                let result = try run.run(
                    .detectorFinetune,
                    Small.finetune(
                        train: Small.voc("train"),
                        validation: Small.voc("search"),
                        training: Small.training(steps: 1),
                        evaluation: evaluation,
                    ),
                )
                let object = try JSONSerialization.jsonObject(
                    with: Data(contentsOf: cells.list("search"))
                )
                let json = try #require(object as? [String: [[String: Any]]])
                let counts = Dictionary(grouping: try #require(json["annotations"])) {
                    $0["image_id"] as? Int ?? 0
                }.values.map { $0.count / 2 }
                let judged = try #require(result.metrics["voc"]?["perClass"]?.array)
                    .compactMap { $0["objects"]?.int }
                #expect(judged.reduce(0, +) == counts.reduce(0, +))
            }
        }

        @Test func `lists that lack a class follow the training's classes, in a search too`() throws
        {
            try withCells { cells, run in
                try cells.edit("search") { object in
                    let all = try #require(object["annotations"] as? [[String: Any]])
                    object["annotations"] = all.filter { $0["category_id"] as? Int == 1 }
                }
                try cells.writeTree()
                let made = try run.run(
                    .detectorFinetune,
                    Small.finetune(
                        train: Small.voc("train"),
                        validation: Small.voc("search"),
                        training: Small.training(steps: 1),
                        evaluation: evaluation,
                    ),
                )
                let classes = try #require(made.metrics["voc"]?["perClass"]?.array)
                #expect(classes.map { $0["class"] } == ["Platelets", "RBC", "WBC"])
                #expect(classes.map { $0["ap"]?.double == -1 } == [true, false, true])
                let found = try RecordedRun(cells).run(
                    .searchEvolution,
                    Small.search(train: Small.voc("train"), search: Small.voc("search")),
                    given(try #require(run.checkpoints.last)),
                )
                #expect(found.architectures.count == 2)
            }
        }

        @Test func `two lists train as one set, and an image in both is refused by name`() throws {
            try withCells { cells, run in
                try cells.writeTree()
                let joined = """
                    {"dataset": "cells", "annotations": ["VOC2012/ImageSets/Main/train.txt",
                      "annotations/search.json"], "images": "images"}
                    """
                try run.run(
                    .detectorFinetune,
                    Small.finetune(train: joined, training: Small.training(steps: 4)),
                )
                #expect(run.events.data(of: "metric").count == 4)
                #expect(
                    run.events.warnings("annotation").allSatisfy { $0.message.contains("id is") }
                )
                let error = try RecordedRun(cells).failure(
                    .detectorFinetune,
                    Small.finetune(train: joined.replacing("search.json", with: "train.json")),
                )
                #expect(
                    error.code == "bad_data" && "\(error)".contains(cells.train[0]),
                    "\(error)",
                )
            }
        }

        @Test func `an image is the same in a VOC list and a json, whatever their folders`() throws
        {
            try withCells { cells, run in
                try cells.writeTree()
                let copies = cells.root.appending(path: "cells/VOC2012/JPEGImages")
                try FileManager.default.copyItem(
                    at: cells.root.appending(path: "cells/images"),
                    to: copies,
                )
                let validation =
                    #"{"dataset": "cells", "annotations": "VOC2012/ImageSets/Main/train.txt"}"#
                let spec = Small.finetune(validation: validation)
                let error = try run.failure(.detectorFinetune, spec)
                #expect(
                    error.code == "bad_data" && "\(error)".contains("share 12 images"),
                    "\(error)",
                )
                // Other pictures of the same names are other images.
                for name in cells.train {
                    let file = copies.appending(path: name)
                    try (Data(contentsOf: file) + Data([0])).write(to: file)
                }
                try RecordedRun(cells).run(.detectorFinetune, spec)
            }
        }

        @Test func `a validation with other classes is refused with both lists`() throws {
            try withCells { cells, run in
                try cells.edit("search") { object in
                    var categories = try #require(object["categories"] as? [[String: Any]])
                    categories[2]["name"] = "Parasites"
                    object["categories"] = categories
                }
                let error = try run.failure(
                    .detectorFinetune,
                    Small.finetune(validation: Small.list("search")),
                )
                #expect(error.code == "bad_data")
                for names in ["RBC, WBC, Parasites", "RBC, WBC, Platelets"] {
                    #expect("\(error)".contains(names), "\(error)")
                }
            }
        }
    }
}
