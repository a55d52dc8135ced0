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
                let kernels = block.parameters.filter {
                    [.weight, .depthwiseWeight].contains($0.role)
                }
                .map(\.value.shape)
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

    /// What pyramid and heads add to the backbone: `detector_extra_params` of detnas-numbers.json.
    struct Extra: Sendable {
        let space: String
        let detector: DetectorSettings
        let parameters: Int
    }

    private static let extras: [Extra] = {
        var official = FasterRCNNSettings(classes: 80)
        official.pyramid.norm = .batch
        official.head.norm = .batch
        official.head.boxOutputs = .classesAndBackground
        var mmrazor = official
        mmrazor.pyramid.bias = false
        mmrazor.head.bias = false
        mmrazor.head.boxOutputs = .classes
        let retinaNet = RetinaNetSettings(classes: 80, groups: nil)
        return [
            Extra(space: "300m", detector: .fasterRCNN(official), parameters: 18_886_052),
            Extra(space: "300m", detector: .fasterRCNN(mmrazor), parameters: 18_878_880),
            Extra(space: "300m", detector: .retinaNet(retinaNet), parameters: 9_701_108),
            Extra(space: "1.3g", detector: .fasterRCNN(official), parameters: 19_037_604),
            Extra(space: "1.3g", detector: .fasterRCNN(mmrazor), parameters: 19_030_432),
            Extra(space: "1.3g", detector: .retinaNet(retinaNet), parameters: 9_844_468),
            Extra(space: "3.8g", detector: .fasterRCNN(official), parameters: 19_401_124),
            Extra(space: "3.8g", detector: .fasterRCNN(mmrazor), parameters: 19_393_952),
            Extra(space: "3.8g", detector: .retinaNet(retinaNet), parameters: 10_188_532),
        ]
    }()

    @Test(arguments: extras.indices)
    func `pyramid and heads have the parameters that the official and MMRazor's have`(
        index: Int
    ) throws {
        let extra = Self.extras[index]
        let space = try #require(SearchSpace.named["detnas-\(extra.space)"])
        let only = Genome([UInt8](repeating: 0, count: space.length))
        let path = ParameterPath(seed: 1)
        let backbone = try Supernet(path / "backbone", space, shuffle: .one, only: only)
        let detector = try Detector(path, backbone, extra.detector)
        #expect(count(detector) - count(backbone) == extra.parameters)
        #expect(Set(detector.parameters.map(\.name)).count == detector.parameters.count)
    }
}
