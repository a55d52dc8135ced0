// Exported files in onnxruntime, on real images, with weights that a few steps of training made.

import Configs
import Datasets
import Foundation
import SearchSpaces
import TestSupport
import Testing
import Torch

@testable import Exchange
@testable import NN
@testable import Pipelines

/// A Python with onnx, onnxruntime, safetensors and numpy, for people and machines that have one.
private let python = ProcessInfo.processInfo.environment["DETNAS_ONNX_PYTHON"]

@Suite(
    .serialized,
    .enabled(if: python != nil, "needs DETNAS_ONNX_PYTHON, a Python with onnxruntime"),
    .enabled(if: SharedData.isPresent, "needs the shared data folder"),
)
struct ONNXRuntimeTests {
    private let folder = FileManager.default.temporaryDirectory
        .appending(path: "onnxruntime-\(UUID())")

    init() throws {
        try TorchLibrary.setThreads(1)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    struct Case {
        let space: SearchSpace
        let genome: String
        let shuffle: ShuffleMethod
        let config: RetinaNetConfig
        let steps: Int

        static let all = [
            Case(
                space: .small.with(stemBias: true),
                genome: "0,1,3,3,2,2",
                shuffle: .one,
                config: .small,
                steps: 40,
            ),
            Case(
                space: .small.with(block: .mmrazor),
                genome: "0,1,3,3,2,2",
                shuffle: .two,
                config: .tall,
                steps: 40,
            ),
            Case(
                space: .small,
                genome: "0,1,3,3,2,2",
                shuffle: .one,
                config: .grouped,
                steps: 40,
            ),
            // The published network for RetinaNet, with the head of the paper's size.
            Case(
                space: SearchSpace.named["detnas-300m"] ?? .small,
                genome: "2,3,1,1,3,2,1,3,3,1,1,1,3,3,2,0,3,3,3,3",
                shuffle: .two,
                config: RetinaNetConfig(),
                steps: 12,
            ),
        ]
    }

    @Test(arguments: Case.all)
    func `exported files agree with our forward on real images`(_ given: Case) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let checkpoint = try train(given)
        let file = try CheckpointFile(checkpoint)
        let detector = try SmallDetector(
            given.space,
            genome: Genome(parsing: given.genome, in: given.space),
            shuffle: given.shuffle,
            config: given.config,
            classes: file.metadata.classes,
            seed: nil,
        )
        try detector.network.parameters.load(from: file)
        let images = try images()
        let size = (height: images.shape[2], width: images.shape[3])

        let stages = try detector.stages(images).enumerated().map { ("c\($0 + 2)", $1) }
        try compare(checkpoint, .backbone, nil, images, stages)
        let expected = try detector.everyAnchor(images)
        let anchors = expected.boxes.count / (4 * images.shape[0])
        try compare(
            checkpoint,
            .detector,
            size,
            images,
            [
                ("boxes", Tensor(expected.boxes, shape: [images.shape[0], anchors, 4])),
                (
                    "scores",
                    Tensor(expected.scores, shape: [images.shape[0], anchors, 3]),
                ),
            ],
        )
    }

    /// A checkpoint of some steps on the cells, after which scores are no longer all the same.
    private func train(_ given: Case) throws -> URL {
        let space = String(decoding: try JSONEncoder().encode(given.space), as: UTF8.self)
        let spec = """
            {"architecture": {"genome": "\(given.genome)", "space": \(space)},
             "shuffle": \(given.shuffle.rawValue),
             "detection": {
               "train": {"dataset": "det_bccd", "annotations": "annotations/instances_train.json"},
               "detector": \(DetectorConfig.retinaNet(given.config).json.canonical),
               "image": {"shortSide": 96, "longSide": 128},
               "training": {"steps": \(given.steps), "batch": 4,
                 "optimizer": {"kind": "adamw", "learningRate": 0.003}}}}
            """
        let run = try FolderRun(
            folder: folder,
            seed: 7,
            cores: [0],
            datasetRoots: [SharedData.url("")],
        )
        let resolved = JobSpec.resolve(kind: .subnetRetrain, try JSONValue(parsing: spec))
        let result = try Pipeline.run(resolved.get(), RunInputs(), run)
        return try #require(result.checkpoint?.url)
    }

    /// Three cell images, three photographs with many objects, all at 96 x 128 pixels.
    private func images() throws -> Tensor {
        let size = ImageSize(height: 96, width: 128)
        var pixels: [Float] = []
        for set in ["det_bccd", "det_coco128"] {
            let root = SharedData.url("\(set)/images")
            let names = try FileManager.default.contentsOfDirectory(atPath: root.path).sorted()
            for name in names.prefix(3) {
                let image = try Image(path: root.appending(path: name).path).resized(to: size)
                for channel in 0..<3 {
                    let (mean, deviation) = (Pixels().mean[channel], Pixels().std[channel])
                    pixels += stride(from: channel, to: image.pixels.count, by: 3).map {
                        Float((Double(image.pixels[$0]) - mean) / deviation)
                    }
                }
            }
        }
        return try Tensor(pixels, shape: [6, 3, 96, 128]).channelsLast()
    }

    private func compare(
        _ checkpoint: URL,
        _ part: ONNXExport.Part,
        _ size: (height: Int, width: Int)?,
        _ images: Tensor,
        _ expected: [(String, Tensor)],
    ) throws {
        let model = folder.appending(path: "\(part.rawValue).onnx")
        _ = try ONNXExport(part: part, size: size, version: "1").run(checkpoint, to: model)
        let stored = folder.appending(path: "\(part.rawValue).safetensors")
        _ = try SafeTensorsWriter.write(
            to: stored,
            tensors: ([("images", images)] + expected).map { name, tensor in
                TensorSource(name: name, type: .float32, shape: tensor.shape) { take in
                    try tensor.floats().withUnsafeBytes(take)
                }
            },
        )
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures/compare_onnx.py")
        let process = Process()
        process.executableURL = URL(filePath: try #require(python))
        process.arguments = [script.path, model.path, stored.path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let answer = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        let report = try JSONDecoder().decode([String: [Double]].self, from: answer)
        #expect(Set(report.keys) == Set(expected.map(\.0)))
        for (name, numbers) in report.sorted(by: { $0.key < $1.key }) {
            print(
                "onnxruntime, \(part.rawValue), \(name): off by \(numbers[0]), largest value \(numbers[1])"
            )
            #expect(numbers[0] <= 1e-4 * max(1, numbers[1]), "\(name)")
        }
    }
}
