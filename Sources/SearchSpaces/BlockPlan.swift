// The convolutions of a searchable block, as data: what a supernet builds and what a cost counts
// (ShuffleNetV2, arXiv:1807.11164, fig. 3 c and d; the deeper "xception" choice is of Single Path
// One-Shot NAS, arXiv:1904.00420).

/// A square convolution, padded by half its kernel and followed by batch norm.
package struct Convolution: Hashable, Sendable {
    package let inputs: Int
    package let outputs: Int
    /// The side of the kernel, odd.
    package let kernel: Int
    package let stride: Int
    /// Whether each output reads one input, else all of them.
    package let isDepthwise: Bool
    /// Whether the convolution has a bias of its own before the norm.
    package let hasBias: Bool
    /// Whether ReLU follows the norm.
    package let hasReLU: Bool

    static func depthwise(_ channels: Int, kernel: Int, stride: Int = 1) -> Convolution {
        Convolution(
            inputs: channels,
            outputs: channels,
            kernel: kernel,
            stride: stride,
            isDepthwise: true,
            hasBias: false,
            hasReLU: false,
        )
    }

    static func pointwise(_ inputs: Int, _ outputs: Int, bias: Bool = false) -> Convolution {
        Convolution(
            inputs: inputs,
            outputs: outputs,
            kernel: 1,
            stride: 1,
            isDepthwise: false,
            hasBias: bias,
            hasReLU: true,
        )
    }

    /// Elements of the kernel.
    package var weights: Int { kernel * kernel * (isDepthwise ? 1 : inputs) * outputs }

    /// Weights, bias, and the norm's scale and shift.
    package var params: Int { weights + (hasBias ? outputs : 0) + 2 * outputs }

    /// The size of the output for an input of `size`, pixels.
    package func output(_ size: ImageSize) -> ImageSize {
        func side(_ side: Int) -> Int { (side + 2 * (kernel / 2) - kernel) / stride + 1 }
        return ImageSize(height: side(size.height), width: side(size.width))
    }
}

/// The extent of an image or a feature map, pixels.
package struct ImageSize: Hashable, Codable, Sendable {
    package let height: Int
    package let width: Int

    package init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    package var area: Int { height * width }
}

/// The two branches of a block. At stride 1 the projection is empty: the identity half passes.
///
/// The output is the identity half or the projection's output, then the main branch's.
package struct BlockPlan: Hashable, Sendable {
    package let projection: [Convolution]
    package let main: [Convolution]

    /// The block at `position` when `operation` is chosen there.
    package init(
        _ operation: Operation,
        at position: SearchSpace.Position,
        variant: BlockVariant,
    ) {
        let (inputs, outputs, stride) = (position.inputs, position.outputs, position.stride)
        let (middle, kernel) = (outputs / 2, operation.kernel)
        let mainInputs = stride == 1 ? inputs / 2 : inputs
        let isOfficialReduction = stride == 2 && variant == .official
        let mainOutputs = isOfficialReduction ? outputs - inputs : outputs / 2

        projection =
            stride == 1
            ? []
            : [
                .depthwise(inputs, kernel: kernel, stride: stride),
                .pointwise(inputs, outputs - mainOutputs),
            ]
        main =
            operation == .xception
            ? [
                .depthwise(mainInputs, kernel: kernel, stride: stride),
                .pointwise(mainInputs, middle),
                .depthwise(middle, kernel: kernel),
                .pointwise(middle, middle),
                .depthwise(middle, kernel: kernel),
                .pointwise(middle, mainOutputs),
            ]
            : [
                .pointwise(mainInputs, middle),
                .depthwise(middle, kernel: kernel, stride: stride),
                .pointwise(middle, mainOutputs),
            ]
    }

    /// Multiply-adds of both branches for an input of `size`.
    package func macs(at size: ImageSize) -> Int {
        BlockPlan.macs(projection, at: size) + BlockPlan.macs(main, at: size)
    }

    /// Parameters of both branches.
    package var params: Int { (projection + main).reduce(0) { $0 + $1.params } }

    private static func macs(_ chain: [Convolution], at size: ImageSize) -> Int {
        var (size, macs) = (size, 0)
        for convolution in chain {
            size = convolution.output(size)
            macs += convolution.weights * size.area
        }
        return macs
    }
}

extension SearchSpace {
    /// The first convolution: 3x3, stride 2, from RGB.
    package var stemConvolution: Convolution {
        Convolution(
            inputs: 3,
            outputs: stem,
            kernel: 3,
            stride: 2,
            isDepthwise: false,
            hasBias: stemBias,
            hasReLU: true,
        )
    }

    /// The 1x1 convolution between the last stage and the classifier.
    package var lastConvolution: Convolution {
        .pointwise(stages.last?.width ?? stem, lastConv, bias: stemBias)
    }
}
