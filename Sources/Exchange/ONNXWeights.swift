// A checkpoint's tensors on their way into a graph: each is read once, and none is forgotten.

import Configs
import Foundation
import NN

/// Takes tensors out of a checkpoint by name.
struct ONNXWeights {
    private let file: SafeTensorsFile
    private var used: Set<String> = []

    init(_ url: URL) throws(CheckpointError) { file = try SafeTensorsFile(url) }

    func has(_ name: String) -> Bool { file[name] != nil }

    /// The tensor's values, row-major.
    mutating func floats(_ name: String, _ shape: [Int]) throws -> [Float] {
        let record = file[name]
        guard let record, record.type == .float32, record.shape == shape else {
            throw ExchangeError(
                file: file.url.lastPathComponent,
                "tensor \(quoted(name))",
                found: record.map { "\($0.type.rawValue) \($0.shape)" } ?? "nothing",
                allowed: "F32 \(shape)",
            )
        }
        used.insert(name)
        return try file.withBytes(of: name) { bytes in
            [Float](unsafeUninitializedCapacity: bytes.count / 4) { buffer, count in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
                count = bytes.count / 4
            }
        }
    }

    /// Weight and bias of the convolution at `name`, with the batch norm below it folded in, where there is one.
    ///
    /// - Parameter norm: of other norms nothing is read; a convolution before one may have no bias.
    mutating func convolution(_ name: String, _ shape: [Int], norm: NormChoice) throws -> (
        weight: [Float], bias: [Float]
    ) {
        var weight = try floats("\(name).weight", shape)
        var bias =
            norm == .none || has("\(name).bias")
            ? try floats("\(name).bias", [shape[0]]) : [Float](repeating: 0, count: shape[0])
        if norm == .batch { try fold("\(name).norm", into: &weight, &bias) }
        return (weight, bias)
    }

    /// Weight and bias of one convolution that does what `layer` and its norm do.
    mutating func folded(_ layer: ConvLayer) throws -> (weight: [Float], bias: [Float]) {
        let shapes = Dictionary(layer.tensors.map { ($0.part, $0.shape) }) { first, _ in first }
        let outputs = layer.convolution.outputs
        var weight = try floats("\(layer.name).conv.weight", shapes["conv.weight"] ?? [])
        var bias =
            try shapes["conv.bias"].map { try floats("\(layer.name).conv.bias", $0) }
            ?? [Float](repeating: 0, count: outputs)
        try fold("\(layer.name).norm", into: &weight, &bias)
        return (weight, bias)
    }

    /// Puts the batch norm at `name`, with its running statistics, into the convolution before it.
    private mutating func fold(
        _ name: String,
        into weight: inout [Float],
        _ bias: inout [Float],
    ) throws {
        let count = bias.count
        let (scales, shifts) = (
            try floats("\(name).weight", [count]), try floats("\(name).bias", [count]),
        )
        let (means, variances) = (
            try floats("\(name).running_mean", [count]),
            try floats("\(name).running_var", [count]),
        )
        let row = weight.count / count
        for channel in 0..<count {
            let scale = Double(scales[channel]) / (Double(variances[channel]) + 1e-5).squareRoot()
            for place in channel * row..<(channel + 1) * row {
                weight[place] = Float(Double(weight[place]) * scale)
            }
            let centred = Double(bias[channel]) - Double(means[channel])
            bias[channel] = Float(Double(shifts[channel]) + centred * scale)
        }
    }

    /// Fails where a tensor under one of `roots` was not read: the graph would not be that network.
    func requireAllUsed(under roots: [String]) throws(ExchangeError) {
        let left = file.records.map(\.name).filter { name in
            !used.contains(name) && roots.contains { name.hasPrefix("\($0).") }
        }
        guard left.isEmpty else {
            throw ExchangeError(
                file: file.url.lastPathComponent,
                left.sorted().map {
                    .init(
                        "tensor \(quoted($0))",
                        found: "a part of the network that the export does not know",
                        allowed:
                            "the tensors of a backbone, a feature pyramid and a RetinaNet head",
                    )
                },
            )
        }
    }
}
