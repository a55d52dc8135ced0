// Runs an exported file with the operators' definitions in ONNX's documentation, so that tests need no other program.

import Foundation
import Testing
import Torch

@testable import Exchange

struct ONNXInterpreter {
    let model: Onnx_ModelProto

    /// The outputs for `images`, by name.
    func run(_ images: Tensor) throws -> [String: Tensor] {
        let graph = model.graph
        var values = ["images": images]
        var lists: [String: [Int]] = [:]
        for weight in graph.initializer {
            let shape = weight.dims.map { Int($0) }
            if weight.dataType == Onnx_TensorProto.DataType.int64.rawValue {
                lists[weight.name] = weight.rawData.withUnsafeBytes { bytes in
                    (0..<bytes.count / 8).map {
                        Int(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
                    }
                }
            } else {
                values[weight.name] = try weight.rawData.withUnsafeBytes {
                    try Tensor(bytes: $0, shape: shape, type: .float32)
                }
            }
        }
        for node in graph.node {
            let results = try run(node, values, lists)
            try #require(results.count == node.output.count)
            for (name, result) in zip(node.output, results) {
                #expect(values.updateValue(result, forKey: name) == nil, "\(name) twice")
            }
        }
        var outputs: [String: Tensor] = [:]
        for name in graph.output.map(\.name) { outputs[name] = values[name] }
        return outputs
    }

    private func run(
        _ node: Onnx_NodeProto,
        _ values: [String: Tensor],
        _ lists: [String: [Int]],
    ) throws -> [Tensor] {
        func input(_ index: Int) throws -> Tensor {
            try #require(values[node.input[index]], "\(node.name) reads \(node.input[index])")
        }
        func list(_ index: Int) throws -> [Int] { try #require(lists[node.input[index]]) }
        func attribute(_ name: String) throws -> Onnx_AttributeProto {
            try #require(node.attribute.first { $0.name == name }, "\(node.name), \(name)")
        }
        func axis() throws -> Int { Int(try attribute("axis").i) }
        let x = try input(0)
        switch node.opType {
        case "Conv":
            let kernel = Int(try attribute("kernel_shape").ints[0])
            let pads = try attribute("pads").ints
            #expect(pads == [Int64](repeating: Int64(kernel / 2), count: 4))
            return [
                try x.conv2d(
                    input(1),
                    bias: input(2),
                    stride: Int(attribute("strides").ints[0]),
                    padding: kernel / 2,
                    groups: Int(attribute("group").i),
                )
            ]
        case "Relu": return [try x.relu()]
        case "Sigmoid": return [try x.sigmoid()]
        case "Exp": return [try x.exp()]
        case "Identity": return [x]
        case "Add": return [try x + input(1)]
        case "Sub": return [try x - input(1)]
        case "Mul": return [try x * input(1)]
        case "Min":
            let cap = try input(1).item()
            return [try Tensor(x.floats().map { min($0, cap) }, shape: x.shape)]
        case "Gather":
            #expect(try axis() == 1)
            let channels = try Tensor(list(1).map(Int64.init), shape: [list(1).count])
            return [try x.permute([1, 0, 2, 3]).select(rows: channels).permute([1, 0, 2, 3])]
        case "Concat":
            return [
                try .concatenate(node.input.indices.map { try input($0) }, along: axis())
            ]
        case "Resize":
            #expect(try input(2).floats() == [1, 1, 2, 2])
            #expect(try attribute("mode").s == Data("nearest".utf8))
            return [try x.upsampleNearest(height: 2 * x.shape[2], width: 2 * x.shape[3])]
        case "Reshape":
            let shape = try list(1)
            return [
                try x.reshape(shape.enumerated().map { $1 == 0 ? x.shape[$0] : $1 })
            ]
        case "Transpose": return [try x.permute(attribute("perm").ints.map { Int($0) })]
        case "InstanceNormalization":
            return [
                try x.groupNorm(
                    groups: x.shape[1],
                    weight: input(1),
                    bias: input(2),
                    epsilon: Double(attribute("epsilon").f),
                )
            ]
        case "Split":
            var start = 0
            return try list(1).map { length in
                defer { start += length }
                return try x.narrow(axis(), start, length)
            }
        default:
            Issue.record("\(node.name) is a \(node.opType)")
            return []
        }
    }
}
