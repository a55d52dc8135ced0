// Published architectures and what they cost: `Fixtures/published.json`, made by `published.py`.

import Foundation
import SearchSpaces
import Testing

struct Published: Decodable {
    struct Network: Decodable, CustomTestStringConvertible {
        let name: String
        let space: String
        let genome: Genome
        let operations: [SearchSpaces.Operation]
        let costs: [String: Costs]

        var testDescription: String { name }
    }

    struct Costs: Decodable, Equatable {
        let backboneMacs: Int
        let backboneParams: Int
        let classifierMacs: Int
        let classifierParams: Int
    }

    struct Space: Decodable, CustomTestStringConvertible {
        struct Supernet: Decodable {
            let backbone: Int
            let withClassifier: Int
        }
        struct Statistics: Decodable {
            let min: Int
            let mean: Double
            let max: Int
            let argmin: Genome
            let argmax: Genome
        }
        let space: String
        let block: BlockVariant
        let size: String
        let supernet: Supernet
        let statistics: [String: Statistics]

        var testDescription: String { "\(space), \(block.rawValue) blocks" }
    }

    struct Table: Decodable {
        struct Row: Decodable, CustomTestStringConvertible {
            let operation: SearchSpaces.Operation
            let inputs: Int
            let outputs: Int
            let stride: Int
            let side: Int
            let macs: Int

            var testDescription: String { "\(operation.rawValue) \(inputs)-\(outputs)/\(stride)" }
        }
        let stem: Int
        let lastConvAndClassifier: Int
        let rows: [Row]
    }

    struct ClassifierCost: Decodable {
        let classifierMacs: Int
        let classifierParams: Int
    }

    let architectures: [Network]
    let spaces: [Space]
    let table: Table
    let narrowLastConv: ClassifierCost
    let sharesWithin: [String: [String: Double]]

    static let all = Result { try Fixture.decode(Published.self, "published.json") }
    static var networks: [Network] { (try? all.get().architectures) ?? [] }
    static var spaces: [Space] { (try? all.get().spaces) ?? [] }
    static var rows: [Table.Row] { (try? all.get().table.rows) ?? [] }
}

/// A network at an image size, counted by PyTorch: `Fixtures/sizes.json`, made by `sizes.py`.
struct SizedCost: Decodable, CustomTestStringConvertible {
    let space: String
    let genome: Genome
    let height: Int
    let width: Int
    let classes: Int
    let last: [Int]
    let macs: Int
    let params: Int
    let classifierMacs: Int
    let classifierParams: Int

    var testDescription: String { "\(space) at \(height)x\(width)" }

    static var all: [SizedCost] { (try? Fixture.decode([SizedCost].self, "sizes.json")) ?? [] }
}

enum Fixture {
    static func decode<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures/\(name)")
        return try decoder.decode(type, from: Data(contentsOf: file))
    }

    static func space(_ name: String, _ block: BlockVariant = .official) throws -> SearchSpace {
        try #require(SearchSpace.named[name]).with(block: block)
    }
}
