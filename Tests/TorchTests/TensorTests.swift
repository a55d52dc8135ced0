// Tensors: the way in and out, autograd, the split of a ShuffleNetV2 unit, moments, and errors.

import Foundation
import SearchSpaces
import Testing

@testable import Torch

struct TensorTests {
    init() throws { try TorchLibrary.setThreads(1) }

    private func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var random = CounterRandom(seed: seed)
        return (0..<count).map { _ in Float(random.normal()) }
    }

    @Test func `elements come out in row-major order whatever lies in memory`() throws {
        let values = (0..<24).map(Float.init)
        let x = try Tensor(values, shape: [1, 2, 3, 4])
        #expect(try x.channelsLast().floats() == values)
        #expect(
            try x.permute([0, 2, 3, 1]).floats()
                == (0..<12).flatMap { [Float($0), Float($0 + 12)] }
        )
        let bytes = try x.narrow(3, 1, 2).data()
        let narrowed: [Float] = [1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22]
        #expect(bytes == narrowed.withUnsafeBytes { Data($0) })
        #expect(try x.to(.int64).integers() == Array(0..<24))
        #expect(try Tensor([Float](), shape: [0, 3]).floats().isEmpty)
    }

    @Test func `shapes that cannot be are errors that say so`() throws {
        let bytes: [UInt8] = [1, 2, 3, 4]
        for shape in [[2], [Int.max, 4], [-1, -4], [0, Int.max, Int.max]] {
            #expect(throws: TorchError.self, "\(shape)") {
                try bytes.withUnsafeBytes {
                    _ = try Tensor(bytes: $0, shape: shape, type: .uint8)
                }
            }
        }
        #expect(throws: TorchError.self) { try Tensor.full([-1], 0) }
        #expect(throws: TorchError.self) { try Tensor.zeros([1, 1, 1, 1, 1, 1, 1, 1, 1]) }
        #expect(throws: TorchError.self) {
            try Tensor.zeros([1]).reshape([1, 1, 1, 1, 1, 1, 1, 1, 1])
        }
    }

    @Test func `operands that do not fit are errors with a message`() throws {
        let image = try Tensor.zeros([1, 6, 4, 4])
        let matrix = try Tensor.zeros([2, 3])
        let calls: [(String, () throws -> Any)] = [
            ("matmul", { try matrix.matmul(matrix) }),
            ("sum of shapes", { try matrix + Tensor.zeros([2, 4]) }),
            ("reshape", { try matrix.reshape([4]) }),
            ("narrow", { try matrix.narrow(1, 2, 5) }),
            ("no such dimension", { try matrix.sum([7]) }),
            ("permute", { try matrix.permute([0, 0]) }),
            ("rows", { try matrix.select(rows: Tensor([5 as Int64], shape: [1])) }),
            ("concatenate", { try Tensor.concatenate([matrix, image], along: 0) }),
            ("nothing to concatenate", { try Tensor.concatenate([], along: 0) }),
            ("item", { try matrix.item() }),
            ("topk", { try matrix.topk(4) }),
            ("channels last", { try matrix.channelsLast() }),
            (
                "conv2d",
                { try image.conv2d(.zeros([2, 3, 3, 3]), bias: nil, stride: 1, padding: 1) },
            ),
            (
                "stride 0",
                { try image.conv2d(.zeros([2, 6, 3, 3]), bias: nil, stride: 0, padding: 1) },
            ),
            ("linear", { try matrix.linear(.zeros([5, 4]), bias: nil) }),
            (
                "group norm",
                { try image.groupNorm(groups: 4, weight: matrix, bias: matrix, epsilon: 0) },
            ),
            ("max pool", { try image.maxPool2d(kernel: 9, stride: 1, padding: 0) }),
            ("split of 6 channels", { try image.channelSplit(method: 1) }),
            ("split of a matrix", { try matrix.channelSplit(method: 1) }),
            ("shuffle method 3", { try Tensor.zeros([1, 4, 2, 2]).channelSplit(method: 3) }),
            (
                "label 3 of 3",
                { try matrix.crossEntropy(labels: Tensor([0, 3] as [Int64], shape: [2])) },
            ),
            (
                "focal targets",
                {
                    try matrix.focalLossSum(
                        targets: Tensor([0] as [Int32], shape: [1]),
                        alpha: 0.25,
                        gamma: 2,
                    )
                },
            ),
            (
                "focal targets of int64",
                {
                    try matrix.focalLossSum(
                        targets: Tensor([0, 0] as [Int64], shape: [2]),
                        alpha: 0.25,
                        gamma: 2,
                    )
                },
            ),
            ("smooth L1", { try matrix.smoothL1Sum(matrix, beta: -1) }),
            ("backward of a constant", { try matrix.sum().backward() }),
            ("assign", { try matrix.assign(.zeros([3, 2])) }),
            ("no CUDA device 99", { try matrix.to(Device.cuda(99)) }),
        ]
        for (name, call) in calls {
            do {
                _ = try call()
                Issue.record("\(name): nothing was thrown")
            } catch let error as TorchError {
                #expect(error.description.count > 10, "\(name)")
                #expect(!error.description.contains("Exception raised from"), "\(name)")
            }
        }
    }

    @Test func `gradients are kept apart from computing without them`() throws {
        let x = try Tensor([1.0, 2, 3], shape: [3])
        try x.requireGradient()
        try (x * x).sum().backward()
        #expect(try x.gradient()?.floats() == [2, 4, 6])
        try x.clearGradient()
        #expect(try x.gradient() == nil)
        struct Stop: Error {}
        #expect(throws: Stop.self) { try withoutGradients { throw Stop() } }
        let silent = try withoutGradients { try (x * x).sum() }
        #expect(throws: TorchError.self) { try silent.backward() }
        try (x * x).sum().backward()
        #expect(try x.gradient()?.floats() == [2, 4, 6])
        #expect(try x.gradientSquareSum() == 56)
    }

    @Test(arguments: [1, 2], [false, true])
    func `a split takes the channels that its method says`(method: Int, isLast: Bool) throws {
        let channels = 12
        let plain = try Tensor(numbers(2 * channels * 15, seed: 1), shape: [2, channels, 3, 5])
        let x = isLast ? try plain.channelsLast() : plain
        let half = channels / 2
        let order: [Int64] =
            method == 1
            ? (0..<channels).map { Int64($0 / 2 + $0 % 2 * half) }
            : (0..<channels).map { Int64($0 % half * 2 + $0 / half) }
        let chosen = try plain.permute([1, 0, 2, 3])
            .select(rows: Tensor(order, shape: [channels])).permute([1, 0, 2, 3])
        let (identity, main) = try x.channelSplit(method: method)
        #expect(try identity.floats() == chosen.narrow(1, 0, half).floats())
        #expect(try main.floats() == chosen.narrow(1, half, half).floats())
    }

    @Test(arguments: [2.0, 1.5, 0])
    func `the focal kernel and the same from library operations agree`(gamma: Double) throws {
        let (rows, classes) = (40, 5)
        var random = CounterRandom(seed: 5)
        let targets = try Tensor(
            (0..<rows).map { _ in Int32(random.below(classes + 2)) - 2 },
            shape: [1, rows],
        )
        let values = numbers(rows * classes, seed: 3).map { 6 * $0 }
        func run(_ type: DType) throws -> (loss: Float, gradient: [Float]) {
            let x = try Tensor(values, shape: [1, rows, classes])
            try x.requireGradient()
            let loss = try x.to(type)
                .focalLossSum(targets: targets, alpha: 0.25, gamma: gamma)
            try (loss * 3).backward()
            return (try loss.item(), try #require(try x.gradient()).floats())
        }
        let (kernel, composed) = (try run(.float32), try run(.float64))
        #expect(abs(kernel.loss - composed.loss) < 1e-5 * composed.loss)
        let largest = composed.gradient.map(abs).max() ?? 0
        for (a, b) in zip(kernel.gradient, composed.gradient) {
            #expect(abs(a - b) < 1e-5 * largest)
        }
    }

    @Test func `focal loss stays finite where a logit is extreme`() throws {
        let x = try Tensor([400.0, -400, 400, -400, 90, -90], shape: [3, 2])
        try x.requireGradient()
        let targets = try Tensor([0, 1, -1] as [Int32], shape: [3])
        let loss = try x.focalLossSum(targets: targets, alpha: 0.25, gamma: 2)
        try loss.backward()
        // Row 2 is all wrong: 0.75 x 400 and 0.25 x 400; row 3: 0.75 x 90.
        #expect(abs(try loss.item() - 467.5) < 1e-3)
        #expect(try #require(try x.gradient()).isFinite())
        let broken = try Tensor([.nan, 1], shape: [1, 2])
        let none = try Tensor([-1] as [Int32], shape: [1])
        #expect(try !broken.focalLossSum(targets: none, alpha: 0.25, gamma: 2).isFinite())
    }

    @Test func `pooled moments keep the variance of a channel far from zero`() throws {
        let shape = [5, 3, 16, 16]
        let count = 5 * 16 * 16
        // Channel 0 around 0, channel 1 around 1000, channel 2 constant.
        let noise = numbers(shape.reduce(1, *), seed: 11)
        let values = noise.enumerated().map { index, value in
            [value, 1000 + value, 7][index / 256 % 3]
        }
        let x = try Tensor(values, shape: shape)
        var whole = ChannelMoments(channels: 3)
        try x.addMoments(to: &whole)
        var parts = ChannelMoments(channels: 3)
        for (start, length) in [(0, 1), (1, 3), (4, 1)] {
            try x.narrow(0, start, length).channelsLast().addMoments(to: &parts)
        }
        #expect(whole.count == Int64(count) && parts.count == Int64(count))
        for channel in 0..<3 {
            let own = values.enumerated().filter { $0.offset / 256 % 3 == channel }
                .map { Double($0.element) }
            let mean = own.reduce(0, +) / Double(count)
            let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
            for moments in [whole, parts] {
                #expect(abs(moments.mean[channel] - mean) <= 1e-6 * max(1, abs(mean)))
                #expect(abs(moments.variance[channel] - variance) <= 1e-6 * variance + 1e-9)
            }
        }
        #expect(throws: TorchError.self) {
            var other = ChannelMoments(channels: 4)
            try x.addMoments(to: &other)
        }
        #expect(ChannelMoments(channels: 2).variance == [0, 0])
    }

    @Test func `what is not finite is found`() throws {
        #expect(try Tensor([1.0, 2], shape: [2]).isFinite())
        #expect(try !Tensor([1, .nan], shape: [2]).isFinite())
        #expect(try !Tensor([-.infinity, 1], shape: [2]).isFinite())
    }

    @Test func `normal values are a function of the seed`() throws {
        let like = try Tensor.zeros([3, 50])
        let a = try Tensor.normal(like: like, seed: 4).floats()
        #expect(try a == Tensor.normal(like: like, seed: 4).floats())
        #expect(try a != Tensor.normal(like: like, seed: 5).floats())
    }
}
