// The searchable block against PyTorch: outputs, gradients and moved statistics.

import NN
import Testing
import Torch

@testable import Detectors
@testable import SearchSpaces

struct BlockParityTests {
    init() throws { try TorchLibrary.setThreads(1) }

    @Test(arguments: SearchSpaces.Operation.allCases, [1, 2])
    func `a block gives PyTorch's outputs, gradients and moved statistics`(
        operation: SearchSpaces.Operation,
        stride: Int,
    ) throws {
        for method in ShuffleMethod.allCases {
            try check(
                "block \(operation.rawValue) stride \(stride) method \(method.rawValue)",
                operation,
                stride: stride,
                method,
                .official,
            )
        }
    }

    @Test func `a stride-2 block of the other variant gives PyTorch's numbers too`() throws {
        try check("block mmrazor", .shuffle5x5, stride: 2, .one, .mmrazor)
    }

    private func check(
        _ name: String,
        _ operation: SearchSpaces.Operation,
        stride: Int,
        _ method: ShuffleMethod,
        _ variant: BlockVariant,
    ) throws {
        let (inputs, outputs, side) = stride == 1 ? (8, 8, 6) : (4, 12, 7)
        for (mode, label) in [(Mode.training, "training"), (.evaluation(nil), "evaluation")] {
            let block = try ShuffleBlock(
                ParameterPath(seed: 1),
                .init(stage: 0, index: 0, inputs: inputs, outputs: outputs, stride: stride),
                operation,
                variant: variant,
            )
            try Parity.fill(block)
            let x = try Parity.input("input", [2, inputs, side, side])
            let y = try block([x], method, mode)[0]
            try Parity.probed([y]).backward()
            let isTraining = label == "training"
            var results = try Parity.results(block) { _ in isTraining }
            results["output"] = y
            results["gradient input"] = try x.gradient()
            try Parity.compare(results, name, prefix: label + " ")
        }
    }
}
