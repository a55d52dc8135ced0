// Multiply-adds of pyramid and heads.

import NN
import SearchSpaces
import Testing
import Torch

@testable import Detectors

struct DetectorCostTests {
    // A = {l: -(-800 // 2**l) * -(-1344 // 2**l) for l in range(2, 8)}  # cells of each level
    // w = {2: 64, 3: 160, 4: 320, 5: 640}                               # the small space's stages
    // pyramid = sum(w[l] * 256 * A[l] + 256 * 256 * 9 * A[l] for l in range(2, 6))
    // rpn = (256 * 256 * 9 + 256 * 3 + 256 * 12) * sum(A[l] for l in range(2, 7))
    // regions = 1000 * (4 * 256 * 256 * 9 * 49 + 256 * 49 * 1024 + 1024 * 81 + 1024 * 324)
    // pyramid + rpn + regions -> 236958883072
    // pyramid = sum(w[l] * 256 * A[l] + 256 * 256 * 9 * A[l] for l in range(3, 6)) + 256 * 256 * 9 * (A[6] + A[7])
    // pyramid + (8 * 256 * 256 * 9 + 256 * 9 * 9 * 80 + 256 * 9 * 9 * 4) * sum(A[l] for l in range(3, 8)) -> 159129600000
    @Test func `the official detectors cost what their layers' sizes say`() throws {
        let space = try #require(SearchSpace.named["detnas-300m"])
        var official = FasterRCNNSettings(classes: 80)
        official.head.boxOutputs = .classesAndBackground
        for (settings, macs) in [
            (DetectorSettings.fasterRCNN(official), 236_958_883_072),
            (.retinaNet(RetinaNetSettings(classes: 80, groups: nil)), 159_129_600_000),
        ] {
            let path = ParameterPath(seed: 1)
            let backbone = try Supernet(
                path / "backbone",
                space,
                shuffle: .one,
                only: space.cheapest(),
            )
            let detector = try Detector(path, backbone, settings)
            #expect(detector.headMacs(height: 800, width: 1344) == macs)
        }
    }
}
