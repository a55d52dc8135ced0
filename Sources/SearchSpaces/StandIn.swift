// Stand-in until the real search spaces are merged.

package struct SearchSpace: Codable, Hashable, Sendable {
    package struct Stage: Codable, Hashable, Sendable {
        package var width: Int
        package var blocks: Int
        package init(width: Int, blocks: Int) {
            self.width = width
            self.blocks = blocks
        }
    }
    package var name: String
    package var stem: Int
    package var stages: [Stage]
    package var lastConv: Int
    package var operations: [Operation]
    package var block: BlockVariant
    package var stemBias: Bool
    package init(
        name: String,
        stem: Int,
        stages: [Stage],
        lastConv: Int,
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
    package static let named: [String: SearchSpace] = [
        "detnas-300m": SearchSpace(
            name: "detnas-300m",
            stem: 16,
            stages: [
                Stage(width: 64, blocks: 4), Stage(width: 160, blocks: 4),
                Stage(width: 320, blocks: 8), Stage(width: 640, blocks: 4),
            ],
            lastConv: 1024,
        ),
        "detnas-mini": SearchSpace(
            name: "detnas-mini",
            stem: 16,
            stages: [
                Stage(width: 24, blocks: 2), Stage(width: 48, blocks: 3),
                Stage(width: 96, blocks: 5), Stage(width: 160, blocks: 2),
            ],
            lastConv: 256,
        ),
    ]
    package func validate() -> [String] { stages.isEmpty ? ["stages: empty"] : [] }
}

package enum BlockVariant: String, Codable, CaseIterable, Sendable { case official, mmrazor }

package enum Operation: String, Codable, CaseIterable, Sendable {
    case shuffle3x3 = "shuffle_3x3"
    case shuffle5x5 = "shuffle_5x5"
    case shuffle7x7 = "shuffle_7x7"
    case xception = "shuffle_xception"
}

package enum ShuffleMethod: Int, Codable, Sendable {
    case one = 1
    case two = 2
}

package struct GenomeError: Error, CustomStringConvertible { package let description: String }

package struct Genome: Hashable, Codable, Sendable {
    package var letters: [UInt8]
    package init(parsing text: String, in space: SearchSpace) throws {
        letters = text.split(separator: ",").compactMap { UInt8($0) }
        if letters.count != space.stages.reduce(0, { $0 + $1.blocks }) {
            throw GenomeError(description: "wrong length")
        }
    }
}
