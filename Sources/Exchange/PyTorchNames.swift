// What other programs call the tensors of the same networks.
//
// Sources: ShuffleNet-Series (megvii), folders OneShot and DetNAS; DetNAS (megvii), folder Supernet-ImageNet;
// torchvision's shufflenetv2.py.

/// Whose names a file has.
package enum PyTorchNames: String, CaseIterable, Sendable {
    case megvii, torchvision
}

/// The names of one code base.
enum NamingScheme: CaseIterable {
    /// `features.3.branch_main.0.weight`: ShuffleNet-Series' OneShot, and its supernet.
    case oneShot
    /// `features.3.conv.0.interstellar1d_shufflenet_3x3_branch2a.weight`: both megvii's DetNAS folders.
    case detnas
    /// `stage1.3.branch2.0.weight`.
    case torchvision

    /// The scheme whose first convolution is among `names`.
    init?(_ family: PyTorchNames, among names: some Collection<String>) {
        let schemes: [NamingScheme] = family == .megvii ? [.oneShot, .detnas] : [.torchvision]
        let scheme = schemes.first { names.contains("\($0.names(of: .stem).conv).weight") }
        guard let scheme else { return nil }
        self = scheme
    }

    /// What a convolution and its norm are called.
    func names(of place: ConvLayer.Place) -> (conv: String, norm: String) {
        switch self {
        case .oneShot: oneShot(place)
        case .detnas: detnas(place)
        case .torchvision: torchvision(place)
        }
    }

    /// What the classifier's linear layer is called.
    var linear: String {
        switch self {
        case .oneShot: "classifier.0"
        case .detnas: "fc.fc"
        case .torchvision: "fc"
        }
    }

    /// Whether the linear layer has a bias; where not, ours is zero.
    var hasLinearBias: Bool { self != .oneShot }

    /// Whether blocks end with the shuffle that ours begin with.
    var shufflesLast: Bool { self == .torchvision }

    // MARK: Each code base

    private func oneShot(_ place: ConvLayer.Place) -> (String, String) {
        switch place {
        case .stem: ("first_conv.0", "first_conv.1")
        case .last: ("conv_last.0", "conv_last.1")
        case .projection(let block, let index):
            sequence("\(features(block)).branch_proj", [0, 2][index])
        case .main(let block, let index):
            sequence(
                "\(features(block)).branch_main",
                (block.operation == .xception ? [0, 2, 5, 7, 10, 12] : [0, 3, 5])[index],
            )
        }
    }

    private func detnas(_ place: ConvLayer.Place) -> (String, String) {
        /// A pair of a depthwise (`_s`) and a 1x1 convolution.
        func pair(_ path: String, _ name: String, isDepthwise: Bool) -> (String, String) {
            isDepthwise
                ? ("\(path).interstellar\(name)_s", "\(path).interstellar\(name)_s_bn")
                : ("\(path).interstellar\(name)", "\(path).bn\(name)")
        }
        switch place {
        case .stem: return ("first_conv.conv", "first_conv.bn")
        case .last: return ("last_conv.conv", "last_conv.bn")
        case .projection(let block, let index):
            return pair(
                "\(features(block)).proj_conv",
                "\(prefix(block))_proj",
                isDepthwise: index == 0,
            )
        case .main(let block, let index):
            let isXception = block.operation == .xception
            // The plain block's first pair has no depthwise convolution.
            let part = isXception ? index / 2 : (index + 1) / 2
            let operation: String =
                switch block.operation {
                case .shuffle3x3: "shufflenet_3x3"
                case .shuffle5x5: "shufflenet_5x5"
                case .shuffle7x7: "shufflenet_7x7"
                case .xception: "xception_3x3"
                }
            return pair(
                "\(features(block)).conv.\(part)",
                "\(prefix(block))_\(operation)_branch2\(letter(part))",
                isDepthwise: isXception ? index % 2 == 0 : index == 1,
            )
        }
    }

    private func torchvision(_ place: ConvLayer.Place) -> (String, String) {
        func path(_ block: ConvLayer.Block) -> String {
            "stage\(block.position.stage + 1).\(block.position.index)"
        }
        switch place {
        case .stem: return ("conv1.0", "conv1.1")
        case .last: return ("conv5.0", "conv5.1")
        case .projection(let block, let index):
            return sequence("\(path(block)).branch1", [0, 2][index])
        case .main(let block, let index):
            // Torchvision has no xception block; the import refuses one before it asks.
            return sequence("\(path(block)).branch2", [0, 3, 5, 7, 9, 11][index])
        }
    }

    // MARK: Parts of names

    /// A norm follows its convolution in the list of layers.
    private func sequence(_ path: String, _ index: Int) -> (String, String) {
        ("\(path).\(index)", "\(path).\(index + 1)")
    }

    private func features(_ block: ConvLayer.Block) -> String {
        "features.\(block.number)" + (block.choice.map { ".\($0)" } ?? "")
    }

    /// Stage from 1 and block from `a`: `1a`.
    private func prefix(_ block: ConvLayer.Block) -> String {
        "\(block.position.stage + 1)\(letter(block.position.index))"
    }

    /// `a` for 0. Beyond `z` the next characters follow, as Python's `chr` gives them.
    private func letter(_ index: Int) -> String {
        String(Character(Unicode.Scalar(UInt8(ascii: "a") + UInt8(index))))
    }
}
