// The searched backbone as ONNX nodes: batch norm folded into the convolutions, the channel shuffle a choice of
// channels (Gather), so that the file fixes neither batch nor image size.

import SearchSpaces

extension ONNXGraph {
    /// Stem and stages of a subnet.
    ///
    /// - Returns: the names of C2 to C5, of strides 4, 8, 16 and 32.
    mutating func backbone(
        _ layout: NetworkLayout,
        _ shuffle: ShuffleMethod,
        _ weights: inout ONNXWeights,
        input: String,
    ) throws -> [String] {
        var value = try chain([layout.stem], &weights, input)
        var stages: [String] = []
        for (index, block) in layout.blocks.compactMap(\.first).enumerated() {
            if block.position.index == 0, block.position.stage > 0 { stages.append(value) }
            let name = "backbone.blocks.\(index)"
            var kept = value
            var branch = value
            if block.projection.isEmpty {
                let halves = shuffle.halves(of: block.position.inputs)
                kept = select(halves.identity, "\(name).identity", value)
                branch = select(halves.main, "\(name).main", value)
            } else {
                kept = try chain(block.projection, &weights, value)
            }
            branch = try chain(block.main, &weights, branch)
            value = node("\(name).output", "Concat", [kept, branch], [("axis", .integer(1))])
        }
        return stages + [value]
    }

    /// Convolutions one after another.
    private mutating func chain(
        _ layers: [ConvLayer],
        _ weights: inout ONNXWeights,
        _ input: String,
    ) throws -> String {
        try layers.reduce(input) { value, layer in
            let folded = try weights.folded(layer)
            let convolution = layer.convolution
            return self.convolution(
                layer.name,
                value,
                weight: weight("\(layer.name).weight", folded.weight, layer.weightShape),
                bias: weight("\(layer.name).bias", folded.bias, [convolution.outputs]),
                kernel: convolution.kernel,
                stride: convolution.stride,
                groups: convolution.isDepthwise ? convolution.inputs : 1,
                relu: convolution.hasReLU,
            )
        }
    }

    private mutating func select(_ channels: [Int], _ name: String, _ input: String) -> String {
        node(name, "Gather", [input, integers(channels)], [("axis", .integer(1))])
    }
}

extension ShuffleMethod {
    /// Which channels of a block's input go to the identity half and to the main half.
    func halves(of channels: Int) -> (identity: [Int], main: [Int]) {
        let half = channels / 2
        switch self {
        case .one:
            let interleaved = (0..<half).flatMap { [$0, half + $0] }
            return (Array(interleaved[..<half]), Array(interleaved[half...]))
        case .two:
            return (
                Array(stride(from: 0, to: channels, by: 2)),
                Array(stride(from: 1, to: channels, by: 2)),
            )
        }
    }
}
