// What PyTorch gave for our networks (`Fixtures/*.json`, each made by the script beside it), and the formula that inputs
// and parameters come from on both sides.

import Foundation
import NN
import Testing
import Torch

/// One stored tensor: every `step`-th value, and the sum of all magnitudes.
struct Stored: Decodable {
    let count: Int
    let magnitude: Double
    let step: Int
    let values: [Double]
}

enum Parity {
    private static let cases = Result {
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures")
        return try ["parity.json", "region_parity.json", "averages.json"].reduce(
            into: [String: [String: Stored]]()
        ) { cases, name in
            let data = try Data(contentsOf: fixtures.appending(path: name))
            cases.merge(try JSONDecoder().decode([String: [String: Stored]].self, from: data)) {
                $1
            }
        }
    }

    /// The tensors of one case, by name.
    static func stored(_ name: String) throws -> [String: Stored] {
        try #require(cases.get()[name], "no case `\(name)` in the fixtures")
    }

    /// Numbers in 0..<1: FNV-1a of the name, then SplitMix64.
    static func unit(_ name: String, _ count: Int) -> [Double] {
        let key = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x0100_0000_01B3
        }
        return (0..<count).map { index in
            var z = key &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
        }
    }

    /// A tensor that is a function of its name: its last word says of what kind it is.
    static func made(_ name: String, _ shape: [Int]) throws -> Tensor {
        let numbers = unit(name, shape.reduce(1, *))
        let values: [Double]
        if name.hasSuffix("norm.weight") || name.hasSuffix("running_var") {
            values = numbers.map { 0.5 + $0 }
        } else if name.hasSuffix("bias") || name.hasSuffix("running_mean") {
            values = numbers.map { $0 - 0.5 }
        } else if name.hasSuffix("weight") {
            let bound = 1.5 * (3 / Double(shape.dropFirst().reduce(1, *))).squareRoot()
            values = numbers.map { (2 * $0 - 1) * bound }
        } else {
            values = numbers.map { 2 * $0 - 1 }
        }
        return try Tensor(values.map(Float.init), shape: shape)
    }

    /// An image or feature map that collects a gradient.
    static func input(_ name: String, _ shape: [Int]) throws -> Tensor {
        let input = try made(name, shape).channelsLast()
        try input.requireGradient()
        return input
    }

    static func fill(_ module: some Module) throws {
        for parameter in module.parameters {
            try parameter.value.assign(made(parameter.name, parameter.value.shape))
        }
    }

    /// A scalar that depends on every element differently.
    static func probed(_ tensors: [Tensor]) throws -> Tensor {
        let sums = try tensors.enumerated().map { index, tensor in
            try (tensor * made("probe\(index)", tensor.shape)).sum()
        }
        let start = try Tensor.zeros([])
        return try sums.reduce(start) { try $0 + $1 }
    }

    /// Every gradient, and with `buffers` every buffer whose name it accepts.
    static func results(_ module: some Module, buffers: (String) -> Bool) throws -> [String: Tensor]
    {
        var results: [String: Tensor] = [:]
        for parameter in module.parameters {
            if parameter.role == .buffer {
                if buffers(parameter.name) { results[parameter.name] = parameter.value }
            } else if let gradient = try parameter.value.gradient() {
                results["gradient \(parameter.name)"] = gradient
            }
        }
        return results
    }

    /// Holds `actual` to all stored tensors that begin with `prefix`: the same names and counts, and values whose
    /// largest difference is at most `tolerance` of the largest magnitude; where all are 0, of the largest in the case.
    ///
    /// - Parameter meant: the stored ones that are looked at; nil: all.
    static func compare(
        _ actual: [String: Tensor],
        _ name: String,
        prefix: String = "",
        among meant: Set<String>? = nil,
        tolerance: Double = 1e-5,
        sourceLocation: SourceLocation = #_sourceLocation,
    ) throws {
        let expected = try stored(name).filter {
            $0.key.hasPrefix(prefix) && meant?.contains($0.key) ?? true
        }
        let names = Set(actual.keys.map { prefix + $0 })
        #expect(names == Set(expected.keys), "\(name)", sourceLocation: sourceLocation)
        let most = expected.values.flatMap(\.values).reduce(0) { max($0, abs($1)) }
        for (key, tensor) in actual {
            guard let stored = expected[prefix + key] else { continue }
            try compare(
                tensor.floats(),
                stored,
                "\(name), \(prefix)\(key)",
                scaleOfZero: most,
                tolerance: tolerance,
                sourceLocation: sourceLocation,
            )
        }
    }

    static func compare(
        _ actual: [Float],
        _ stored: Stored,
        _ what: String,
        scaleOfZero: Double = 1,
        tolerance: Double = 1e-5,
        sourceLocation: SourceLocation = #_sourceLocation,
    ) {
        guard actual.count == stored.count else {
            Issue.record(
                "\(what): \(actual.count) values, not \(stored.count)",
                sourceLocation: sourceLocation,
            )
            return
        }
        let most = stored.values.reduce(0) { max($0, abs($1)) }
        let largest = most == 0 ? scaleOfZero : most
        let difference = stored.values.enumerated().reduce(0) {
            max($0, abs(Double(actual[$1.offset * stored.step]) - $1.element))
        }
        let magnitude = actual.reduce(0) { $0 + abs(Double($1)) }
        let scale = most == 0 ? Double(stored.count) * largest : stored.magnitude
        #expect(
            difference <= tolerance * largest,
            "\(what): off by \(difference) of \(largest)",
            sourceLocation: sourceLocation,
        )
        #expect(
            abs(magnitude - stored.magnitude) <= tolerance * scale,
            "\(what): magnitudes add up to \(magnitude), not \(stored.magnitude)",
            sourceLocation: sourceLocation,
        )
    }

    /// The largest difference of two tensors as a share of the largest magnitude in `b`.
    static func difference(_ a: Tensor, _ b: Tensor) throws -> Double {
        let (a, b) = (try a.floats(), try b.floats())
        guard a.count == b.count else { return .infinity }
        let largest = b.reduce(0) { max($0, abs($1)) }
        return Double(zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest)
    }
}
