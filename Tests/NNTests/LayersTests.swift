// Layers: names, first values, shapes, and the three ways of batch norm.

import NN
import Testing
import Torch

struct LayersTests {
    init() throws { try TorchLibrary.setThreads(1) }

    private let path = ParameterPath("net", seed: 3)

    private func values(_ count: Int) -> [Float] {
        (0..<count).map { Float(($0 * 37 + 11) % 50) / 25 - 1 }
    }

    @Test func `parameters are named by their path and know their role`() throws {
        let layer = try ConvNorm(path / "stem", 3, 8, kernel: 3, relu: true, bias: true)
        let expected: [(String, Parameter.Role)] = [
            ("net.stem.conv.weight", .weight), ("net.stem.conv.bias", .bias),
            ("net.stem.norm.weight", .normWeight), ("net.stem.norm.bias", .normBias),
            ("net.stem.norm.running_mean", .buffer), ("net.stem.norm.running_var", .buffer),
        ]
        #expect(layer.parameters.map(\.name) == expected.map(\.0))
        #expect(layer.parameters.map(\.role) == expected.map(\.1))
        #expect(
            try Linear(ParameterPath(seed: 1), 2, 3).parameters.map(\.name) == ["weight", "bias"]
        )
    }

    @Test func `first values are a function of seed and name, with the rule's deviation`() throws {
        let layer = try Conv2d(path / "a", 16, 40, kernel: 3)
        let same = try Conv2d(path / "a", 16, 40, kernel: 3)
        let other = try Conv2d(path / "b", 16, 40, kernel: 3)
        let values = try layer.weight.value.floats()
        #expect(try values == same.weight.value.floats())
        #expect(try values != other.weight.value.floats())
        let mean = values.reduce(0, +) / Float(values.count)
        let deviation = (values.reduce(0) { $0 + $1 * $1 } / Float(values.count)).squareRoot()
        #expect(abs(mean) < 0.003)
        #expect(abs(deviation - 1 / 16) < 0.002)
        let bounded = try Conv2d(path / "c", 16, 40, kernel: 3, initial: .uniform(bound: 0.2))
        let most = try bounded.weight.value.floats().map(abs).max()
        #expect(try #require(most) <= 0.2)
        #expect(try #require(most) > 0.199)
    }

    @Test(arguments: [(1, 1, 5), (3, 1, 5), (3, 2, 3), (7, 2, 3), (5, 1, 5)])
    func `a convolution halves by its stride and else keeps the size`(
        kernel: Int,
        stride: Int,
        side: Int,
    ) throws {
        let layer = try Conv2d(path, 4, 8, kernel: kernel, stride: stride, groups: 2)
        #expect(try layer(.zeros([2, 4, 5, 5])).shape == [2, 8, side, side])
    }

    @Test func `a convolution that cannot be is refused`() {
        for (inputs, outputs, groups) in [
            (0, 4, 1), (4, -2, 1), (4, 4, 0), (4, 6, 3), (6, 4, 3),
        ] {
            #expect(throws: TorchError.self) {
                try Conv2d(path, inputs, outputs, kernel: 3, groups: groups)
            }
        }
    }

    @Test func `a linear layer is a matrix product and a bias`() throws {
        let layer = try Linear(path, 3, 2)
        try layer.parameters[0].value.assign(Tensor([1.0, 2, 3, 4, 5, 6], shape: [2, 3]))
        try layer.parameters[1].value.assign(Tensor([10.0, 20], shape: [2]))
        let y = try layer(Tensor([1.0, 0, -1, 2, 2, 2], shape: [2, 3]))
        #expect(try y.floats() == [8, 18, 22, 50])
    }

    // torch 2.13.0: x = tensor([((i * 37 + 11) % 50) / 25 - 1 for i in range(12)]).reshape(3, 4)
    //   F.cross_entropy(x, tensor([3, 0, 1]), label_smoothing=0.1)      and its gradient, with
    //   the numbers shifted by k = 3 as in OptimizerTests: (i * 37 + 3 * 17 + 11) % 50
    @Test func `smoothed cross-entropy is PyTorch's`() throws {
        let values = (0..<12).map { Float(($0 * 37 + 62) % 50) / 25 - 1 }
        let x = try Tensor(values, shape: [3, 4])
        try x.requireGradient()
        let labels: [Int64] = [3, 0, 1]
        let loss = try x.crossEntropy(labels: Tensor(labels, shape: [3]), smoothing: 0.1)
        try loss.backward()
        #expect(abs(try loss.item() - 1.609_310_3) < 1e-5)
        let expected: [Float] = [
            0.02654384, 0.14488019, 0.08275525, -0.25417927, -0.27345613, 0.14488018, 0.08275525,
            0.0458207, 0.02654384, -0.15511981, 0.08275525, 0.0458207,
        ]
        for (a, b) in zip(try #require(try x.gradient()).floats(), expected) {
            #expect(abs(a - b) < 1e-6)
        }
    }

    @Test func `training moves running statistics by a tenth, the variance unbiased`() throws {
        let norm = try BatchNorm2d(path, 1)
        let x = try Tensor([1.0, 2, 3, 6], shape: [1, 1, 2, 2])
        _ = try norm([x], .training)
        // Mean 3, unbiased variance 14 / 3; before: 0 and 1.
        let moved = try norm.parameters.suffix(2).map { try $0.value.item() }
        #expect(abs(moved[0] - 0.3) < 1e-6)
        #expect(abs(moved[1] - (0.9 + 1.4 / 3)) < 1e-6)
    }

    @Test func `statistics of one value are refused`() throws {
        let norm = try BatchNorm2d(path, 4)
        #expect(throws: TorchError.self) { try norm([.zeros([1, 4, 1, 1])], .training) }
        #expect(throws: TorchError.self) { try norm([.zeros([0, 4, 2, 2])], .training) }
        #expect(try norm([.zeros([2, 4, 1, 1])], .training)[0].shape == [2, 4, 1, 1])
    }

    @Test func `calibration pools all batches before it normalises any`() throws {
        let norm = try BatchNorm2d(path, 2)
        let all = try Tensor(values(5 * 2 * 9), shape: [5, 2, 3, 3])
        let parts = try [all.narrow(0, 0, 1), all.narrow(0, 1, 3), all.narrow(0, 4, 1)]
        let statistics = NormStatistics()
        let calibrated = try norm(parts, .calibration(statistics))
        #expect(Array(statistics.layers.keys) == ["net"])
        let pooled = try Tensor.concatenate(calibrated, along: 0).floats()
        let evaluated = try norm([all], .evaluation(statistics))[0].floats()
        #expect(pooled == evaluated)
        let trained = try norm([all], .training)[0].floats()
        for (a, b) in zip(pooled, trained) { #expect(abs(a - b) < 1e-5) }
    }

    @Test func `group norm does not see other images`() throws {
        let norm = try GroupNorm(path, groups: 2, channels: 4)
        let all = try Tensor(values(3 * 4 * 9), shape: [3, 4, 3, 3])
        let together = try norm(all).narrow(0, 1, 1).floats()
        #expect(try norm(all.narrow(0, 1, 1)).floats() == together)
    }
}
