// RoIAlign and Faster R-CNN against plain PyTorch operations (`Fixtures/make_region_parity.py`).

import NN
import Testing
import Torch

@testable import Detectors

struct RegionParityTests {
    init() throws { try TorchLibrary.setThreads(1) }

    /// As in the script: inside, over the border, smaller than a cell, the whole image, and outside of it.
    private static let regions: [Float] = [
        0, 3, 5, 40.5, 33,
        1, -20, -9, 30, 18,
        1, 50, 40, 80, 90,
        0, 10, 10, 10.5, 10.25,
        1, 0, 0, 64, 48,
        0, 120, 130, 150, 150,
    ]

    @Test(arguments: [0, 2], [false, true])
    func `RoIAlign and its gradient are those of plain operations`(samples: Int, aligned: Bool)
        throws
    {
        let map = try Parity.input("map", [2, 5, 12, 16])
        let pooled = try map.roiAlign(
            Self.regions,
            scale: 0.25,
            size: 3,
            samples: samples,
            aligned: aligned,
        )
        try Parity.probed([pooled]).backward()
        try Parity.compare(
            ["output": pooled, "gradient map": try #require(try map.gradient())],
            "align \(samples) \(aligned ? "True" : "False")",
        )
    }

    /// Other devices have no kernel here; doubles take the same way.
    @Test(arguments: [0, 2], [false, true])
    func `RoIAlign composed of library operations is the kernel's`(samples: Int, aligned: Bool)
        throws
    {
        func gradient(_ type: DType) throws -> (Tensor, Tensor) {
            let map = try Parity.made("map", [2, 5, 12, 16]).to(type)
            try map.requireGradient()
            let pooled = try map.roiAlign(
                Self.regions,
                scale: 0.25,
                size: 3,
                samples: samples,
                aligned: aligned,
            )
            try Parity.probed([pooled.to(.float32)]).backward()
            return (pooled, try #require(try map.gradient()))
        }
        let (kernel, kernelSlope) = try gradient(.float32)
        let (composed, composedSlope) = try gradient(.float64)
        #expect(try Parity.difference(kernel, composed) < 1e-5)
        #expect(try Parity.difference(kernelSlope, composedSlope) < 1e-5)
    }

    @Test(arguments: [1, 2])
    func `RoIAlign gives the same bytes for any number of threads`(threads: Int) throws {
        func run(_ threads: Int) throws -> [Float] {
            try TorchLibrary.setThreads(threads)
            let map = try Parity.input("map", [2, 5, 12, 16])
            let pooled = try map.roiAlign(
                Self.regions,
                scale: 0.25,
                size: 7,
                samples: 2,
                aligned: true,
            )
            try Parity.probed([pooled]).backward()
            return try pooled.floats() + #require(try map.gradient()).floats()
        }
        #expect(try run(threads) == run(1))
    }

    @Test func `a region of an image that is not there is refused`() throws {
        let map = try Parity.made("map", [2, 5, 12, 16])
        for image in [Float(2), -1] {
            #expect(throws: TorchError.self) {
                try map.roiAlign(
                    [image, 1, 1, 5, 5],
                    scale: 1,
                    size: 2,
                    samples: 1,
                    aligned: true,
                )
            }
        }
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let settings: FasterRCNNSettings
        var testDescription: String { name }
    }

    /// Samples as large as what they are taken from, so that nothing is random.
    static let cases: [Case] = {
        var modern = FasterRCNNSettings(classes: 3, channels: 8)
        modern.proposals.anchorSizes = [8, 16, 32, 64, 128]
        modern.proposals.dropOverBorder = true
        modern.proposals.foregroundIoU = 0.6
        modern.proposals.sample = 1_000_000
        modern.proposals.positiveShare = 0.5
        modern.proposals.training = .init(before: 40, suppression: 0.7, after: 12)
        modern.proposals.trainingLimit = 25
        modern.proposals.evaluation = .init(before: 30, suppression: 0.7, after: 10)
        modern.proposals.evaluationLimit = 20
        modern.regions.foregroundIoU = 0.3
        modern.regions.sample = 1_000_000
        modern.regions.size = 3
        modern.regions.canonicalSize = 32
        modern.head.convolutions = 2
        modern.head.norm = .group(groups: 2)
        modern.head.width = 16
        modern.thresholds = .init(score: 0.2, perLevel: .max, suppression: 0.5, limit: 15)
        var legacy = modern
        legacy.convention = .legacy
        legacy.regions.samples = 0
        legacy.regions.aligned = false
        legacy.head.norm = .batch
        legacy.head.boxOutputs = .classesAndBackground
        var shared = modern
        shared.regions.size = 2
        shared.regions.samples = 1
        shared.head.boxOutputs = .shared
        return [
            Case(name: "faster modern", settings: modern),
            Case(name: "faster legacy", settings: legacy),
            Case(name: "faster shared", settings: shared),
        ]
    }()

    /// As in the script. No anchor holds a whole object: all those that do overlap it alike, up to rounding.
    static let objects = [
        ObjectTargets(
            boxes: [4, 6, 30.5, 28.25, 20.25, 17.5, 58, 60.75, 41.5, 3.75, 52.25, 14.5],
            labels: [0, 2, 1],
        ),
        ObjectTargets(boxes: [], labels: []),
        ObjectTargets(boxes: [10.5, 12.25, 40.75, 33], labels: [1]),
    ]

    static let sizes: [ImageSides] = [(64, 64), (60.5, 50), (64, 40)]

    static func levels() throws -> [Tensor] {
        try [16, 8, 4, 2, 1].enumerated().map { try Parity.input("level\($0)", [3, 8, $1, $1]) }
    }

    @Test(arguments: cases)
    func `losses and gradients are those of plain PyTorch`(_ given: Case) throws {
        let head = try FasterRCNNHead(ParameterPath(seed: 1), given.settings)
        try Parity.fill(head)
        let levels = try Self.levels()
        let loss = try head.loss(
            levels,
            Self.objects,
            sizes: Self.sizes,
            .training,
            seed: 0,
        )
        try loss.total.backward()
        var results = try Parity.results(head) { $0.contains("running") }
        for (name, value) in loss.terms { results[name] = value }
        for (index, level) in levels.enumerated() {
            results["gradient level\(index)"] = try #require(try level.gradient())
        }
        let stored = try Parity.stored(given.name)
        for name in Set(stored.keys).subtracting(results.keys) {
            #expect(
                name.hasPrefix("count") || name.hasPrefix("proposals")
                    || name.hasPrefix("detections"),
                "\(name)",
            )
        }
        try Parity.compare(results, given.name, among: Set(results.keys))
    }

    @Test(arguments: cases)
    func `detections are those of plain Python`(_ given: Case) throws {
        let head = try FasterRCNNHead(ParameterPath(seed: 1), given.settings)
        try Parity.fill(head)
        let levels = try Self.levels()
        // The script's running statistics have seen one training step.
        if given.settings.head.norm == .batch {
            _ = try head.loss(
                levels,
                Self.objects,
                sizes: Self.sizes,
                .training,
                seed: 0,
            )
        }
        let found = try withoutGradients {
            try head.detect(levels, sizes: Self.sizes, .evaluation(nil))
        }
        for (image, found) in found.enumerated() {
            let stored = try #require(Parity.stored(given.name)["detections \(image)"])
            let actual = found.flatMap { $0.box + [$0.score, Float($0.label)] }
            Parity.compare(actual, stored, "\(given.name), image \(image)")
        }
    }

    @Test(arguments: cases)
    func `proposals are those of plain Python`(_ given: Case) throws {
        let head = try FasterRCNNHead(ParameterPath(seed: 1), given.settings)
        try Parity.fill(head)
        let levels = try Self.levels()
        let proposals = try ProposalHead(
            ParameterPath("proposals", seed: 1),
            given.settings,
        )
        try Parity.fill(proposals)
        let found = try withoutGradients {
            try proposals.propose(proposals.outputs(levels), Self.sizes, training: true)
        }
        for (image, found) in found.enumerated() {
            let stored = try #require(Parity.stored(given.name)["proposals \(image)"])
            Parity.compare(found.boxes, stored, "\(given.name), image \(image)")
        }
    }

    @Test func `the two-stage pyramid with batch norms is PyTorch's`() throws {
        let widths = [8, 12, 16, 20]
        var settings = PyramidSettings(channels: 8, levels: 2...6, coarser: .subsampled)
        settings.norm = .batch
        settings.bias = false
        let net = try FeaturePyramid(ParameterPath(seed: 1), widths: widths, settings)
        try Parity.fill(net)
        let stages = try widths.enumerated().map {
            try Parity.input("stage\($0)", [4, $1, 32 >> $0, 64 >> $0])
        }
        let levels = try net(stages.map { [$0] }, .training).map { $0[0] }
        try Parity.probed(levels).backward()
        var results = try Parity.results(net) { $0.contains("running") }
        for (index, level) in levels.enumerated() { results["level \(index)"] = level }
        for (index, stage) in stages.enumerated() {
            results["gradient stage\(index)"] = try #require(try stage.gradient())
        }
        // What a lateral's shift does, the output's own batch norm takes back but at the border: nearly nothing is
        // left of that gradient, and float32 is no measure of it.
        let meant = results.keys.filter {
            !$0.hasPrefix("gradient lateral") || !$0.hasSuffix("bias")
        }
        try Parity.compare(
            results.filter { meant.contains($0.key) },
            "pyramid",
            among: Set(meant),
        )
    }

    @Test
    func `RetinaNet's losses as mmdetection has them, in the legacy convention, are PyTorch's`()
        throws
    {
        var settings = RetinaNetParityTests.settings(groups: 2)
        settings.coder = BoxCoder(weights: [1, 1, 1, 1], .legacy)
        settings.smoothL1Beta = 0
        settings.normaliser = .positives
        let head = try RetinaNetHead(ParameterPath(seed: 1), settings)
        try Parity.fill(head)
        let levels = try [8, 4, 2, 1, 1].enumerated().map {
            try Parity.input("level\($0)", [3, 8, $1, $1])
        }
        let loss = try head.loss(
            levels,
            Self.objects,
            sizes: Self.sizes,
            .training,
            seed: 0,
        )
        try loss.total.backward()
        var results = try Parity.results(head) { _ in false }
        for (name, value) in loss.terms { results[name] = value }
        for (index, level) in levels.enumerated() {
            results["gradient level\(index)"] = try #require(try level.gradient())
        }
        try Parity.compare(results, "retinanet mmdetection")
    }
}
