// `detnas predict CKPT.safetensors PICTURES...`: what a detector finds, without a daemon.

import Annotations
import ArgumentParser
import Configs
import Foundation
import Pipelines

struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what a detector finds in images.",
        discussion: """
            Draws boxes, classes and scores on pictures, and writes every detection as a COCO list of results. An \
            input is a picture, a folder of pictures, or one or more lists of images with boxes (COCO json, or .txt of \
            a VOC tree), whose boxes --ground-truth draws too. A detector supernet needs --architecture and --train: \
            the batch-norm statistics of the path are taken from training images, exactly.
            """,
    )

    @Argument(
        help: "A checkpoint of kind detector or detector-supernet.",
        completion: .file(),
    )
    var checkpoint: String

    @Argument(help: "Pictures, folders of pictures, or lists of images with boxes.")
    var inputs: [String]

    @Option(name: .shortAndLong, help: "The folder for results; it is made where there is none.")
    var output = "predictions"

    @Option(help: "The path of a supernet, such as 2,1,0,3.")
    var architecture: String?

    @Option(help: "A list of training images, for a supernet; may be repeated.")
    var train: [String] = []

    @Option(help: "The folder of the training images, as --images of the inputs.")
    var trainImages: [String] = []

    @OptionGroup var lists: ListOptions

    @Option(help: "Training images that set the statistics.")
    var recalibrationImages = 500

    @Option(help: "Detections below this score, 0-1, are neither counted nor drawn.")
    var score = 0.3

    @Option(help: "jpeg, png, or none for no pictures.")
    var pictures: PictureChoice = .jpeg

    @Option(help: "How many pictures are drawn at most.")
    var most: Int?

    @Option(help: "Width of the lines, pixels (default: by the size of the picture).")
    var lineWidth: Int?

    @Flag(help: "Draws the boxes of the lists too, dashed.")
    var groundTruth = false

    @Option(help: "How many images are looked at together.")
    var batch = 8

    @Option(help: "How many cores to use.")
    var cores = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "cpu, cuda, cuda:N or auto.")
    var device = "cpu"

    enum PictureChoice: String, ExpressibleByArgument, CaseIterable {
        case jpeg, png, none
    }

    func validate() throws {
        guard (0...1).contains(score) else {
            throw ValidationError("--score is \(score), allowed: 0 to 1")
        }
        for (name, value) in [
            ("--batch", batch), ("--cores", cores), ("--most", most ?? 1),
            ("--line-width", lineWidth ?? 1), ("--recalibration-images", recalibrationImages),
        ] where value < 1 {
            throw ValidationError("\(name) is \(value), allowed: >= 1")
        }
        guard (architecture == nil) == train.isEmpty else {
            throw ValidationError("--architecture and --train go together, for a supernet")
        }
    }

    func run() throws {
        let source = try source()
        var drawing: PredictConfig.Pictures?
        if pictures != .none {
            drawing = PredictConfig.Pictures()
            drawing?.format = pictures == .png ? .png : .jpeg
            drawing?.most = most ?? .max
            drawing?.lineWidth = lineWidth
            drawing?.groundTruth = groundTruth
        }
        let context = try FolderRun(
            folder: URL(filePath: output),
            seed: 0,
            cores: Array(0..<cores),
            device: device,
            datasetRoots: [],
            report: tell,
        )
        var choice = DetectorChoice(checkpoint: try CheckpointFile(URL(filePath: checkpoint)))
        choice.path = architecture.map { .letters($0) }
        choice.train = try trainLists()
        choice.recalibrationImages = recalibrationImages
        choice.batch = batch
        let result = try Prediction(
            choice,
            on: source,
            scoreThreshold: score,
            pictures: drawing,
            context,
        ).run()
        report(result)
    }

    private func source() throws -> Prediction.Source {
        var files: [URL] = []
        var named: [String] = []
        for path in inputs {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                throw ValidationError("\(path): there is no such file or folder")
            }
            let url = URL(filePath: path)
            if isFolder.boolValue {
                if inputs.count == 1 { return .folder(url) }
                files += try PictureFiles.all(in: url)
            } else if ["json", "txt"].contains(url.pathExtension.lowercased()) {
                named.append(path)
            } else {
                files.append(url)
            }
        }
        guard named.isEmpty || files.isEmpty else {
            throw ValidationError(
                "\(named[0]) is a list, \(files[0].path) a picture; allowed: lists alone, or pictures"
            )
        }
        guard !groundTruth || !named.isEmpty else {
            throw ValidationError("--ground-truth needs a list: pictures alone have no boxes")
        }
        if named.isEmpty { return .files(files) }
        return .lists(
            FoundLists(name: named.joined(separator: ", "), lists: try lists.lists(named))
        )
    }

    private func trainLists() throws -> FoundLists? {
        guard !train.isEmpty else { return nil }
        var options = ListOptions()
        options.images = trainImages
        return FoundLists(
            name: train.joined(separator: ", "),
            lists: try options.lists(train),
        )
    }

    /// Warnings as they come, on stderr.
    private var tell: @Sendable (String, JSONValue) -> Void {
        { type, data in
            guard type == "warning" else { return }
            let images = (data["images"]?.array ?? []).compactMap(\.string)
            let line =
                "warning: \(images.joined(separator: ", "))\(images.isEmpty ? "" : " ")"
                + (data["message"]?.string ?? "")
            FileHandle.standardError.write(Data("\(line)\n".utf8))
        }
    }

    private func report(_ result: RunResult) {
        let metrics = result.metrics
        func count(_ name: String) -> Int { metrics[name]?.int ?? 0 }
        print(
            "\(count("images")) images (\(count("skipped")) skipped), "
                + "\(count("detections")) detections of score \(score) or more"
        )
        for row in metrics["perClass"]?.array ?? [] where row["detections"] != 0 {
            let name = row["class"]?.string ?? ""
            print(
                name.padding(toLength: max(22, name.count + 1), withPad: " ", startingAt: 0)
                    + "\(row["detections"]?.int ?? 0) in \(row["images"]?.int ?? 0) images"
            )
        }
        let lists = result.files.filter { $0.name.hasSuffix(".json") }.map(\.name)
        print(
            "\(output): \(lists.joined(separator: ", ")) and \(count("pictures")) pictures"
        )
    }
}
