// The demo's two data sets as folders: a detection set in COCO's layout, a classification set in
// ImageNet's. Same settings, same bytes.

import Annotations
package import Foundation
import SearchSpaces

/// What `detnas dataset demo` makes.
package struct DemoDataset: Sendable {
    package var seed: UInt64 = 0
    package var classes: [DemoClass]
    /// Both sides of every picture, pixels.
    package var size = 160
    /// How many objects a detection picture has.
    package var objects = 1...3
    package var detection = (train: 600, val: 150)
    /// Pictures in all, as many of each class.
    package var classification = (train: 800, val: 200)
    /// Whether validation shows cut-outs that training shows too; else a quarter is kept for it.
    package var sharesCutouts = false

    package init(classes: [DemoClass]) { self.classes = classes }

    /// How the making went.
    package enum Outcome: Sendable {
        case made
        /// The folder holds this very set already.
        case present
    }

    /// Makes both sets under `target`, which is then a root of the data sets `detection` and
    /// `classification`.
    ///
    /// All is written beside `target` and renamed into place when whole. A folder that holds something
    /// else is not touched.
    ///
    /// - Parameter progress: is called with pictures made and pictures in all.
    package func write(
        to target: URL,
        from sources: DemoSources,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
    ) throws -> Outcome {
        try check()
        let files = FileManager.default
        let target = target.absoluteURL.standardizedFileURL
        if let content = try? files.contentsOfDirectory(atPath: target.path), !content.isEmpty {
            let there = try? String(
                contentsOf: target.appending(path: "demo.json"),
                encoding: .utf8,
            )
            if there == description { return .present }
            throw DatasetError(
                .badTarget,
                there == nil
                    ? "\(target.path) is not empty; choose another folder"
                    : "\(target.path) holds a demo set made with other settings; choose another "
                        + "folder or remove it",
            )
        }
        let parent = target.deletingLastPathComponent()
        try files.createDirectory(at: parent, withIntermediateDirectories: true)
        let aside = parent.appending(
            path: ".\(target.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier)"
        )
        try files.createDirectory(at: aside, withIntermediateDirectories: false)
        defer { try? files.removeItem(at: aside) }

        let total =
            detection.train + detection.val + classification.train + classification.val
        var done = 0
        let step = {
            done += 1
            progress(done, total)
        }
        let backgrounds = try sources.backgrounds(atLeast: 3 * size)
        let cutouts = try classes.map { try sources.cutouts(of: $0) }
        let train = DemoComposer(
            size: size,
            backgrounds: backgrounds.train,
            cutouts: cutouts.map { sharesCutouts ? $0.val + $0.train : $0.train },
            kinds: classes,
        )
        let val = DemoComposer(
            size: size,
            backgrounds: backgrounds.val,
            cutouts: cutouts.map { sharesCutouts ? $0.val + $0.train : $0.val },
            kinds: classes,
        )
        try writeDetection("train", detection.train, train, firstID: 1, aside, step)
        try writeDetection("val", detection.val, val, firstID: 1_000_001, aside, step)
        try writeClassification("train", classification.train, train, aside, step)
        try writeClassification("val", classification.val, val, aside, step)
        try Data(description.utf8).write(to: aside.appending(path: "demo.json"))
        guard rename(aside.path, target.path) == 0 else {
            throw DatasetError(
                .badTarget,
                "\(target.path) cannot be made: \(String(cString: strerror(errno)))",
            )
        }
        return .made
    }

    private func check() throws(DatasetError) {
        guard (64...1024).contains(size) else {
            throw DatasetError(.badOption, "size is \(size); allowed is 64 to 1024 pixels")
        }
        guard objects.lowerBound >= 1, objects.upperBound <= 6 else {
            throw DatasetError(
                .badOption,
                "objects is \(objects.lowerBound)-\(objects.upperBound); allowed is 1 to 6",
            )
        }
        for (name, count) in [("train", detection.train), ("val", detection.val)]
        where !(1...900_000).contains(count) {
            throw DatasetError(.badOption, "\(name) is \(count); allowed is 1 to 900000")
        }
        for (name, count) in [("train", classification.train), ("val", classification.val)]
        where !(classes.count...900_000).contains(count) {
            throw DatasetError(
                .badOption,
                "classification-\(name) is \(count); allowed is \(classes.count) (one of each "
                    + "class) to 900000",
            )
        }
    }

    /// All settings, as they are written to `demo.json`: equal where the sets are.
    private var description: String {
        """
        {
          "format": 1,
          "seed": \(seed),
          "classes": [\(classes.map { "\"\($0.name)\"" }.joined(separator: ", "))],
          "size": \(size),
          "objects": [\(objects.lowerBound), \(objects.upperBound)],
          "detection": {"train": \(detection.train), "val": \(detection.val)},
          "classification": {"train": \(classification.train), "val": \(classification.val)},
          "shared_cutouts": \(sharesCutouts)
        }

        """
    }

    private func writeDetection(
        _ part: String,
        _ count: Int,
        _ composer: DemoComposer,
        firstID: Int64,
        _ root: URL,
        _ step: () -> Void,
    ) throws {
        let images = root.appending(path: "detection/images")
        let annotations = root.appending(path: "detection/annotations")
        for folder in [images, annotations] {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        var entries: [CocoImage] = []
        var boxes: [CocoAnnotation] = []
        for number in 0..<count {
            var random = CounterRandom(
                seed: seed,
                stream: "demo detection \(part)",
                UInt64(number),
            )
            let (image, objects) = composer.scene(self.objects, using: &random)
            let name = "\(part)_\(Self.padded(number + 1)).jpg"
            try Data(image.jpeg(quality: 88)).write(to: images.appending(path: name))
            let id = firstID + Int64(number)
            entries.append(CocoImage(id: id, fileName: name, width: size, height: size))
            for object in objects {
                boxes.append(
                    CocoAnnotation(
                        id: firstID + Int64(boxes.count),
                        imageID: id,
                        categoryID: classes[object.kind].categoryID,
                        box: object.box,
                        area: Double(object.area),
                    )
                )
            }
            step()
        }
        try CocoDataset(
            images: entries,
            categories: classes.map { CocoCategory(id: $0.categoryID, name: $0.name) },
            annotations: boxes,
        ).write(to: annotations.appending(path: "instances_\(part).json"))
    }

    private func writeClassification(
        _ part: String,
        _ count: Int,
        _ composer: DemoComposer,
        _ root: URL,
        _ step: () -> Void,
    ) throws {
        let folders = classes.map { root.appending(path: "classification/\(part)/\($0.name)") }
        for folder in folders {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        for number in 0..<count {
            var random = CounterRandom(
                seed: seed,
                stream: "demo classification \(part)",
                UInt64(number),
            )
            let kind = number % classes.count
            let image = composer.portrait(kind, using: &random)
            try Data(image.jpeg(quality: 88)).write(
                to: folders[kind].appending(path: "\(Self.padded(number + 1)).jpg")
            )
            step()
        }
    }

    private static func padded(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }
}
