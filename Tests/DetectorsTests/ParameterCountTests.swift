// What is built is what the search space counts.

import NN
import Testing
import Torch

@testable import Detectors
@testable import SearchSpaces

struct ParameterCountTests {
    private func count(_ module: some Module) -> Int {
        module.parameters.filter { $0.role != .buffer }.reduce(0) { $0 + $1.value.count }
    }

    @Test(arguments: BlockVariant.allCases)
    func `a block has the convolutions that its cost counts`(variant: BlockVariant) throws {
        let space = Tiny.space.with(block: variant)
        for position in space.positions {
            for operation in space.operations {
                let block = try ShuffleBlock(
                    ParameterPath(seed: 1),
                    position,
                    operation,
                    variant: variant,
                )
                let plan = BlockPlan(operation, at: position, variant: variant)
                #expect(count(block) == plan.params, "\(operation) at \(position)")
                let kernels = block.parameters.filter { $0.role == .weight }.map(\.value.shape)
                let planned = (plan.main + plan.projection).map {
                    [$0.outputs, $0.isDepthwise ? 1 : $0.inputs, $0.kernel, $0.kernel]
                }
                #expect(kernels == planned, "\(operation) at \(position)")
            }
        }
    }

    @Test func `the published COCO-FPN subnet has its 1,849,680 parameters`() throws {
        let space = try #require(SearchSpace.named["detnas-300m"]).with(stemBias: true)
        let genome = Genome([2, 1, 2, 0, 2, 1, 1, 2, 3, 3, 1, 3, 0, 0, 3, 1, 3, 1, 3, 2])
        let net = try Supernet(ParameterPath(seed: 1), space, shuffle: .two, only: genome)
        #expect(count(net) == 1_849_680)
        #expect(Set(net.parameters.map(\.name)).count == net.parameters.count)
    }
}
