// One architecture to keep or to send: what it is, what it costs and under which convention, and a
// hash that names it. All of it follows from space and genome, and is checked when read back.

package import Foundation

/// An architecture with its readable blocks and its cost.
package struct Architecture: Codable, Hashable, Sendable {
    /// One chosen block. Stage and index are counted from 0.
    package struct Block: Codable, Hashable, Sendable {
        package let stage: Int
        package let index: Int
        package let operation: Operation
        package let kernel: Int
        package let inputs: Int
        package let outputs: Int
        package let stride: Int
    }

    /// A cost, and for what it was counted.
    package struct StatedCost: Codable, Hashable, Sendable {
        package let height: Int
        package let width: Int
        package let classes: Int
        /// Backbone multiply-adds (convention A) and parameters; those of the whole classifier.
        package let macs: Int
        package let classifierMacs: Int
        package let params: Int
        package let classifierParams: Int
        /// Which convention each count of multiply-adds follows, in words.
        package let conventions: [String: String]
    }

    package let space: SearchSpace
    package let genome: Genome
    package let hash: String
    package let blocks: [Block]
    package let cost: StatedCost

    /// The architecture that `genome` names in the valid `space`, its cost for one image of
    /// `height` x `width` pixels and a classifier of `classes`.
    ///
    /// - Throws: `GenomeError` when the space has no such word.
    package init(
        space: SearchSpace,
        genome: Genome,
        height: Int = 224,
        width: Int = 224,
        classes: Int = 1000,
    ) throws(GenomeError) {
        try genome.check(in: space)
        self.space = space
        self.genome = genome
        hash = Architecture.hash(space, genome)
        blocks = zip(space.positions, genome.operations(in: space)).map { position, operation in
            Block(
                stage: position.stage,
                index: position.index,
                operation: operation,
                kernel: operation.kernel,
                inputs: position.inputs,
                outputs: position.outputs,
                stride: position.stride,
            )
        }
        let cost = space.cost(of: genome, height: height, width: width, classes: classes)
        self.cost = StatedCost(
            height: height,
            width: width,
            classes: classes,
            macs: cost.macs,
            classifierMacs: cost.classifierMacs,
            params: cost.params,
            classifierParams: cost.classifierParams,
            conventions: [
                "macs": CostConvention.backbone.stated,
                "classifierMacs": CostConvention.classifier.stated,
            ],
        )
    }

    /// The canonical JSON of what is built: the same for the same network, whatever its space is
    /// called.
    package static func identity(_ space: SearchSpace, _ genome: Genome) -> String {
        let stages = space.stages.map { #"{"blocks":\#($0.blocks),"width":\#($0.width)}"# }
        let operations = space.operations.map { "\"\($0.rawValue)\"" }
        return #"{"genome":"\#(genome)","space":{"block":"\#(space.block.rawValue)","#
            + #""lastConv":\#(space.lastConv),"operations":[\#(operations.joined(separator: ","))],"#
            + #""stages":[\#(stages.joined(separator: ","))],"stem":\#(space.stem),"#
            + #""stemBias":\#(space.stemBias)}}"#
    }

    /// `arch_` and the first 16 hexadecimal digits of the SHA-256 of `identity`.
    package static func hash(_ space: SearchSpace, _ genome: Genome) -> String {
        "arch_" + SHA256.digest(Array(identity(space, genome).utf8)).hex.prefix(16)
    }

    /// The JSON to download: keys in order, indented.
    package func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case space, genome, hash, blocks, cost
    }

    /// Reads space and genome, and refuses blocks, costs or a hash that do not follow from them.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let space = try values.decode(SearchSpace.self, forKey: .space)
        if let problem = space.validate().first {
            throw DecodingError.dataCorruptedError(
                forKey: .space,
                in: values,
                debugDescription: "space\(problem)",
            )
        }
        let cost = try values.decodeIfPresent(StatedCost.self, forKey: .cost)
        for side in [cost?.height ?? 1, cost?.width ?? 1, cost?.classes ?? 1]
        where !SearchSpace.Bounds.imageSide.contains(side) {
            throw DecodingError.dataCorruptedError(
                forKey: .cost,
                in: values,
                debugDescription: "height, width or classes is \(side); allowed: 1 to 65536",
            )
        }
        do {
            try self.init(
                space: space,
                genome: try values.decode(Genome.self, forKey: .genome),
                height: cost?.height ?? 224,
                width: cost?.width ?? 224,
                classes: cost?.classes ?? 1000,
            )
        } catch let error as GenomeError {
            throw DecodingError.dataCorruptedError(
                forKey: .genome,
                in: values,
                debugDescription: "\(error)",
            )
        }
        func agree<Value: Decodable & Equatable>(_ key: CodingKeys, _ own: Value) throws {
            guard let read = try values.decodeIfPresent(Value.self, forKey: key), read != own else {
                return
            }
            throw DecodingError.dataCorruptedError(
                forKey: key,
                in: values,
                debugDescription: "\(key.rawValue) does not follow from space and genome",
            )
        }
        try agree(.hash, hash)
        try agree(.blocks, blocks)
        try agree(.cost, self.cost)
    }
}
