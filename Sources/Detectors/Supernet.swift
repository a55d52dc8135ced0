// The supernet: every operation at every position, of which one path runs (DetNAS, arXiv:1903.10979, section 3).

package import NN
package import SearchSpaces
package import Torch

/// The stem and four stages of searchable blocks.
///
/// With a genome only its operations are built, under the same names: a subnet takes its weights from a supernet's
/// checkpoint by name.
package struct Supernet: Module {
    package let space: SearchSpace
    package let shuffle: ShuffleMethod
    /// The one path of a subnet; nil for a supernet.
    package let only: Genome?
    /// An operation whose output is spoilt by noise, to see whether a search finds out. Never set in a real run.
    package var crippled: (operation: Operation, deviation: Double, seed: UInt64)?

    private let entry: ConvNorm
    private let ends: Set<Int>
    /// By position, then by operation; nil where a subnet has none.
    private let blocks: [[ShuffleBlock?]]

    package init(
        _ path: ParameterPath,
        _ space: SearchSpace,
        shuffle: ShuffleMethod,
        only: Genome? = nil,
    ) throws {
        try only?.check(in: space)
        self.space = space
        self.shuffle = shuffle
        self.only = only
        entry = try ConvNorm(
            path / "stem",
            3,
            space.stem,
            kernel: 3,
            stride: 2,
            relu: true,
            bias: space.stemBias,
            initial: .normal(deviation: 0.01),
        )
        let positions = space.positions
        ends = Set(
            positions.indices.filter {
                $0 + 1 == positions.count || positions[$0 + 1].index == 0
            }
        )
        blocks = try positions.enumerated().map { index, position in
            let at = path / "blocks" / "\(index)"
            return try space.operations.enumerated().map { choice, operation in
                guard only.map({ Int($0.letters[index]) == choice }) ?? true else { return nil }
                return try ShuffleBlock(
                    at / operation.rawValue,
                    position,
                    operation,
                    variant: space.block,
                )
            }
        }
    }

    package var parameters: [Parameter] {
        entry.parameters + blocks.flatMap { $0.flatMap { $0?.parameters ?? [] } }
    }

    /// The outputs of the four stages along one path.
    ///
    /// - Parameters:
    ///   - x: batches of `[n, 3, h, w]`, channels innermost in memory.
    ///   - genome: the path; nil only where there is no choice.
    /// - Returns: for each stage, for each batch, `[n, width, h / 2^(stage + 2), w / 2^(stage + 2)]`.
    package func callAsFunction(_ x: [Tensor], _ genome: Genome?, _ mode: Mode) throws -> [[Tensor]]
    {
        guard let path = genome ?? only, path.letters.count == blocks.count else {
            throw TorchError(
                "the backbone has \(blocks.count) positions; the path has another count"
            )
        }
        var value = try stem(x, mode)
        var stages: [[Tensor]] = []
        for (index, letter) in path.letters.enumerated() {
            value = try block(index, letter, value, mode)
            if isStageEnd(index) { stages.append(value) }
        }
        return stages
    }

    /// What comes before the first position.
    package func stem(_ x: [Tensor], _ mode: Mode) throws -> [Tensor] { try entry(x, mode) }

    /// The operation `letter` at one position, of the outputs of the position before.
    package func block(_ index: Int, _ letter: UInt8, _ x: [Tensor], _ mode: Mode) throws
        -> [Tensor]
    {
        guard Int(letter) < blocks[index].count, let block = blocks[index][Int(letter)] else {
            throw TorchError("position \(index) was built without operation \(letter)")
        }
        let value = try block(x, shuffle, mode)
        guard let crippled, crippled.operation == space.operations[Int(letter)] else {
            return value
        }
        return try value.enumerated().map {
            try spoil(
                $1,
                by: crippled.deviation,
                seed: crippled.seed &+ UInt64(index * 64 + $0),
            )
        }
    }

    /// Whether a position is the last of its stage.
    package func isStageEnd(_ index: Int) -> Bool { ends.contains(index) }

    /// Adds noise of `share` of the root mean square of `x`.
    private func spoil(_ x: Tensor, by share: Double, seed: UInt64) throws -> Tensor {
        let size = try Double((x.detach() * x.detach()).mean().item()).squareRoot()
        return try x + Tensor.normal(like: x, seed: seed) * (size * share)
    }
}

/// A supernet or subnet with a 1x1 convolution, pooling and a linear layer: what is pretrained.
package struct Classifier: Module {
    package let backbone: Supernet
    private let last: ConvNorm
    private let linear: Linear
    private let dropout: Double

    package init(_ path: ParameterPath, _ backbone: Supernet, classes: Int, dropout: Double) throws
    {
        let space = backbone.space
        self.backbone = backbone
        self.dropout = dropout
        last = try ConvNorm(
            path / "last",
            space.stages.last?.width ?? space.stem,
            space.lastConv,
            kernel: 1,
            relu: true,
            bias: space.stemBias,
        )
        linear = try Linear(path / "linear", space.lastConv, classes)
    }

    package var parameters: [Parameter] {
        backbone.parameters + last.parameters + linear.parameters
    }

    /// - Parameter dropoutSeed: drops whole channels by a function of it; nil drops none.
    /// - Returns: for each batch, logits `[n, classes]`.
    package func callAsFunction(
        _ x: [Tensor],
        _ genome: Genome?,
        _ mode: Mode,
        dropoutSeed: UInt64? = nil,
    ) throws -> [Tensor] {
        let features = try backbone(x, genome, mode).last ?? []
        return try logits(features, mode, dropoutSeed: dropoutSeed)
    }

    /// The same of what the backbone's last stage gave.
    package func logits(_ features: [Tensor], _ mode: Mode, dropoutSeed: UInt64? = nil) throws
        -> [Tensor]
    {
        try last(features, mode).enumerated().map { index, value in
            var value = value
            if let dropoutSeed, dropout > 0 {
                value = try value * channelMask(value, seed: dropoutSeed &+ UInt64(index))
            }
            return try linear(value.mean([2, 3]))
        }
    }

    /// `[n, c, 1, 1]`: 0 for a dropped channel, else 1 / (1 - dropout).
    private func channelMask(_ x: Tensor, seed: UInt64) throws -> Tensor {
        let shape = x.shape
        var random = CounterRandom(seed: seed, 0xd06)
        let kept = Float(1 / (1 - dropout))
        let values = (0..<shape[0] * shape[1]).map { _ in
            random.uniform() < dropout ? 0 : kept
        }
        return try Tensor(values, shape: [shape[0], shape[1], 1, 1], device: x.device)
    }
}
