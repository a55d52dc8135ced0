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
        guard norm == .batch else { return (weight, bias) }
        func values(_ part: String) throws -> [Float] {
            try floats("\(name).norm.\(part)", [shape[0]])
        }
        let (scales, shifts) = (try values("weight"), try values("bias"))
        let (means, variances) = (try values("running_mean"), try values("running_var"))
        let row = weight.count / shape[0]
        for channel in 0..<shape[0] {
            let scale = Double(scales[channel]) / (Double(variances[channel]) + 1e-5).squareRoot()
            for place in channel * row..<(channel + 1) * row {
                weight[place] = Float(Double(weight[place]) * scale)
            }
            let centred = Double(bias[channel]) - Double(means[channel])
            bias[channel] = Float(Double(shifts[channel]) + centred * scale)
        }
        return (weight, bias)
    }

    /// Weight and bias of one convolution that does what `layer` and its norm do, with the running statistics.
    mutating func folded(_ layer: ConvLayer) throws -> (weight: [Float], bias: [Float]) {
        var parts: [String: [Float]] = [:]
        for (part, shape) in layer.tensors {
            parts[part] = try floats("\(layer.name).\(part)", shape)
        }
        let channels = layer.convolution.outputs
        func channel(_ part: String, _ index: Int) -> Double { Double(parts[part]?[index] ?? 0) }
        var weight = parts["conv.weight"] ?? []
        let row = weight.count / channels
        var bias = [Float](repeating: 0, count: channels)
        for index in 0..<channels {
            let deviation = (channel("norm.running_var", index) + 1e-5).squareRoot()
            let scale = channel("norm.weight", index) / deviation
            for place in index * row..<(index + 1) * row {
                weight[place] = Float(Double(weight[place]) * scale)
            }
            let shift = channel("conv.bias", index) - channel("norm.running_mean", index)
            bias[index] = Float(channel("norm.bias", index) + shift * scale)
        }
        return (weight, bias)
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
