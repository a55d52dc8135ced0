// Real weights in real blocks: a published ShuffleNetV2 body gives the numbers that are stored with it.
//
// The body is three stages of our block in its official variant with shuffle method 2 and the 3x3 operation, after a
// convolution and a max-pool; megvii's names are mapped here.

import Foundation
import NN
import TestSupport
import Testing
import Torch

@testable import Detectors
@testable import SearchSpaces

private struct Oracle: Decodable {
    struct Output: Decodable {
        let shape: [Int]
        let mean: Double
        let std: Double
        let max: Double
        let firstChannelRow: [Double]
        let channelMeans: [Double]
    }
    let outputs: [String: Output]
}

struct ShuffleNetV2WeightsTests {
    init() throws { try TorchLibrary.setThreads(1) }

    /// Ours: `stage2.0.main.1.norm.weight`. Megvii's: `stage2.0.branch_main.4.weight`, where the 7 or 4 layers of a
    /// branch are convolutions, norms and ReLUs in a row.
    private func published(_ name: String) -> String {
        var words = name.split(separator: ".").map(String.init)
        let last = words.removeLast()
        let isNorm = words.removeLast() == "norm"
        guard words.first != "first_conv" else { return "first_conv.\(isNorm ? 1 : 0).\(last)" }
        let layer = words.removeLast()
        let place: [String: Int] =
            words.last == "main" ? ["0": 0, "1": 3, "2": 5] : ["0": 0, "1": 2]
        words[words.count - 1] = words.last == "main" ? "branch_main" : "branch_proj"
        return (words + ["\((place[layer] ?? -1) + (isNorm ? 1 : 0))", last])
            .joined(separator: ".")
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `published ShuffleNetV2 weights give the stored outputs of every stage`() throws {
        let entries = try PyTorchArchive.read(
            SharedData.url("weights/shufflenetv2_backbone.pth")
        )
        let stored = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0) })
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let oracle = try decoder.decode(
            Oracle.self,
            from: Data(
                contentsOf: SharedData.url("weights/shufflenetv2_backbone.forward.json")
            ),
        ).outputs

        let path = ParameterPath(seed: 1)
        let stem = try ConvNorm(path / "first_conv", 3, 24, kernel: 3, stride: 2, relu: true)
        let space = SearchSpace(
            name: "ShuffleNetV2",
            stem: 24,
            stages: [(48, 4), (96, 8), (192, 4)].map { .init(width: $0, blocks: $1) },
        )
        let blocks = try space.positions.map { position in
            try ShuffleBlock(
                path / "stage\(position.stage + 2)" / "\(position.index)",
                position,
                .shuffle3x3,
                variant: .official,
            )
        }
        let parameters = stem.parameters + blocks.parameters
        var used: Set<String> = []
        for parameter in parameters {
            let name = published(parameter.name)
            let entry = try #require(stored[name], "\(parameter.name) should be \(name)")
            used.insert(name)
            let value = try entry.data.withUnsafeBytes {
                try Tensor(bytes: $0, shape: entry.shape, type: .float32)
            }
            try parameter.value.assign(value)
        }
        let left = stored.keys.filter { !used.contains($0) }
        #expect(left.allSatisfy { $0.hasSuffix("num_batches_tracked") })
        #expect(used.count == 275)

        let image = (0..<3 * 64 * 64).map { index -> Float in
            let c: Int = index / 4096
            let y: Int = index / 64 % 64
            let x: Int = index % 64
            let level: Int = (7919 * c + 104 * y + 31 * x) % 256
            return Float(level) / 255
        }
        try withoutGradients {
            let input = try Tensor(image, shape: [1, 3, 64, 64]).channelsLast()
            var value = try stem([input], .evaluation(nil))[0]
                .maxPool2d(kernel: 3, stride: 2, padding: 1)
            try check(value, #require(oracle["maxpool"]), "maxpool")
            for (position, block) in zip(space.positions, blocks) {
                value = try block([value], .two, .evaluation(nil))[0]
                if position.index == space.stages[position.stage].blocks - 1 {
                    let name = "stage\(position.stage + 2)"
                    try check(value, #require(oracle[name]), name)
                }
            }
        }
    }

    private func check(_ x: Tensor, _ expected: Oracle.Output, _ name: String) throws {
        #expect(x.shape == expected.shape, "\(name)")
        let values = try x.floats().map(Double.init)
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let square: Double = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let area = expected.shape[2] * expected.shape[3]
        let means = stride(from: 0, to: values.count, by: area).map { start -> Double in
            values[start..<start + area].reduce(0, +) / Double(area)
        }
        let row = Array(values.prefix(expected.shape[3]))
        func difference(_ a: [Double], _ b: [Double]) -> Double {
            zip(a, b).reduce(a.count == b.count ? 0 : .infinity) { max($0, abs($1.0 - $1.1)) }
        }
        let limit = 1e-5 * expected.max
        #expect(abs(mean - expected.mean) < limit, "\(name)")
        #expect(abs((square / count).squareRoot() - expected.std) < limit, "\(name)")
        #expect(abs((values.max() ?? 0) - expected.max) < limit, "\(name)")
        #expect(difference(row, expected.firstChannelRow) < limit, "\(name)")
        #expect(difference(means, expected.channelMeans) < limit, "\(name)")
    }
}
