// The tensors of a backbone and its classifier by name and shape, without building a network: what a file of
// another program must fill, and what a graph is made from.

import SearchSpaces

/// A convolution with its norm, under our name.
struct ConvLayer: Hashable {
    /// Where in the network it is, so that other programs' names can be told.
    enum Place: Hashable {
        case stem
        case projection(Block, Int)
        case main(Block, Int)
        case last
    }

    /// A searchable block that was built.
    struct Block: Hashable {
        let number: Int
        let position: SearchSpace.Position
        let operation: SearchSpaces.Operation
        /// Which of the supernet's choices this is; nil in a subnet.
        let choice: Int?
    }

    let name: String
    let place: Place
    let convolution: Convolution

    /// `[outputs, inputs of a group, kernel, kernel]`.
    var weightShape: [Int] {
        let convolution = convolution
        return [
            convolution.outputs, convolution.isDepthwise ? 1 : convolution.inputs,
            convolution.kernel, convolution.kernel,
        ]
    }

    static let normParts = ["weight", "bias", "running_mean", "running_var"]

    /// Each tensor's name after the layer's, and its shape.
    var tensors: [(part: String, shape: [Int])] {
        [("conv.weight", weightShape)]
            + (convolution.hasBias ? [("conv.bias", [convolution.outputs])] : [])
            + Self.normParts.map { ("norm.\($0)", [convolution.outputs]) }
    }
}

/// A block's two branches; at stride 1 the projection is empty.
struct BlockLayout {
    let position: SearchSpace.Position
    let projection: [ConvLayer]
    let main: [ConvLayer]
}

/// The names are those that `Supernet` and `Classifier` give to their parameters; a test compares them.
struct NetworkLayout {
    let stem: ConvLayer
    /// By position, then by choice; one choice in a subnet.
    let blocks: [[BlockLayout]]
    let last: ConvLayer

    /// - Parameter only: the one path of a subnet, a word of `space`; nil for a supernet.
    init(_ space: SearchSpace, only: Genome?) {
        stem = ConvLayer(name: "backbone.stem", place: .stem, convolution: space.stemConvolution)
        last = ConvLayer(
            name: "classifier.last",
            place: .last,
            convolution: space.lastConvolution,
        )
        blocks = space.positions.enumerated().map { number, position in
            space.operations.enumerated().compactMap { choice, operation in
                if let only, Int(only.letters[number]) != choice { return nil }
                let plan = BlockPlan(operation, at: position, variant: space.block)
                let block = ConvLayer.Block(
                    number: number,
                    position: position,
                    operation: operation,
                    choice: only == nil ? choice : nil,
                )
                let name = "backbone.blocks.\(number).\(operation.rawValue)"
                func layers(
                    _ branch: String,
                    _ convolutions: [Convolution],
                    _ place: (ConvLayer.Block, Int) -> ConvLayer.Place,
                ) -> [ConvLayer] {
                    convolutions.enumerated().map { index, convolution in
                        ConvLayer(
                            name: "\(name).\(branch).\(index)",
                            place: place(block, index),
                            convolution: convolution,
                        )
                    }
                }
                return BlockLayout(
                    position: position,
                    projection: layers("projection", plan.projection, ConvLayer.Place.projection),
                    main: layers("main", plan.main, ConvLayer.Place.main),
                )
            }
        }
    }

    /// Stem, blocks and the classifier's convolution, in order.
    var layers: [ConvLayer] {
        [stem] + blocks.flatMap { $0.flatMap { $0.main + $0.projection } } + [last]
    }
}
