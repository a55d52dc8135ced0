// RetinaNet's anchors, loss and decoding against PyTorch and plain Python.

import NN
import Testing
import Torch

@testable import Detectors

struct RetinaNetParityTests {
    init() throws { try TorchLibrary.setThreads(1) }

    static func settings(groups: Int?) -> RetinaNetSettings {
        RetinaNetSettings(
            classes: 3,
            channels: 8,
            towerConvolutions: 2,
            groups: groups,
            anchorSizes: [8, 16, 32, 64, 128],
            octaveScales: 2,
            thresholds: .init(score: 0.4, perLevel: 50, suppression: 0.4, limit: 40),
        )
    }

    /// As in the script: a small object that only its own best anchors match, and an image without objects.
    static let objects = [
        ObjectTargets(
            boxes: [4, 6, 30.5, 28.25, 20.25, 17.5, 58, 60.75, 40.5, 2.75, 44.25, 7.5],
            labels: [0, 2, 1],
        ),
        ObjectTargets(boxes: [], labels: []),
        ObjectTargets(boxes: [10.5, 12.25, 40.75, 33], labels: [1]),
    ]

    static func levels(images: Int) throws -> [Tensor] {
        try [8, 4, 2, 1, 1].enumerated().map {
            try Parity.input("level\($0)", [images, 8, $1, $1])
        }
    }

    /// The loss in training, in which sizes have no part.
    private static func loss(
        _ head: RetinaNetHead,
        _ levels: [Tensor],
        _ objects: [ObjectTargets],
    ) throws -> DetectionLoss {
        let sizes = objects.map { _ in ImageSides(width: 64, height: 64) }
        return try head.loss(levels, objects, sizes: sizes, .training, seed: 0)
    }

    @Test(arguments: [("retinanet group norm", 2), ("retinanet no norm", nil)])
    func `the loss and its gradients are PyTorch's`(name: String, groups: Int?) throws {
        let head = try RetinaNetHead(ParameterPath(seed: 1), Self.settings(groups: groups))
        try Parity.fill(head)
        let levels = try Self.levels(images: 3)
        let loss = try Self.loss(head, levels, Self.objects)
        try loss.total.backward()

        var results = try Parity.results(head) { _ in false }
        for (name, value) in loss.terms { results[name] = value }
        let gradients = try levels.flatMap { try #require(try $0.gradient()).floats() }
        results["gradient levels"] = try Tensor(gradients, shape: [gradients.count])
        let matches = try Self.objects.map { try self.matches($0) }
        func count(_ isMeant: (Int32) -> Bool) throws -> Tensor {
            try .full([1], Double(matches.joined().count(where: isMeant)))
        }
        results["count ignored"] = try count { $0 == -2 }
        results["count positives"] = try count { $0 >= 0 }
        let without = try Self.objects.map { try self.matches($0, bestFrom: nil) }
        let kept = zip(matches.joined(), without.joined()).count { $0 >= 0 && $1 < 0 }
        results["count kept"] = try .full([1], Double(kept))
        try Parity.compare(results, name)

        let terms = try loss.terms.reduce(0) { try $0 + $1.value.item() }
        #expect(abs(try loss.total.item() - terms) < 1e-5 * terms)
    }

    private func matches(_ targets: ObjectTargets, bestFrom: Double? = 0) throws -> [Int32] {
        let settings = Self.settings(groups: nil)
        let anchors = zip(settings.levels, [8, 4, 2, 1, 1]).flatMap { level, side in
            AnchorGrid(
                stride: 1 << level,
                size: settings.anchorSizes[level - 3],
                octaveScales: settings.octaveScales,
                ratios: settings.ratios,
            ).boxes(height: side, width: side)
        }
        return try BoxKernels.match(
            anchors: anchors,
            objects: targets.boxes,
            foreground: settings.foregroundIoU,
            background: settings.backgroundIoU,
            bestFrom: bestFrom,
        )
    }

    @Test func `anchors lie where the formula puts them`() throws {
        let grid = AnchorGrid(stride: 16, size: 64, octaveScales: 3, ratios: [0.5, 1, 2])
        let boxes = grid.boxes(height: 2, width: 3)
        try Parity.compare(
            ["boxes": Tensor(boxes, shape: [boxes.count / 4, 4])],
            "anchors",
        )
    }

    @Test func `detections are those of plain Python`() throws {
        let head = try RetinaNetHead(ParameterPath(seed: 1), Self.settings(groups: 2))
        try Parity.fill(head)
        let levels = try Self.levels(images: 2)
        let found = try withoutGradients {
            try head.detect(levels, sizes: [(64, 64), (60.5, 50)], .evaluation(nil))
        }
        let stored = try Parity.stored("detect")
        for (image, found) in found.enumerated() {
            let rows = try #require(stored["image \(image)"])
            let actual = found.flatMap { $0.box + [$0.score, Float($0.label)] }
            Parity.compare(actual, rows, "image \(image)")
            // A score is far smaller than a coordinate: held to its own scale.
            let scores = stride(from: 4, to: rows.values.count, by: 6).map { rows.values[$0] }
            for (row, score) in zip(found, scores) {
                #expect(abs(Double(row.score) - score) < 1e-5 * score)
            }
        }
    }

    @Test func `an image without objects is all background, and pulls on no offset`() throws {
        let head = try RetinaNetHead(ParameterPath(seed: 1), Self.settings(groups: 2))
        try Parity.fill(head)
        let loss = try Self.loss(
            head,
            Self.levels(images: 1),
            [ObjectTargets(boxes: [], labels: [])],
        )
        try loss.total.backward()
        #expect(loss.terms.map(\.name) == ["lossCls"])
        for parameter in head.parameters {
            let isOfClasses =
                parameter.name.hasPrefix("class_tower") || parameter.name.hasPrefix("scores")
            #expect(try (parameter.value.gradient() != nil) == isOfClasses, "\(parameter.name)")
        }
    }

    @Test func `encoding is the inverse of decoding`() throws {
        let anchor: [Float] = [10, 20, 42, 36]
        let box: [Float] = [12.5, 18, 60, 50]
        let coder = BoxCoder(weights: [10, 10, 5, 5], .modern)
        let offsets = coder.encode(box[...], relativeTo: anchor[...])
        // Worked by hand: centres (36.25, 34) and (26, 28), sides (47.5, 32) and (32, 16).
        let expected: [Double] = [10 * 10.25 / 32, 10 * 6 / 16, 5 * 0.394_993_8, 5 * 0.693_147_2]
        for (a, b) in zip(offsets, expected) { #expect(abs(Double(a) - b) < 1e-5) }
        let logits: [Float] = [3]
        let found = try BoxKernels.detect(
            [.init(logits: logits, offsets: offsets, anchors: anchor, count: 1)],
            classes: 1,
            width: 100,
            height: 100,
            thresholds: .init(score: 0.5, perLevel: 1, suppression: 0.5, limit: 1),
            weights: coder.weights,
        )
        for (a, b) in zip(try #require(found.first).box, box) { #expect(abs(a - b) < 1e-4) }
    }
}
