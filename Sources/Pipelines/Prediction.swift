// What a detector finds in images: COCO's list of results, counts, and pictures for a human to look at.

import Annotations
package import Configs
import Datasets
package import Foundation
import SearchSpaces
import Torch

package struct Prediction {
    /// Which images are looked at.
    package enum Source: Sendable {
        case lists(FoundLists)
        /// Every picture of a folder.
        case folder(URL)
        case files([URL])
    }

    private let context: any RunContext
    private let choice: DetectorChoice
    private let source: Source
    private let scoreThreshold: Double
    private let pictures: PredictConfig.Pictures?

    package init(
        _ choice: DetectorChoice,
        on source: Source,
        scoreThreshold: Double,
        pictures: PredictConfig.Pictures?,
        _ context: any RunContext,
    ) {
        self.choice = choice
        self.source = source
        self.scoreThreshold = scoreThreshold
        self.pictures = pictures
        self.context = context
    }

    init(_ config: PredictConfig, _ inputs: RunInputs, _ context: any RunContext) throws {
        let source: Source
        if let list = config.list {
            source = .lists(try context.lists(list))
        } else if let folder = config.folder {
            let root = try context.folder(ofDataset: folder.dataset)
            source = .folder(folder.path == "." ? root : root.appending(path: folder.path))
        } else {
            throw RunError.badData("there are no images to look at")
        }
        self.init(
            DetectorChoice(
                checkpoint: try inputs.checkpointFile(),
                path: try .init(config.architecture, inputs),
                train: try config.train.map(context.lists),
                recalibrationImages: config.recalibrationImages,
                batch: config.batch,
                maxBroken: config.maxBadImages,
            ),
            on: source,
            scoreThreshold: config.scoreThreshold,
            pictures: config.pictures,
            context,
        )
    }

    /// Leaves `detections.json`, for a folder also `images.json`, which its numbers refer to, and the pictures.
    package func run() throws -> RunResult {
        try TorchLibrary.setThreads(max(1, context.cores.count))
        try TorchLibrary.flushDenormals()
        let detector = try TrainedDetector(context, choice)
        let (dataset, set) = try images(detector)
        try detector.requireClasses(of: set)
        var result = RunResult()
        var counts = [Count](repeating: Count(), count: detector.classes.count)
        var detections: [Detection] = []
        var seen: [CocoImage] = []
        try detector.detect(in: set) { findings in
            for finding in findings {
                let found = finding.boxes.map {
                    Detection($0, in: finding.target, categoryIDs: set.categoryIDs)
                }
                detections += found
                let shown = zip(finding.boxes, found).filter { $1.score >= scoreThreshold }
                for box in shown { counts[box.0.label].detections += 1 }
                for label in Set(shown.map(\.0.label)) { counts[label].images += 1 }
                seen.append(CocoImage(finding.target))
                guard let pictures, result.files.count < pictures.most else { continue }
                result.files += try draw(
                    finding.target,
                    shown.map { ($0.label, $1) },
                    detector.classes,
                    dataset,
                    set,
                    pictures,
                )
            }
        }
        let pictureCount = result.files.count
        result.files.insert(
            try context.keep("detections.json") { try Detection.write(detections, to: $0) },
            at: 0,
        )
        if case .lists = source {
        } else {
            let described = CocoDataset(
                images: seen,
                categories: dataset.categories,
                annotations: [],
            )
            result.files.insert(
                try context.keep("images.json") { try described.write(to: $0) },
                at: 1,
            )
        }
        result.metrics = [
            "genome": .string(detector.genome.description), "images": .int(Int64(seen.count)),
            "skipped": .int(Int64(set.items.count - seen.count)),
            "pictures": .int(Int64(pictureCount)),
            "scoreThreshold": .double(scoreThreshold),
            "detections": .int(Int64(counts.reduce(0) { $0 + $1.detections })),
            "perClass": .array(
                zip(detector.classes, counts).map { name, count in
                    [
                        "class": .string(name), "detections": .int(Int64(count.detections)),
                        "images": .int(Int64(count.images)),
                    ]
                }
            ),
        ]
        return result
    }

    /// What was found of one class.
    private struct Count {
        var detections = 0
        var images = 0
    }

    // MARK: Images

    private func images(_ detector: TrainedDetector) throws -> (CocoDataset, DetectionSet) {
        switch source {
        case .lists(let lists):
            let data = try DetectionData(
                context,
                lists,
                for: .evaluation,
                classes: detector.classes,
            )
            return (data.dataset, data.set)
        case .folder(let folder):
            return try images(PictureFiles.names(in: folder), below: folder, detector.classes)
        case .files(let files):
            let (root, names) = PictureFiles.named(files)
            return try images(names, below: root, detector.classes)
        }
    }

    /// Images without annotations, numbered from 1, and the network's classes, numbered so too.
    private func images(
        _ names: [String],
        below root: URL,
        _ classes: [String],
    ) throws -> (CocoDataset, DetectionSet) {
        let dataset = CocoDataset(
            images: names.enumerated().map {
                CocoImage(id: Int64($0 + 1), fileName: $1, width: 0, height: 0)
            },
            categories: classes.enumerated().map { CocoCategory(id: Int64($0 + 1), name: $1) },
            annotations: [],
        )
        do throws(DatasetError) {
            return (
                dataset,
                try DetectionSet(dataset: dataset, imageRoot: root, purpose: .evaluation),
            )
        } catch {
            throw RunError.badData("\(error)")
        }
    }

    // MARK: Pictures

    /// - Returns: one file, or none where the picture cannot be read once more in full.
    private func draw(
        _ target: DetectionTarget,
        _ found: [(label: Int, detection: Detection)],
        _ classes: [String],
        _ dataset: CocoDataset,
        _ set: DetectionSet,
        _ pictures: PredictConfig.Pictures,
    ) throws -> [StoredFile] {
        let picture: Image
        do throws(ImageError) {
            picture = try set.picture(ofImage: target.imageID, target.fileName)
        } catch {
            context.warnOfBroken(error)
            return []
        }
        var marks: [BoxMark] = []
        if pictures.groundTruth {
            marks += dataset.annotations(ofImage: target.imageID).map {
                BoxMark(
                    box: $0.box,
                    name: dataset.category(id: $0.categoryID)?.name ?? "?",
                    style: .truth,
                )
            }
        }
        marks += found.map {
            BoxMark(
                box: $0.detection.box,
                name: classes[$0.label],
                score: $0.detection.score,
                style: .found(label: $0.label),
            )
        }
        let image = picture.marked(marks, MarkSettings(lineWidth: pictures.lineWidth))
        let bytes: [UInt8] =
            switch pictures.format {
            case .png: try image.png()
            case .jpeg: try image.jpeg(quality: 90, fullColour: true)
            }
        let name = PictureFiles.name(
            dataset.imageIndex(id: target.imageID) ?? 0,
            target.fileName,
            pictures.format == .png ? "png" : "jpg",
        )
        return [try context.keep(name) { try Data(bytes).write(to: $0) }]
    }
}

/// Names of pictures, read and made.
package enum PictureFiles {
    private static let endings: Set = ["jpg", "jpeg", "png"]

    /// The pictures of a folder, by name; hidden ones are passed over.
    static func names(in folder: URL) throws -> [String] {
        let all: [String]
        do {
            all = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        } catch {
            throw RunError.badData("\(folder.path) cannot be listed as a folder of pictures")
        }
        let names = all.filter {
            !$0.hasPrefix(".") && endings.contains(($0 as NSString).pathExtension.lowercased())
        }
        guard !names.isEmpty else {
            throw RunError.badData("\(folder.path) has no pictures (.jpg, .jpeg or .png)")
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The same as whole paths.
    package static func all(in folder: URL) throws -> [URL] {
        try names(in: folder).map { folder.appending(path: $0) }
    }

    /// The deepest folder that holds all of `files`, and their paths below it.
    static func named(_ files: [URL]) -> (root: URL, names: [String]) {
        let paths = files.map(\.standardizedFileURL.pathComponents)
        var common: ArraySlice<String> = paths.first?.dropLast() ?? []
        for path in paths.dropFirst() {
            let same = zip(common, path.dropLast()).prefix { $0 == $1 }.count
            common = common.prefix(same)
        }
        return (
            URL(filePath: NSString.path(withComponents: Array(common))),
            paths.map { $0.dropFirst(common.count).joined(separator: "/") },
        )
    }

    /// The name of a drawn picture, which tells the original's.
    static func name(_ index: Int, _ original: String, _ ending: String) -> String {
        let stem = ((original as NSString).lastPathComponent as NSString).deletingPathExtension
        let plain = stem.unicodeScalars.prefix(100).map { scalar -> Character in
            let isPlain =
                scalar.isASCII && (Character(scalar).isLetter || Character(scalar).isNumber)
            return isPlain || scalar == "-" || scalar == "_" ? Character(scalar) : "_"
        }
        return "\(String(format: "%06d", index + 1))-\(String(plain)).\(ending)"
    }
}

extension CocoImage {
    fileprivate init(_ target: DetectionTarget) {
        self.init(
            id: target.imageID,
            fileName: target.fileName,
            width: target.originalSize.width,
            height: target.originalSize.height,
        )
    }
}

extension RunInputs {
    func checkpointFile() throws -> CheckpointFile {
        guard let checkpoint else {
            throw RunError.badCheckpoint("the run was given no checkpoint")
        }
        return try CheckpointFile(checkpoint)
    }
}
