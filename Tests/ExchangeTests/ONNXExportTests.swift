import Configs
import Foundation
import SearchSpaces
import SwiftProtobuf
import Testing
import Torch

@testable import Exchange

private func complaint(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch {
        return "\(error)"
    }
}

struct ONNXExportTests {
    private let folder = FileManager.default.temporaryDirectory
    private let checkpoint: URL
    private let target: URL

    init() throws {
        try TorchLibrary.setThreads(1)
        let id = UUID()
        checkpoint = folder.appending(path: "onnx-\(id).safetensors")
        target = folder.appending(path: "onnx-\(id).onnx")
    }

    private func remove() {
        for url in [checkpoint, target] { try? FileManager.default.removeItem(at: url) }
    }

    private func exported(
        _ part: ONNXExport.Part,
        _ size: (height: Int, width: Int)?,
    ) throws -> Onnx_ModelProto {
        let (bytes, outputs) = try ONNXExport(part: part, size: size, version: "1")
            .run(checkpoint, to: target)
        let data = try Data(contentsOf: target)
        #expect(data.count == bytes)
        let model = try Onnx_ModelProto(serializedBytes: data)
        #expect(model.graph.output.map(\.name) == outputs)
        return model
    }

    private func images(_ height: Int, _ width: Int) throws -> Tensor {
        var random = CounterRandom(seed: 5, stream: "images")
        let values = (0..<2 * 3 * height * width).map { _ in Float(random.normal()) }
        return try Tensor(values, shape: [2, 3, height, width]).channelsLast()
    }

    /// The largest difference, as a share of the largest magnitude.
    private func difference(_ found: [Float], _ expected: [Float]) -> Float {
        guard found.count == expected.count else { return .infinity }
        let largest = expected.reduce(0) { max($0, abs($1)) }
        return zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest
    }

    private static let variants: [(ShuffleMethod, BlockVariant, RetinaNetConfig)] = [
        (.one, .official, .small), (.two, .mmrazor, .tall), (.one, .official, .grouped),
    ]

    @Test(arguments: variants)
    func `an exported detector computes what ours computes`(
        shuffle: ShuffleMethod,
        block: BlockVariant,
        config: RetinaNetConfig,
    ) throws {
        defer { remove() }
        let detector = try SmallDetector(
            .small.with(block: block, stemBias: block == .official),
            shuffle: shuffle,
            config: config,
            seed: 3,
        )
        try detector.write(to: checkpoint)
        let images = try images(96, 128)
        let model = try exported(.detector, (96, 128))
        let outputs = try ONNXInterpreter(model: model).run(images)
        let expected = try detector.everyAnchor(images)
        let boxes = try #require(outputs["boxes"])
        let scores = try #require(outputs["scores"])
        #expect(boxes.shape == [2, expected.boxes.count / 8, 4])
        #expect(scores.shape == [2, expected.scores.count / 6, 3])
        #expect(model.graph.output[0].type.tensorType.shape.dim[1].dimValue == boxes.shape[1])
        #expect(try difference(boxes.floats(), expected.boxes) < 1e-5)
        #expect(try difference(scores.floats(), expected.scores) < 1e-5)
        // Scores that differ, so that agreement says something.
        #expect((expected.scores.max() ?? 0) - (expected.scores.min() ?? 0) > 0.3)
    }

    @Test(arguments: variants)
    func `an exported backbone computes what ours computes, at any size`(
        shuffle: ShuffleMethod,
        block: BlockVariant,
        config: RetinaNetConfig,
    ) throws {
        defer { remove() }
        let detector = try SmallDetector(
            .small.with(block: block),
            shuffle: shuffle,
            config: config,
            seed: 4,
        )
        try detector.write(to: checkpoint)
        let free = try exported(.backbone, nil)
        let fixed = try exported(.backbone, (64, 96))
        for (model, height, width) in [(free, 32, 64), (free, 64, 96), (fixed, 64, 96)] {
            let images = try images(height, width)
            let outputs = try ONNXInterpreter(model: model).run(images)
            for (index, stage) in try detector.stages(images).enumerated() {
                let output = try #require(outputs["c\(index + 2)"])
                #expect(output.shape == stage.shape)
                #expect(try difference(output.floats(), stage.floats()) < 1e-5)
            }
        }
        #expect(
            fixed.graph.output.map { $0.type.tensorType.shape.dim.dropFirst().map(\.dimValue) }
                == [[16, 16, 24], [24, 8, 12], [32, 4, 6], [48, 2, 3]]
        )
        #expect(free.graph.input[0].type.tensorType.shape.dim[2].dimParam == "height")
        #expect(free.graph.output[1].type.tensorType.shape.dim[3].dimParam == "width/8")
    }

    @Test func `the file says what it holds, in order, each value once`() throws {
        defer { remove() }
        let detector = try SmallDetector(shuffle: .two, config: .small, seed: 1)
        try detector.write(to: checkpoint)
        let model = try exported(.detector, (64, 64))
        #expect(model.irVersion == 8)
        #expect(model.opsetImport.map(\.version) == [17])
        #expect(model.docString.contains("before thresholds and suppression"))
        let facts = Dictionary(
            uniqueKeysWithValues: model.metadataProps.map { ($0.key, $0.value) }
        )
        #expect(facts["genome"] == "0,1,3,3,2,2")
        #expect(facts["classes"] == #"["a","b","c"]"#)
        #expect(facts["shuffle"] == "2")
        #expect(facts["pixels"]?.contains("123.675") == true)
        var known = Set(model.graph.initializer.map(\.name) + ["images", ""])
        #expect(known.count == model.graph.initializer.count + 2)
        for node in model.graph.node {
            #expect(known.isSuperset(of: node.input), "\(node.name)")
            for output in node.output { #expect(known.insert(output).inserted, "\(output)") }
        }
        let read = Set(model.graph.node.flatMap(\.input))
        #expect(model.graph.initializer.allSatisfy { read.contains($0.name) })
        #expect(!model.graph.node.contains { $0.opType == "BatchNormalization" })
        // Two writes give the same bytes.
        let first = try Data(contentsOf: target)
        _ = try exported(.detector, (64, 64))
        #expect(try Data(contentsOf: target) == first)
    }

    // MARK: What is refused

    @Test func `what cannot be exported is an error that says why`() throws {
        defer { remove() }
        let detector = try SmallDetector(shuffle: .one, config: .small, seed: 1)
        func refusal(_ part: ONNXExport.Part, _ size: (Int, Int)?) -> String {
            complaint { _ = try exported(part, size.map { ($0.0, $0.1) }) }
        }
        try detector.write(to: checkpoint)
        #expect(refusal(.detector, nil).contains("allowed: a height and a width"))
        #expect(
            refusal(.detector, (100, 64)).contains("found 100 pixels; allowed: multiples of 32")
        )
        #expect(refusal(.backbone, (64, 0)).contains("found 0 pixels"))
        try detector.write(to: checkpoint, kind: "detector-supernet")
        #expect(
            refusal(.backbone, nil)
                .contains("kind: found detector-supernet; allowed: subnet, detector")
        )
        try detector.write(to: checkpoint, kind: "subnet")
        #expect(refusal(.detector, (64, 64)).contains("kind: found subnet; allowed: detector"))
        #expect(refusal(.backbone, nil) == "no error")
        try detector.write(to: checkpoint, skipping: "head.scores.bias")
        #expect(
            refusal(.detector, (64, 64))
                .contains("tensor `head.scores.bias`: found nothing; allowed: F32 [12]")
        )
        try detector.write(to: checkpoint, extra: "neck.lateral9.norm.weight")
        #expect(
            refusal(.detector, (64, 64)).contains(
                "tensor `neck.lateral9.norm.weight`: found a part of the network that the export "
                    + "does not know"
            )
        )
        try FileManager.default.removeItem(at: target)
        #expect(refusal(.detector, (64, 64)).contains("lateral9"))
        #expect(!FileManager.default.fileExists(atPath: target.path))
    }

    @Test func `weights beyond 2 GB are refused before they are read`() throws {
        defer { remove() }
        let wide = SearchSpace(
            name: "wide",
            stem: 4,
            stages: [4096, 4096, 4096, 4096].map { .init(width: $0, blocks: 64) },
            block: .mmrazor,
        )
        let layout = NetworkLayout(wide, only: Genome([UInt8](repeating: 0, count: 256)))
        let export = ONNXExport(part: .backbone, size: nil, version: "1")
        let message = complaint { try export.requireRoom(for: layout, file: "wide") }
        #expect(message.contains("an ONNX file holds less than 2 GB"), "\(message)")
    }
}
