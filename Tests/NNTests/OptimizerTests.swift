// SGD and AdamW against torch.optim, and what a step leaves alone.

import Foundation
import NN
import Testing
import Torch

struct OptimizerTests {
    init() throws { try TorchLibrary.setThreads(1) }

    /// The formula of the Python lines below.
    private func number(_ i: Int, _ k: Int) -> Float {
        Float((i * 37 + k * 17 + 11) % 50) / 25 - 1
    }

    private func parameters() throws -> [Parameter] {
        let kinds: [(String, Parameter.Role, [Int])] = [
            ("a", .weight, [2, 3]), ("b", .bias, [2]), ("c", .normWeight, [2]),
        ]
        return try kinds.enumerated().map { k, kind in
            let count = kind.2.reduce(1, *)
            return try Parameter(
                ParameterPath(kind.0, seed: 0),
                kind.1,
                Tensor((0..<count).map { number($0, k) }, shape: kind.2),
            )
        }
    }

    private func group(_ role: Parameter.Role) -> Optimizer.Group {
        switch role {
        case .weight, .depthwiseWeight: .init(weightDecay: 0.05)
        case .bias: .init(rateFactor: 2, weightDecay: 0)
        default: .init(weightDecay: 0)
        }
    }

    /// Gives every parameter its gradient of `step`; the first has none in steps 1 and 3.
    private func pull(_ parameters: [Parameter], step: Int) throws {
        for (k, parameter) in parameters.enumerated() where k > 0 || (step != 1 && step != 3) {
            let slopes = (0..<parameter.value.count).map { number($0, 5 * step + k + 3) }
            let slope = try Tensor(slopes, shape: parameter.value.shape)
            try (parameter.value * slope).sum().backward()
        }
    }

    private func run(_ rule: OptimizerRule, clip: Double?) throws -> [Float] {
        let parameters = try parameters()
        let optimizer = try Optimizer(parameters, rule: rule, group: group)
        for step in 0..<5 {
            try pull(parameters, step: step)
            try optimizer.step(learningRate: 0.1, clip: clip)
        }
        return try parameters.flatMap { try $0.value.floats() }
    }

    // torch 2.13.0, float64:
    //   number = lambda i, k: ((i * 37 + k * 17 + 11) % 50) / 25 - 1
    //   ps = parameters of shapes (2, 3), (2,), (2,), element i of the k-th is number(i, k)
    //   groups = [{"params": [ps[0]], "weight_decay": 0.05}, {"params": [ps[1]], "lr": 0.2, "weight_decay": 0},
    //             {"params": [ps[2]], "weight_decay": 0}]
    //   for step in range(5):
    //       element i of ps[k].grad = number(i, 5 * step + k + 3); ps[0].grad = None if step in (1, 3)
    //       if clip: torch.nn.utils.clip_grad_norm_(ps, clip)
    //       o.step()
    // with o = SGD(groups, lr=0.1, momentum=0.9) or AdamW(groups, lr=0.1, betas=(0.9, 0.99), eps=1e-8)
    private static let golden: [(rule: OptimizerRule, clip: Double?, values: [Float])] = [
        (
            .sgd(momentum: 0.9), nil,
            [
                -0.36548583, 0.62544588, 0.41044285, -0.18356019, -0.39856322, 0.59236850,
                -0.31753120, 0.52945520, 0.60943560, 0.39292880,
            ],
        ),
        (
            .sgd(momentum: 0.9), 1,
            [
                -0.44877659, 0.75058307, 0.40147178, -0.15337473, -0.50248602, 0.69687364,
                -0.05409351, 0.35280365, 0.72851409, 0.34457133,
            ],
        ),
        (
            .adamW(betas: (0.9, 0.99), epsilon: 1e-8), nil,
            [
                -0.36550928, 0.69726478, 0.34662259, -0.09286990, -0.42116772, 0.63596288,
                -0.23131353, 0.27037505, 0.59873745, 0.26508096,
            ],
        ),
        (
            .adamW(betas: (0.9, 0.99), epsilon: 1e-8), 1,
            [
                -0.36630193, 0.69769361, 0.34765194, -0.09339997, -0.42170230, 0.63661761,
                -0.14298515, 0.28530829, 0.60502974, 0.27921379,
            ],
        ),
    ]

    @Test(arguments: 0..<4)
    func `five steps end where torch's do`(index: Int) throws {
        let golden = Self.golden[index]
        let values = try run(golden.rule, clip: golden.clip)
        #expect(values.count == golden.values.count)
        for (a, b) in zip(values, golden.values) { #expect(abs(a - b) < 5e-6) }
    }

    @Test(arguments: 0..<4)
    func `a parameter without a gradient keeps every bit, as does its state`(index: Int) throws {
        let golden = Self.golden[index]
        let parameters = try parameters()
        let optimizer = try Optimizer(parameters, rule: golden.rule, group: group)
        func bits() throws -> [Data] {
            let state = try optimizer.state().filter { $0.name.hasSuffix(".a") }.map(\.value)
            return try ([parameters[0].value] + state).map { try $0.data() }
        }
        try pull(parameters, step: 0)
        try optimizer.step(learningRate: 0.1, clip: golden.clip)
        let before = try bits()
        #expect(before.count == (index < 2 ? 2 : 3))
        try pull(parameters, step: 1)
        try optimizer.step(learningRate: 0.1, clip: golden.clip)
        #expect(try bits() == before)
        let steps = try #require(optimizer.state().last)
        #expect(try steps.value.integers() == [1, 2, 2])
    }

    @Test(arguments: [1, 3])
    func `a run restored from its state goes on with the same bits`(index: Int) throws {
        let golden = Self.golden[index]
        let (a, b) = (try parameters(), try parameters())
        let whole = try Optimizer(a, rule: golden.rule, group: group)
        for step in 0..<2 {
            try pull(a, step: step)
            try whole.step(learningRate: 0.1)
        }
        for (from, to) in zip(a, b) { try to.value.assign(from.value) }
        let state = try whole.state().map { ($0.name, try $0.value.clone()) }
        let saved = Dictionary(uniqueKeysWithValues: state)
        let resumed = try Optimizer(b, rule: golden.rule, group: group)
        try resumed.restore { try #require(saved[$0], "no tensor \($0)") }
        for step in 2..<5 {
            for (parameters, optimizer) in [(a, whole), (b, resumed)] {
                try pull(parameters, step: step)
                try optimizer.step(learningRate: 0.1)
            }
        }
        #expect(try a.map { try $0.value.data() } == b.map { try $0.value.data() })
    }

    @Test func `the state of another network is refused`() throws {
        let small = try Optimizer(
            [parameters()[0]],
            rule: .sgd(momentum: 0.9),
            group: group,
        )
        let steps = try Tensor([1, 2, 3] as [Int64], shape: [3])
        #expect(throws: TorchError.self) {
            try small.restore { $0 == "optimizer.steps" ? steps : try .zeros([2, 3]) }
        }
        #expect(throws: TorchError.self) { try small.restore { _ in try .zeros([7]) } }
    }

    @Test func `the norm is that of all gradients together, and clipping alters no direction`()
        throws
    {
        let parameters = try parameters()
        let optimizer = try Optimizer(
            parameters,
            rule: .sgd(momentum: 0),
            group: { _ in .init(weightDecay: 0) },
        )
        try pull(parameters, step: 0)
        let slopes = try parameters.flatMap { try $0.value.gradient()?.floats() ?? [] }
        let norm = slopes.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(try optimizer.gradientNorm() - Double(norm)) < 1e-5)
        let before = try parameters.flatMap { try $0.value.floats() }
        try optimizer.step(learningRate: 1, clip: 0.5)
        let after = try parameters.flatMap { try $0.value.floats() }
        for ((a, b), slope) in zip(zip(before, after), slopes) {
            #expect(abs((a - b) - slope / norm * 0.5) < 1e-6)
        }
        // Gradients are dropped with the step.
        #expect(try optimizer.gradientNorm() == 0)
    }

    @Test func `running statistics are no business of the optimizer`() throws {
        let buffer = try Parameter(
            ParameterPath("running_mean", seed: 0),
            .buffer,
            .zeros([2]),
        )
        let optimizer = try Optimizer(
            [buffer],
            rule: .sgd(momentum: 0.9),
            group: group,
        )
        try optimizer.step(learningRate: 1)
        #expect(try buffer.value.floats() == [0, 0])
        #expect(try optimizer.state().map(\.name) == ["optimizer.steps"])
    }
}
