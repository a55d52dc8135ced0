// One trained architecture as an ONNX file that other programs run: its backbone, or the whole detector.
//
// The detector's outputs are `boxes`, `[n, anchors, 4]` as x1 y1 x2 y2 in pixels of the network's input, not clipped
// to the image, and `scores`, `[n, anchors, classes]`, from 0 to 1: before any threshold and before suppression.

import Configs
package import Foundation
import Pipelines
import SearchSpaces
import SwiftProtobuf

package struct ONNXExport: Sendable {
    package enum Part: String, CaseIterable, Sendable {
        case backbone  // C2 to C5, of strides 4 to 32
        case detector  // boxes and scores
    }

    package var part: Part
    /// Sides of the images in pixels, multiples of 32. A backbone without them takes images of any size.
    package var size: (height: Int, width: Int)?
    /// The version of the program, kept in the file.
    package var version: String

    package init(part: Part, size: (height: Int, width: Int)?, version: String) {
        self.part = part
        self.size = size
        self.version = version
    }

    /// Writes the architecture of the checkpoint `source` to `target`.
    ///
    /// - Returns: the file's bytes and the outputs' names.
    /// - Throws: `ExchangeError` for a supernet, a detector that is no RetinaNet, a size that cannot be, a tensor
    ///   that is missing or that the graph has no place for, and a file that would pass 2 GB.
    package func run(_ source: URL, to target: URL) throws -> (bytes: Int, outputs: [String]) {
        let model = try model(of: source)
        let data: Data = try model.serializedBytes()
        try data.write(to: target, options: .atomic)
        return (data.count, model.graph.output.map(\.name))
    }

    func model(of source: URL) throws -> Onnx_ModelProto {
        let checkpoint = try CheckpointFile(source)
        let file = source.lastPathComponent
        let genome = try genome(of: checkpoint.metadata, file: file)
        guard let shuffle = ShuffleMethod(rawValue: checkpoint.metadata.shuffle) else {
            throw ExchangeError(
                file: file,
                "shuffle",
                found: "method \(checkpoint.metadata.shuffle)",
                allowed: "1, 2",
            )
        }
        for side in [size?.height, size?.width].compactMap(\.self)
        where side <= 0 || side % 32 != 0 || side > SearchSpace.Bounds.imageSide.upperBound {
            throw ExchangeError(
                file: file,
                "size",
                found: "\(side) pixels",
                allowed: "multiples of 32 up to \(SearchSpace.Bounds.imageSide.upperBound)",
            )
        }
        let metadata = checkpoint.metadata
        let layout = NetworkLayout(metadata.space, only: genome)
        try requireRoom(for: layout, file: file)
        var graph = ONNXGraph()
        var weights = try ONNXWeights(source)
        let stages = try graph.backbone(layout, shuffle, &weights, input: "images")
        var outputs: [Onnx_ValueInfoProto]
        switch part {
        case .backbone:
            try weights.requireAllUsed(under: ["backbone"])
            outputs = named(stages, metadata.space, &graph)
        case .detector:
            outputs = try detector(metadata, stages, &graph, &weights, file: file)
            try weights.requireAllUsed(under: ["backbone", "neck", "head"])
        }
        guard graph.bytes <= ONNXGraph.maximumBytes else {
            throw tooLarge(graph.bytes, file: file)
        }
        return model(graph, outputs, metadata)
    }

    // MARK: What can be exported

    private func genome(of metadata: CheckpointMetadata, file: String) throws(ExchangeError)
        -> Genome
    {
        let kinds = part == .backbone ? ["subnet", "detector"] : ["detector"]
        guard kinds.contains(metadata.kind), let genome = metadata.genome else {
            throw ExchangeError(
                file: file,
                "kind",
                found: metadata.kind,
                allowed: kinds.joined(separator: ", ")
                    + ": one architecture with weights of its own, as `subnet.retrain` leaves it",
            )
        }
        return genome
    }

    /// Refuses what protobuf cannot hold before any of it is read.
    func requireRoom(for layout: NetworkLayout, file: String) throws(ExchangeError) {
        let bytes = layout.layers.reduce(0) { $0 + 4 * $1.convolution.weights }
        guard bytes <= ONNXGraph.maximumBytes else { throw tooLarge(bytes, file: file) }
    }

    private func tooLarge(_ bytes: Int, file: String) -> ExchangeError {
        ExchangeError(
            file: file,
            "weights",
            found: "\(bytes) bytes",
            allowed: "at most \(ONNXGraph.maximumBytes): an ONNX file holds less than 2 GB",
        )
    }

    // MARK: Outputs

    /// Gives the stages' outputs the names c2 to c5.
    private func named(
        _ stages: [String],
        _ space: SearchSpace,
        _ graph: inout ONNXGraph,
    ) -> [Onnx_ValueInfoProto] {
        zip(stages, space.stages).enumerated().map { index, stage in
            let name = "c\(index + 2)"
            let stride = 4 << index
            _ = graph.node(name, "Identity", [stage.0])
            func side(_ pixels: Int?, _ word: String) -> ONNXGraph.Size {
                pixels.map { .fixed($0 / stride) } ?? .free("\(word)/\(stride)")
            }
            return ONNXGraph.value(
                name,
                [
                    .free("n"), .fixed(stage.1.width), side(size?.height, "height"),
                    side(size?.width, "width"),
                ],
                "output of stage \(index + 1), of stride \(stride)",
            )
        }
    }

    private func detector(
        _ metadata: CheckpointMetadata,
        _ stages: [String],
        _ graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
        file: String,
    ) throws -> [Onnx_ValueInfoProto] {
        guard let size else {
            throw ExchangeError(
                file: file,
                "size",
                found: "none",
                allowed: "a height and a width: a detector's anchors are part of the file",
            )
        }
        guard let json = metadata.detector,
            case .success(.retinaNet(let config)) = DetectorConfig.resolve(json)
        else {
            throw ExchangeError(
                file: file,
                "detector",
                found: metadata.detector?["kind"]?.string ?? "none",
                allowed: "retinanet, with the settings of this version",
            )
        }
        let unknown = Set((json.object ?? [:]).keys).subtracting(ONNXDetector.fields).sorted()
        guard unknown.isEmpty else {
            throw ExchangeError(
                file: file,
                "detector",
                found: "settings that the export does not know: "
                    + unknown.joined(separator: ", "),
                allowed: ONNXDetector.fields.sorted().joined(separator: ", "),
            )
        }
        let classes = metadata.classes.count
        let anchors = try ONNXDetector(
            config: config,
            classes: classes,
            height: size.height,
            width: size.width,
        ).add(
            to: &graph,
            &weights,
            stages: stages,
            widths: metadata.space.stages.map(\.width),
        )
        return [
            ONNXGraph.value(
                "boxes",
                [.free("n"), .fixed(anchors), .fixed(4)],
                "x1 y1 x2 y2 of every anchor in pixels of the input, not clipped, not suppressed",
            ),
            ONNXGraph.value(
                "scores",
                [.free("n"), .fixed(anchors), .fixed(classes)],
                "of every anchor and class, 0 to 1, before threshold and suppression",
            ),
        ]
    }

    // MARK: The file

    private func model(
        _ graph: ONNXGraph,
        _ outputs: [Onnx_ValueInfoProto],
        _ metadata: CheckpointMetadata,
    ) -> Onnx_ModelProto {
        var model = Onnx_ModelProto()
        model.irVersion = ONNXGraph.formatVersion
        var operators = Onnx_OperatorSetIdProto()
        operators.domain = ""
        operators.version = ONNXGraph.operatorSet
        model.opsetImport = [operators]
        model.producerName = "detnas"
        model.producerVersion = version
        model.docString = """
            `images` are [n, 3, height, width], pixels as the metadata's `pixels` says: values from 0 to 255 in that \
            order, less `mean`, divided by `std`, sides multiples of 32 (padding 0). \

            """
        model.docString +=
            part == .backbone
            ? "`c2` to `c5` are the outputs of the four stages."
            : """
            `boxes` are x1 y1 x2 y2 in pixels of the input, not clipped; `scores` are of every anchor and class. Both \
            are before thresholds and suppression.
            """
        for (key, value) in [
            ("classes", JSONValue.array(metadata.classes.map { .string($0) }).canonical),
            ("genome", metadata.genome?.description ?? ""),
            ("pixels", metadata.pixels.canonical),
            ("shuffle", "\(metadata.shuffle)"),
            ("space", metadata.space.name),
        ] {
            var entry = Onnx_StringStringEntryProto()
            entry.key = key
            entry.value = value
            model.metadataProps.append(entry)
        }
        model.graph.name = part.rawValue
        model.graph.node = graph.nodes
        model.graph.initializer = graph.initializers
        model.graph.input = [
            ONNXGraph.value(
                "images",
                [
                    .free("n"), .fixed(3), size.map { .fixed($0.height) } ?? .free("height"),
                    size.map { .fixed($0.width) } ?? .free("width"),
                ],
                "pixels as the metadata says",
            )
        ]
        model.graph.output = outputs
        return model
    }
}
