// Whole networks against PyTorch: a supernet's path, the classifier over it, and the pyramid.

import NN
import Testing
import Torch

@testable import Detectors
@testable import SearchSpaces

/// A supernet of six blocks that trains in a blink.
enum Tiny {
    static let space = SearchSpace(
        name: "tiny",
        stem: 8,
        stages: [(16, 2), (24, 1), (32, 2), (48, 1)].map { .init(width: $0, blocks: $1) },
        lastConv: 20,
    )
    static let genome = Genome([2, 3, 3, 1, 0, 2])

    /// Whether a parameter belongs to the path of `genome`.
    static func isOnPath(_ name: String) -> Bool {
        let words = name.split(separator: ".")
        guard let blocks = words.firstIndex(of: "blocks") else { return true }
        let operations = genome.operations(in: space)
        return Int(words[blocks + 1]).map { operations[$0].rawValue == words[blocks + 2] } ?? false
    }
}

struct NetworkParityTests {
    init() throws { try TorchLibrary.setThreads(1) }

    @Test(arguments: ShuffleMethod.allCases)
    func `a path through the supernet gives PyTorch's stages and gradients`(
        method: ShuffleMethod
    ) throws {
        for (mode, label) in [(Mode.training, "training"), (.evaluation(nil), "evaluation")] {
            let net = try Supernet(ParameterPath(seed: 1), Tiny.space, shuffle: method)
            try Parity.fill(net)
            let x = try Parity.input(method == .one ? "input0" : "input4", [2, 3, 64, 96])
            let stages = try net([x], Tiny.genome, mode).map { $0[0] }
            try Parity.probed(stages).backward()
            let isTraining = label == "training"
            var results = try Parity.results(net) { isTraining && Tiny.isOnPath($0) }
            for (index, stage) in stages.enumerated() { results["stage \(index)"] = stage }
            results["gradient input"] = try x.gradient()
            try Parity.compare(
                results,
                "supernet method \(method.rawValue)",
                prefix: label + " ",
            )
        }
    }

    @Test func `blocks that a path leaves out get no gradient and keep their statistics`() throws {
        let net = try Supernet(ParameterPath(seed: 1), Tiny.space, shuffle: .one)
        try Parity.fill(net)
        let stages = try net([Parity.input("input", [2, 3, 64, 96])], Tiny.genome, .training)
        try Parity.probed(stages.map { $0[0] }).backward()
        var left = 0
        for parameter in net.parameters where !Tiny.isOnPath(parameter.name) {
            left += 1
            #expect(try parameter.value.gradient() == nil, "\(parameter.name)")
            let before = try Parity.made(parameter.name, parameter.value.shape)
            #expect(try parameter.value.data() == before.data(), "\(parameter.name)")
        }
        #expect(left > 200)
    }

    @Test func `a subnet is the supernet's path under the same names`() throws {
        let whole = try Supernet(ParameterPath(seed: 1), Tiny.space, shuffle: .one)
        let part = try Supernet(
            ParameterPath(seed: 1),
            Tiny.space,
            shuffle: .one,
            only: Tiny.genome,
        )
        #expect(
            part.parameters.map(\.name)
                == whole.parameters.map(\.name).filter(Tiny.isOnPath)
        )
        let x = try Parity.made("input", [2, 3, 64, 64])
        let a = try withoutGradients { try whole([x], Tiny.genome, .evaluation(nil)) }
        let b = try withoutGradients { try part([x], nil, .evaluation(nil)) }
        #expect(try zip(a, b).allSatisfy { try $0[0].data() == $1[0].data() })
    }

    @Test func `a classifier gives PyTorch's logits, smoothed loss and gradients`() throws {
        let path = ParameterPath(seed: 1)
        for (mode, label) in [(Mode.training, "training"), (.evaluation(nil), "evaluation")] {
            let backbone = try Supernet(path / "backbone", Tiny.space, shuffle: .one)
            let net = try Classifier(path, backbone, classes: 5, dropout: 0.2)
            try Parity.fill(net)
            let x = try Parity.made("input", [3, 3, 64, 96])
            let logits = try net([x], Tiny.genome, mode)[0]
            let labels: [Int64] = [4, 0, 2]
            let loss = try logits.crossEntropy(labels: Tensor(labels, shape: [3]), smoothing: 0.1)
            try loss.backward()
            var results = try Parity.results(net) { _ in false }
                .filter { !$0.key.contains("backbone") }
            results["logits"] = logits
            results["loss"] = loss
            try Parity.compare(results, "classifier", prefix: label + " ")
        }
    }

    @Test func `dropout drops whole channels by its seed and keeps the mean`() throws {
        let path = ParameterPath(seed: 1)
        let backbone = try Supernet(path / "backbone", Tiny.space, shuffle: .one)
        let net = try Classifier(path, backbone, classes: 5, dropout: 0.5)
        try Parity.fill(net)
        let x = try Parity.made("input", [3, 3, 64, 96])
        func logits(_ seed: UInt64?) throws -> [Float] {
            try net([x], Tiny.genome, .evaluation(nil), dropoutSeed: seed)[0].floats()
        }
        let plain = try logits(nil)
        #expect(try logits(7) == logits(7))
        #expect(try logits(7) != logits(8))
        let draws = 400
        var mean = [Float](repeating: 0, count: plain.count)
        for seed in 0..<draws {
            mean = try zip(mean, logits(UInt64(seed))).map { $0 + $1 / Float(draws) }
        }
        let largest = plain.map(abs).max() ?? 0
        for (a, b) in zip(mean, plain) { #expect(abs(a - b) < 0.15 * largest) }
    }

    @Test(arguments: [3...7, 2...4])
    func `a pyramid gives PyTorch's levels and gradients`(levels: ClosedRange<Int>) throws {
        let widths = [8, 12, 16, 20]
        let net = try FeaturePyramid(
            ParameterPath(seed: 1),
            widths: widths,
            PyramidSettings(
                channels: 8,
                levels: levels,
                coarser: .convolved(fromBackbone: false, relu: true),
            ),
        )
        try Parity.fill(net)
        let stages = try widths.enumerated().map {
            try Parity.input("stage\($0)", [1, $1, 32 >> $0, 64 >> $0])
        }
        let outputs = try net(stages.map { [$0] }, .training).map { $0[0] }
        try Parity.probed(outputs).backward()
        var results = try Parity.results(net) { _ in false }
        for (level, output) in zip(levels, outputs) { results["level \(level)"] = output }
        for (index, stage) in stages.enumerated() {
            results["gradient stage \(index)"] = try stage.gradient()
        }
        try Parity.compare(results, "pyramid \(levels.lowerBound) to \(levels.upperBound)")
    }
}
