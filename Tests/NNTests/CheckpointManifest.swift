// What a checkpoint holds, as PyTorch says.

import Foundation
import NN
import SearchSpaces
import Testing

/// One tensor of a `NAME.json` or `NAME.manifest.json`.
struct ManifestEntry: Decodable, Equatable, CustomStringConvertible {
    let name: String
    let dtype: String
    let shape: [Int]
    let sha256: String
    var sum: Double?

    var description: String { "\(name): \(dtype) \(shape) \(sha256)" }

    init(_ entry: TensorEntry) throws {
        name = entry.name
        dtype = try #require(Self.words[entry.type])
        shape = entry.shape
        sha256 = SHA256.digest(entry.data).hex
    }

    private static let words: [ElementType: String] = [
        .float64: "float64", .float32: "float32", .float16: "float16", .bfloat16: "bfloat16",
        .int64: "int64", .int32: "int32", .int16: "int16", .int8: "int8", .uint8: "uint8",
        .bool: "bool",
    ]
}

enum Fixtures {
    static func url(_ name: String) -> URL {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
    }

    static func manifest(_ name: String) throws -> [ManifestEntry] {
        try JSONDecoder().decode([ManifestEntry].self, from: Data(contentsOf: url("\(name).json")))
    }
}

/// The same numbers on every run: SplitMix64.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
