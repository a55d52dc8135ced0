// What does not fit a network is an error that names it, never a crash.

import NN
import Testing
import Torch

@testable import Detectors
@testable import SearchSpaces

struct DetectorErrorTests {
    init() throws { try TorchLibrary.setThreads(1) }

    private let path = ParameterPath(seed: 1)

    private func detector() throws -> Detector {
        let backbone = try Supernet(path / "backbone", Tiny.space, shuffle: .one)
        return try Detector(
            path,
            backbone,
            .retinaNet(RetinaNetParityTests.settings(groups: 2)),
        )
    }

    private func pyramid(_ levels: ClosedRange<Int>) -> PyramidSettings {
        PyramidSettings(channels: 8, levels: levels, coarser: .subsampled)
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "nothing was thrown"
        } catch { return "\(error)" }
    }

    @Test func `a word of another length names both lengths`() throws {
        let net = try Supernet(path, Tiny.space, shuffle: .one)
        let x = try Tensor.zeros([1, 3, 64, 64])
        let short = Genome([0, 1])
        #expect(message { _ = try net([x], short, .training) }.contains("6 positions"))
        #expect(message { _ = try net([x], nil, .training) }.contains("6 positions"))
        #expect(
            message { _ = try Supernet(path, Tiny.space, shuffle: .one, only: short) }
                .contains("2 letters")
        )
        let unknown = Genome([0, 0, 9, 0, 0, 0])
        #expect(message { _ = try net([x], unknown, .training) }.contains("operation 9"))
    }

    @Test func `a subnet has no other operation than its own`() throws {
        let net = try Supernet(path, Tiny.space, shuffle: .one, only: Tiny.genome)
        let x = try Tensor.zeros([1, 3, 64, 64])
        #expect(
            message { _ = try net([x], Genome([2, 3, 3, 1, 0, 1]), .evaluation(nil)) }
                .contains("position 5 was built without operation 1")
        )
    }

    @Test func `images that are no images are refused`() throws {
        let net = try Supernet(path, Tiny.space, shuffle: .one)
        for shape in [[1, 4, 64, 64], [3], [1, 3, 0, 64]] {
            #expect(throws: TorchError.self, "\(shape)") {
                _ = try net([.zeros(shape)], Tiny.genome, .evaluation(nil))
            }
        }
        let text = message { _ = try net([.zeros([1, 3, 32, 32])], Tiny.genome, .training) }
        #expect(text.contains("one value a channel") && text.contains("blocks.5"))
    }

    @Test func `objects and sizes that do not fit the batch are refused`() throws {
        let net = try detector()
        let images = try Tensor.zeros([2, 3, 64, 64])
        let none = ObjectTargets(boxes: [], labels: [])
        func loss(_ objects: [ObjectTargets]) -> String {
            message {
                _ = try net.loss(
                    images,
                    objects,
                    sizes: [(64, 64), (64, 64)],
                    Tiny.genome,
                    .evaluation(nil),
                )
            }
        }
        #expect(loss([none]).contains("objects of 1 images for a batch of 2"))
        #expect(loss([none, none, none]).contains("objects of 3 images"))
        #expect(
            loss([none, ObjectTargets(boxes: [1, 2, 3, 4], labels: [3])])
                .contains("label 3: allowed are 0 to 2")
        )
        #expect(
            loss([none, ObjectTargets(boxes: [1, 2, 3], labels: [0])])
                .contains("3 coordinates for 1 labels")
        )
        #expect(
            message {
                _ = try net.detect(
                    images,
                    sizes: [(64, 64), (64, 64), (64, 64)],
                    Tiny.genome,
                    .evaluation(nil),
                )
            }.contains("sizes of 3 images for a batch of 2")
        )
    }

    @Test func `a head or pyramid that cannot be is refused`() throws {
        var settings = RetinaNetParityTests.settings(groups: 2)
        settings.anchorSizes = [8, 16]
        #expect(
            message { _ = try RetinaNetHead(path, settings) }
                .contains("2 anchor sizes for the 5 levels 3 to 7")
        )
        for levels in [6...7, 1...3, 0...9] {
            #expect(
                message {
                    _ = try FeaturePyramid(
                        path,
                        widths: [4, 8, 8, 8],
                        pyramid(levels),
                    )
                }.contains("stages are levels 2 to 5")
            )
        }
        #expect(
            message {
                _ = try FeaturePyramid(path, widths: [4, 8], pyramid(3...7))
            }.contains("levels 2 to 3")
        )
    }

    @Test func `boxes of no extent and beyond the image keep the loss finite`() throws {
        let net = try detector()
        let images = try Parity.made("images", [1, 3, 64, 64])
        let objects = ObjectTargets(
            boxes: [5, 5, 5, 5, 30, 30, 20, 20, -900, -900, 900, 900, 60, 60, 70, 70],
            labels: [0, 1, 2, 0],
        )
        let loss = try net.loss(
            images,
            [objects],
            sizes: [(64, 64)],
            Tiny.genome,
            .evaluation(nil),
        )
        #expect(try loss.total.isFinite())
    }

    @Test func `a crippled operation spoils only paths that take it`() throws {
        var net = try Supernet(path, Tiny.space, shuffle: .one)
        try Parity.fill(net)
        let x = try Parity.made("input", [2, 3, 64, 64])
        func last(_ genome: Genome) throws -> Tensor {
            try #require(try net([x], genome, .evaluation(nil)).last?.first)
        }
        let plain = try last(Genome([0, 0, 0, 0, 0, 0]))
        net.crippled = (.shuffle7x7, 0.5, 3)
        #expect(try last(Genome([0, 0, 0, 0, 0, 0])).data() == plain.data())
        let spoilt = try last(Genome([0, 0, 0, 0, 0, 2]))
        #expect(try last(Genome([0, 0, 0, 0, 0, 2])).data() == spoilt.data())
        net.crippled = nil
        #expect(try Parity.difference(last(Genome([0, 0, 0, 0, 0, 2])), spoilt) > 0.1)
    }
}
