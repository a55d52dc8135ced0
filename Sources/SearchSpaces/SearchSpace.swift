// What can be chosen: a stem, four stages of searchable blocks, and the operations of a block. The
// published spaces are rows of one table (DetNAS, arXiv:1903.10979, table 1), so a wider, deeper or
// smaller space is data too.

/// A search space: the shape of the supernet and the choices at each of its blocks.
///
/// Values decoded or written by hand may make no sense: `validate()` lists what is wrong, and all
/// other members expect a valid space.
package struct SearchSpace: Codable, Hashable, Sendable {
    /// A run of blocks with one width; the first of them has stride 2, the others stride 1.
    package struct Stage: Codable, Hashable, Sendable {
        /// The channels that each block of the stage gives out.
        package let width: Int
        /// How many blocks the stage has.
        package let blocks: Int

        package init(width: Int, blocks: Int) {
            self.width = width
            self.blocks = blocks
        }
    }

    /// The place of one searchable block.
    package struct Position: Hashable, Sendable {
        /// Of the stage, from 0.
        package let stage: Int
        /// Of the block within its stage, from 0.
        package let index: Int
        /// Channels of the block's input.
        package let inputs: Int
        /// Channels of the block's output.
        package let outputs: Int
        /// 2 for the first block of a stage, else 1.
        package let stride: Int
    }

    /// What the space is called; no part of its identity.
    package let name: String
    /// Channels after the stem, a 3x3 convolution with stride 2.
    package let stem: Int
    /// Four stages; their outputs have total strides 4, 8, 16 and 32 (C2 to C5).
    package let stages: [Stage]
    /// Channels of the 1x1 convolution before the classifier; a detector has none.
    package let lastConv: Int
    /// What letter 0, 1, ... of a genome stands for.
    package let operations: [Operation]
    /// The widths within stride-2 blocks.
    package let block: BlockVariant
    /// Whether stem and last convolution keep a bias before their norm, as the official code does.
    package let stemBias: Bool

    package init(
        name: String,
        stem: Int,
        stages: [Stage],
        lastConv: Int = 1024,
        operations: [Operation] = Operation.allCases,
        block: BlockVariant = .official,
        stemBias: Bool = false,
    ) {
        self.name = name
        self.stem = stem
        self.stages = stages
        self.lastConv = lastConv
        self.operations = operations
        self.block = block
        self.stemBias = stemBias
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case name, stem, stages, lastConv, operations, block, stemBias
    }

    /// All but `name`, `stem` and `stages` may be left out.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try values.decode(String.self, forKey: .name),
            stem: try values.decode(Int.self, forKey: .stem),
            stages: try values.decode([Stage].self, forKey: .stages),
            lastConv: try values.decodeIfPresent(Int.self, forKey: .lastConv) ?? 1024,
            operations: try values.decodeIfPresent([Operation].self, forKey: .operations)
                ?? Operation.allCases,
            block: try values.decodeIfPresent(BlockVariant.self, forKey: .block) ?? .official,
            stemBias: try values.decodeIfPresent(Bool.self, forKey: .stemBias) ?? false,
        )
    }

    /// Every searchable block, in the order of a genome's letters: stage by stage.
    package var positions: [Position] {
        var inputs = stem
        var positions: [Position] = []
        for (number, stage) in stages.enumerated() {
            for index in 0..<max(0, stage.blocks) {
                positions.append(
                    Position(
                        stage: number,
                        index: index,
                        inputs: inputs,
                        outputs: stage.width,
                        stride: index == 0 ? 2 : 1,
                    )
                )
                inputs = stage.width
            }
        }
        return positions
    }

    /// How many letters a genome has.
    package var length: Int { stages.reduce(0) { $0 + max(0, $1.blocks) } }

    /// This space with the widths of stride-2 blocks, or the stem's bias, changed.
    package func with(block: BlockVariant? = nil, stemBias: Bool? = nil, lastConv: Int? = nil)
        -> SearchSpace
    {
        SearchSpace(
            name: name,
            stem: stem,
            stages: stages,
            lastConv: lastConv ?? self.lastConv,
            operations: operations,
            block: block ?? self.block,
            stemBias: stemBias ?? self.stemBias,
        )
    }
}

extension SearchSpace {
    /// The spaces that a request may name: DetNAS's small, large and widened one, and one that two
    /// CPU cores can train (12 blocks).
    package static let named: [String: SearchSpace] = Dictionary(
        uniqueKeysWithValues: [
            table("detnas-300m", 16, [64, 160, 320, 640], [4, 4, 8, 4], lastConv: 1024),
            table("detnas-1.3g", 48, [96, 240, 480, 960], [8, 8, 16, 8], lastConv: 1024),
            table("detnas-3.8g", 72, [172, 432, 864, 1728], [8, 8, 16, 8], lastConv: 1728),
            table("detnas-mini", 16, [24, 48, 96, 160], [2, 3, 5, 2], lastConv: 256),
        ].map { ($0.name, $0) }
    )

    private static func table(
        _ name: String,
        _ stem: Int,
        _ widths: [Int],
        _ blocks: [Int],
        lastConv: Int,
    ) -> SearchSpace {
        SearchSpace(
            name: name,
            stem: stem,
            stages: zip(widths, blocks).map { Stage(width: $0, blocks: $1) },
            lastConv: lastConv,
        )
    }

    /// How many genomes the space has, in decimal digits.
    package var size: String {
        var digits: [Int] = [1]  // the lowest first
        for _ in 0..<length {
            var carry = 0
            for place in digits.indices {
                let product = digits[place] * operations.count + carry
                digits[place] = product % 10
                carry = product / 10
            }
            while carry > 0 {
                digits.append(carry % 10)
                carry /= 10
            }
        }
        return digits.reversed().map(String.init).joined()
    }
}
