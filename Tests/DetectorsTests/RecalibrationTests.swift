// Exact recalibration of batch norm: pooled over all images, layer by layer, whatever the batches; and the other ways.

import NN
import Testing
import Torch

@testable import Detectors
@testable import SearchSpaces

struct RecalibrationTests {
    init() throws { try TorchLibrary.setThreads(1) }

    private static let images = 7

    private func detector() throws -> Detector {
        let path = ParameterPath(seed: 1)
        let backbone = try Supernet(path / "backbone", Tiny.space, shuffle: .one)
        let detector = try Detector(
            path,
            backbone,
            .retinaNet(RetinaNetParityTests.settings(groups: 2)),
        )
        try Parity.fill(detector)
        return detector
    }

    /// The statistics of the path over images that fill their batches.
    private func statistics(of batches: [Tensor], in detector: Detector) throws -> NormStatistics {
        try detector.recalibrate(
            batches,
            sizes: batches.map { batch in
                [ImageSides](repeating: (width: 64, height: 64), count: batch.shape[0])
            },
            Tiny.genome,
        )
    }

    /// Seven images of one size, and the same cut into batches of the given sizes.
    private func batches(_ sizes: [Int]) throws -> [Tensor] {
        let all = try Parity.made("images", [Self.images, 3, 64, 64])
        var start = 0
        return try sizes.map { size in
            defer { start += size }
            return try all.narrow(0, start, size).channelsLast()
        }
    }

    @Test(arguments: [[1, 1, 1, 1, 1, 1, 1], [3, 4], [2, 2, 3], [6, 1]])
    func `batches of any size give the statistics of one batch of all images`(
        sizes: [Int]
    ) throws {
        let detector = try detector()
        let whole = try statistics(of: batches([Self.images]), in: detector)
        let cut = try statistics(of: batches(sizes), in: detector)
        #expect(Set(cut.layers.keys) == Set(whole.layers.keys))
        for (name, pooled) in whole.layers {
            let other = try #require(cut.layers[name])
            #expect(try Parity.difference(other.mean, pooled.mean) < 1e-5, "\(name) mean")
            #expect(
                try Parity.difference(other.variance, pooled.variance) < 1e-5,
                "\(name) variance",
            )
        }
    }

    @Test func `evaluation with these statistics is training's output of the giant batch`() throws {
        let detector = try detector()
        let statistics = try statistics(of: batches([2, 5]), in: detector)
        let all = try batches([Self.images])
        let (training, evaluation) = try withoutGradients {
            (
                try detector.backbone(all, Tiny.genome, .training),
                try detector.backbone(all, Tiny.genome, .evaluation(statistics)),
            )
        }
        for (stage, (a, b)) in zip(evaluation, training).enumerated() {
            #expect(try Parity.difference(a[0], b[0]) < 1e-5, "stage \(stage)")
        }
    }

    @Test func `recalibration has the path's norms alone and moves no running statistic`() throws {
        let detector = try detector()
        let statistics = try statistics(of: batches([3, 4]), in: detector)
        let norms = detector.backbone.parameters.map(\.name)
            .filter { Tiny.isOnPath($0) && $0.hasSuffix(".running_mean") }
            .map { String($0.dropLast(".running_mean".count)) }
        #expect(Set(statistics.layers.keys) == Set(norms))
        for parameter in detector.parameters where parameter.role == .buffer {
            let before = try Parity.made(parameter.name, parameter.value.shape)
            #expect(try parameter.value.data() == before.data(), "\(parameter.name)")
        }
    }

    @Test func `a candidate's boxes do not depend on how images are batched or ordered`() throws {
        let detector = try detector()
        let statistics = try statistics(of: batches([4, 3]), in: detector)
        func found(_ batch: Tensor) throws -> [[BoxKernels.Found]] {
            let sizes = (0..<batch.shape[0]).map { _ in (width: 64.0, height: 64.0) }
            return try withoutGradients {
                try detector.detect(batch, sizes: sizes, Tiny.genome, .evaluation(statistics))
            }
        }
        let together = try found(batches([Self.images])[0])
        let single = try batches([1, 1, 1, 1, 1, 1, 1])
        let alone = try single.map { try found($0)[0] }
        let backwards = try found(.concatenate(single.reversed(), along: 0).channelsLast())
        #expect(together.contains { $0.count == 40 })
        for other in [alone, backwards.reversed()] {
            for (a, b) in zip(together, other) {
                #expect(a.map(\.label) == b.map(\.label))
                for (a, b) in zip(a, b) {
                    #expect(abs(a.score - b.score) < 1e-5)
                    for (a, b) in zip(a.box, b.box) { #expect(abs(a - b) < 64 * 1e-5) }
                }
            }
        }
    }

    @Test func `averages are those of PyTorch's batch norms, and move no running statistic`() throws
    {
        let detector = try detector()
        let statistics = NormStatistics()
        for (index, count) in [4, 3, 2].enumerated() {
            try detector.average(
                statistics,
                momentum: 0.1,
                over: Parity.made("batch\(index)", [count, 3, 64, 64]).channelsLast(),
                [ObjectTargets](repeating: ObjectTargets(boxes: [], labels: []), count: count),
                sizes: [ImageSides](repeating: (width: 64, height: 64), count: count),
                Tiny.genome,
                seed: 0,
            )
        }
        var found: [String: Tensor] = [:]
        for (name, layer) in statistics.layers {
            found["\(name).running_mean"] = layer.mean
            found["\(name).running_var"] = layer.variance
        }
        try Parity.compare(found, "averages")
        for parameter in detector.parameters where parameter.role == .buffer {
            let before = try Parity.made(parameter.name, parameter.value.shape)
            #expect(try parameter.value.data() == before.data(), "\(parameter.name)")
        }
    }

    @Test
    func
        `an image's loss depends on the others of its batch with the batch's statistics, with exact ones not`()
        throws
    {
        let detector = try detector()
        let exact = Mode.evaluation(try statistics(of: batches([4, 3]), in: detector))
        let single = try batches([1, 1, 1, 1, 1, 1, 1])
        let objects = (0..<Self.images).map {
            RetinaNetParityTests.objects[$0 % RetinaNetParityTests.objects.count]
        }
        func losses(_ order: [[Int]], _ mode: Mode) throws -> [Double] {
            var losses = [Double](repeating: 0, count: Self.images)
            for members in order {
                let (found, _) = try withoutGradients {
                    try detector.evaluate(
                        .concatenate(members.map { single[$0] }, along: 0).channelsLast(),
                        members.map { objects[$0] },
                        sizes: members.map { _ in (width: 64, height: 64) },
                        Tiny.genome,
                        mode,
                    )
                }
                for (image, loss) in zip(members, found) { losses[image] = loss }
            }
            return losses
        }
        let (list, shuffled) = ([[0, 1, 2], [3, 4, 5], [6]], [[6, 2], [4, 0, 5], [1, 3]])
        for (one, other) in zip(try losses(list, exact), try losses(shuffled, exact)) {
            #expect(abs(one - other) < 1e-5 * one)
        }
        for (one, other) in zip(try losses(list, .batch), try losses(shuffled, .batch)) {
            #expect(abs(one - other) > 1e-3 * one)
        }
    }

    @Test func `boxes and each image's loss of one pass are those of passes of their own`() throws {
        let detector = try detector()
        let images = try batches([3])[0]
        let sizes = [(width: 64.0, height: 64.0), (60, 50), (64, 40)]
        let objects = RetinaNetParityTests.objects
        let mode = Mode.evaluation(nil)
        let (both, losses, found) = try withoutGradients {
            (
                try detector.evaluate(images, objects, sizes: sizes, Tiny.genome, mode),
                try objects.enumerated().map { image, targets in
                    Double(
                        try detector.loss(
                            images.narrow(0, image, 1),
                            [targets],
                            sizes: [sizes[image]],
                            Tiny.genome,
                            mode,
                        ).total.item()
                    )
                },
                try detector.detect(images, sizes: sizes, Tiny.genome, mode),
            )
        }
        for (one, other) in zip(both.losses, losses) { #expect(abs(one - other) < 1e-6 * other) }
        #expect(both.found == found)
    }

    @Test func `a two-stage detector's norms in pyramid and head are recalibrated too`() throws {
        var settings = RegionParityTests.cases[1].settings
        settings.pyramid.norm = .batch
        let path = ParameterPath(seed: 1)
        let backbone = try Supernet(path / "backbone", Tiny.space, shuffle: .one)
        let detector = try Detector(path, backbone, .fasterRCNN(settings))
        try Parity.fill(detector)
        let whole = try statistics(of: batches([Self.images]), in: detector)
        let norms = detector.parameters.map(\.name)
            .filter { !$0.hasPrefix("backbone.blocks") || Tiny.isOnPath($0) }
            .filter { $0.hasSuffix(".running_mean") }
            .map { String($0.dropLast(".running_mean".count)) }
        #expect(Set(whole.layers.keys) == Set(norms))
        #expect(norms.contains("head.regions.conv1.norm") && norms.contains("neck.lateral2.norm"))
        let cut = try statistics(of: batches([3, 4]), in: detector)
        for (name, pooled) in whole.layers {
            let other = try #require(cut.layers[name])
            #expect(try Parity.difference(other.mean, pooled.mean) < 1e-4, "\(name) mean")
            #expect(
                try Parity.difference(other.variance, pooled.variance) < 1e-4,
                "\(name) variance",
            )
        }
    }

    @Test func `a two-stage detector's sample is a function of the seed`() throws {
        var settings = RegionParityTests.cases[0].settings
        settings.proposals.sample = 20
        settings.regions.sample = 10
        let head = try FasterRCNNHead(ParameterPath(seed: 1), settings)
        try Parity.fill(head)
        let levels = try RegionParityTests.levels()
        func loss(_ seed: UInt64) throws -> [Float] {
            try withoutGradients {
                try head.loss(
                    levels,
                    RegionParityTests.objects,
                    sizes: RegionParityTests.sizes,
                    .training,
                    seed: seed,
                ).terms.map { try $0.value.item() }
            }
        }
        #expect(try loss(5) == loss(5))
        #expect(try loss(5) != loss(6))
    }
}
