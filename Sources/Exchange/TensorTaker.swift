// From the tensors of a file to those of a network, one by one, with a list of all that does not fit.

import Foundation
import NN

/// Which channels of a layer arrive in another order, because the network behind the file shuffles at the end of a
/// block and ours at the start of the next.
enum ChannelOrder: Hashable {
    case inputs  // the convolution reads all channels
    case all  // it reads each channel alone, so that its outputs are in that order too
}

extension NetworkLayout {
    /// The layers of a subnet that read a stage's output directly, by name.
    ///
    /// With x the output of our block, the other network passes on y, where `y[2i] = x[i]` and
    /// `y[2i + 1] = x[c / 2 + i]`. Blocks of stride 1 cut y in halves, which is our shuffle method 1 of x; all else
    /// reads y, and must read x instead.
    var afterEndShuffle: [String: ChannelOrder] {
        var orders: [String: ChannelOrder] = [last.name: .inputs]
        for block in blocks.compactMap(\.first)
        where block.position.index == 0 && block.position.stage > 0 {
            for branch in [block.projection, block.main] {
                for layer in branch {
                    orders[layer.name] = layer.convolution.isDepthwise ? .all : .inputs
                    if !layer.convolution.isDepthwise { break }
                }
            }
        }
        return orders
    }
}

/// Takes tensors out of a file.
struct TensorTaker {
    /// A tensor of the network: F32, row-major.
    struct Taken {
        let name: String
        let shape: [Int]
        let data: Data
    }

    let found: [String: TensorEntry]
    private var left: Set<String>
    private var taken: [Taken] = []
    private var faults: [ExchangeError.Fault] = []

    init(found: [String: TensorEntry]) {
        self.found = found
        left = Set(found.keys)
    }

    mutating func take(
        _ layer: ConvLayer,
        _ source: (conv: String, norm: String),
        _ order: ChannelOrder?,
    ) {
        for (part, shape) in layer.tensors {
            let isWeight = part == "conv.weight"
            let name = part.hasPrefix("conv.") ? source.conv : source.norm
            let last = part.split(separator: ".")[1]
            guard var data = take("\(name).\(last)", as: "\(layer.name).\(part)", shape) else {
                continue
            }
            switch order {
            case .inputs where isWeight: data = data.unshuffled(blocks: shape[0], of: shape[1])
            case .all: data = data.unshuffled(blocks: 1, of: shape[0])
            default: break
            }
            add("\(layer.name).\(part)", shape, data)
        }
    }

    /// Weight and bias of the classifier, the bias zero where the other network has none.
    mutating func takeLinear(_ scheme: NamingScheme, shape: [Int]) {
        let name = "classifier.linear"
        if let data = take("\(scheme.linear).weight", as: "\(name).weight", shape) {
            add("\(name).weight", shape, data)
        }
        let biasShape = [shape[0]]
        let bias =
            scheme.hasLinearBias
            ? take("\(scheme.linear).bias", as: "\(name).bias", biasShape)
            : Data(count: 4 * shape[0])
        if let bias { add("\(name).bias", biasShape, bias) }
    }

    /// Everything that was taken, if that was everything.
    func result(file: String) throws(ExchangeError) -> [Taken] {
        let extra = left.sorted().map { name in
            ExchangeError.Fault(
                "tensor \(quoted(name))",
                found: found[name]?.told ?? "",
                allowed: "no tensor of this name"
                    + (name.hasSuffix("_conv.conv.bias")
                        ? ", unless the space has a bias in its stem" : ""),
            )
        }
        guard faults.isEmpty, extra.isEmpty else {
            throw ExchangeError(file: file, faults + extra)
        }
        return taken
    }

    private mutating func add(_ name: String, _ shape: [Int], _ data: Data) {
        taken.append(Taken(name: name, shape: shape, data: data))
    }

    private mutating func take(_ source: String, as name: String, _ shape: [Int]) -> Data? {
        left.remove(source)
        let allowed = "F32 \(shape)"
        guard let entry = found[source], entry.type == .float32, entry.shape == shape else {
            faults.append(
                .init(
                    "tensor \(quoted(source)), which is \(name)",
                    found: found[source]?.told ?? "nothing",
                    allowed: allowed,
                )
            )
            return nil
        }
        return entry.data
    }
}

extension TensorEntry {
    fileprivate var told: String { "\(type.rawValue) \(shape)" }
}

extension Data {
    /// Within each of `blocks` equal parts, the `count` rows in the order in which ours are: the even rows, then the
    /// odd ones.
    fileprivate func unshuffled(blocks: Int, of count: Int) -> Data {
        let row = self.count / (blocks * count)
        var ordered = Data(capacity: self.count)
        for block in 0..<blocks {
            for index in 0..<count {
                let source = index < count / 2 ? 2 * index : 2 * (index - count / 2) + 1
                let start = startIndex + (block * count + source) * row
                ordered += self[start..<start + row]
            }
        }
        return ordered
    }
}
