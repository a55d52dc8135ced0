// A graph of ONNX operators (operator set 17), built node by node.

import Foundation

/// Nodes and weights in the order in which they are added; a value is named by the node that makes it.
struct ONNXGraph {
    /// What a reader of the format promises to know. Source: ONNX's operator documentation; 17 is of 2022.
    static let operatorSet: Int64 = 17
    static let formatVersion: Int64 = 8
    /// What protobuf can hold in one message, less room for nodes and names.
    static let maximumBytes = (1 << 31) - (16 << 20)

    private(set) var nodes: [Onnx_NodeProto] = []
    private(set) var initializers: [Onnx_TensorProto] = []
    private(set) var bytes = 0
    private var constants: [[Int64]: String] = [:]

    // MARK: Weights

    /// Adds a constant under `name`.
    mutating func weight(_ name: String, _ values: [Float], _ shape: [Int]) -> String {
        add(name, .float, shape, values.withUnsafeBytes { Data($0) })
    }

    /// A list of whole numbers; equal lists are stored once.
    mutating func integers(_ values: [Int]) -> String {
        let values = values.map(Int64.init)
        if let known = constants[values] { return known }
        let name = add(
            "integers.\(constants.count)",
            .int64,
            [values.count],
            values.withUnsafeBytes { Data($0) },
        )
        constants[values] = name
        return name
    }

    private mutating func add(
        _ name: String,
        _ type: Onnx_TensorProto.DataType,
        _ shape: [Int],
        _ data: Data,
    ) -> String {
        var tensor = Onnx_TensorProto()
        tensor.name = name
        tensor.dims = shape.map(Int64.init)
        tensor.dataType = Int32(type.rawValue)
        tensor.rawData = data
        initializers.append(tensor)
        bytes += data.count
        return name
    }

    // MARK: Nodes

    enum Attribute {
        case integer(Int)
        case integers([Int])
        case real(Double)
        case text(String)
    }

    /// Adds one operator with one output, which has the node's name.
    mutating func node(
        _ name: String,
        _ operation: String,
        _ inputs: [String],
        _ attributes: [(String, Attribute)] = [],
    ) -> String {
        node(name, operation, inputs, attributes, outputs: [name])[0]
    }

    /// Adds one operator.
    mutating func node(
        _ name: String,
        _ operation: String,
        _ inputs: [String],
        _ attributes: [(String, Attribute)],
        outputs: [String],
    ) -> [String] {
        var node = Onnx_NodeProto()
        node.name = name
        node.opType = operation
        node.input = inputs
        node.output = outputs
        node.attribute = attributes.map { name, value in
            var attribute = Onnx_AttributeProto()
            attribute.name = name
            switch value {
            case .integer(let number):
                attribute.type = .int
                attribute.i = Int64(number)
            case .integers(let numbers):
                attribute.type = .ints
                attribute.ints = numbers.map(Int64.init)
            case .real(let number):
                attribute.type = .float
                attribute.f = Float(number)
            case .text(let text):
                attribute.type = .string
                attribute.s = Data(text.utf8)
            }
            return attribute
        }
        nodes.append(node)
        return outputs
    }

    /// A convolution with square odd kernel and "same" padding, and ReLU where wanted.
    mutating func convolution(
        _ name: String,
        _ input: String,
        weight: String,
        bias: String,
        kernel: Int,
        stride: Int = 1,
        groups: Int = 1,
        relu: Bool,
    ) -> String {
        let output = node(
            name,
            "Conv",
            [input, weight, bias],
            [
                ("kernel_shape", .integers([kernel, kernel])),
                ("strides", .integers([stride, stride])),
                ("pads", .integers([Int](repeating: kernel / 2, count: 4))),
                ("group", .integer(groups)),
            ],
        )
        return relu ? node("\(name).relu", "Relu", [output]) : output
    }

    // MARK: Values that come in and go out

    enum Size {
        case fixed(Int)
        /// The caller chooses; equal words are equal sizes.
        case free(String)
    }

    static func value(_ name: String, _ shape: [Size], _ text: String) -> Onnx_ValueInfoProto {
        var value = Onnx_ValueInfoProto()
        value.name = name
        value.docString = text
        value.type.tensorType.elemType = Int32(Onnx_TensorProto.DataType.float.rawValue)
        value.type.tensorType.shape.dim = shape.map { size in
            var dimension = Onnx_TensorShapeProto.Dimension()
            switch size {
            case .fixed(let number): dimension.dimValue = Int64(number)
            case .free(let word): dimension.dimParam = word
            }
            return dimension
        }
        return value
    }
}
