// What `detnas bench` measures: the four things that a run spends its time on, on made-up data.
//
// `deploy/bench_peer.py` does the same in plain PyTorch; sizes and settings stand in both and must agree.

import Annotations
import Configs
import Detectors
import Evaluation
package import Foundation
import NN
package import SearchSpaces
import Torch

/// One thing to measure, on both sides.
package enum Benchmark: String, CaseIterable, Sendable {
    case pretrain
    case pretrainMini = "pretrain-mini"
    case detection
    case candidate
    case coco

    /// What is timed.
    package func title(batch: Int) -> String {
        switch self {
        case .pretrain: "pretraining step, detnas-300m, 224x224, batch \(batch)"
        case .pretrainMini: "pretraining step, detnas-mini, 96x96, batch 32"
        case .detection: "detection step, RetinaNet on detnas-mini, 160x192, batch 16"
        case .candidate: "candidate: 32 images recalibrate, 56 are evaluated, 160x192"
        case .coco: "COCO figures, 500 images, 20 classes, 100 detections each"
        }
    }

    /// How often it is done in one round; a round's time is divided by this.
    package var repetitions: Int {
        switch self {
        case .pretrain: 2
        case .pretrainMini: 4
        case .detection: 2
        case .candidate, .coco: 1
        }
    }

    /// What the peer is measured with: tensors in the official code's layout in memory, and in the tuned one.
    package var layouts: [String] {
        switch self {
        case .coco: ["pycocotools"]
        default: ["contiguous", "channels_last"]
        }
    }

    /// The space whose paths are sampled; nil where there is no network.
    package var space: SearchSpace? {
        switch self {
        case .pretrain: SearchSpace.named["detnas-300m"]
        case .coco: nil
        default: SearchSpace.named["detnas-mini"]
        }
    }

    /// One path for each operation, so that nothing is met for the first time when it is timed.
    package var warmUp: [Genome] {
        guard let space else { return [] }
        return space.operations.indices.map {
            Genome([UInt8](repeating: UInt8($0), count: space.length))
        }
    }

    /// The paths of one round, the same on both sides.
    package func paths(round: Int) -> [Genome] {
        guard let space else { return [] }
        return (0..<repetitions).map {
            PathSampler.uniform(space: space, seed: 1, step: round * repetitions + $0)
        }
    }
}

/// Does one measurement again and again; making it is not part of what is timed.
package struct Workload {
    private let body: (Genome?) throws -> Void
    private let coco: (truth: CocoDataset, results: [Detection])?

    /// Milliseconds for each of `paths`, or for one pass where there is no path.
    package func run(_ paths: [Genome]) throws -> Double {
        let start = ContinuousClock.now
        if paths.isEmpty { try body(nil) }
        for path in paths { try body(path) }
        return start.duration(to: .now) / .milliseconds(1) / Double(max(paths.count, 1))
    }

    /// - Parameter batch: images in a step of `.pretrain`; the others have a fixed batch.
    package init(_ measurement: Benchmark, batch: Int) throws {
        switch measurement {
        case .pretrain:
            body = try Self.pretraining("detnas-300m", classes: 1000, size: 224, batch: batch)
            coco = nil
        case .pretrainMini:
            body = try Self.pretraining("detnas-mini", classes: 10, size: 96, batch: 32)
            coco = nil
        case .detection:
            body = try Self.detectionStep()
            coco = nil
        case .candidate:
            body = try Self.candidate()
            coco = nil
        case .coco:
            let made = Self.cocoData()
            body = { _ in
                _ = CocoEvaluator(groundTruth: made.truth).match(made.results).metrics()
            }
            coco = made
        }
    }

    /// Writes ground truth and results into `folder`, which is made, for the peer to read; nil where there are none.
    package func writeCoco(to folder: URL) throws -> (truth: URL, results: URL)? {
        guard let coco else { return nil }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let files = (
            truth: folder.appending(path: "truth.json"),
            results: folder.appending(path: "results.json"),
        )
        try coco.truth.write(to: files.truth)
        try Detection.write(coco.results, to: files.results)
        return files
    }

    /// libtorch's version, and how many threads each operation may use from now on, as in a worker.
    package static func prepare(threads: Int) throws -> String {
        try TorchLibrary.setThreads(threads)
        try TorchLibrary.flushDenormals()
        return try TorchLibrary.version()
    }
}

extension Workload {
    private static func plan(_ name: String) throws -> NetworkPlan {
        guard let space = SearchSpace.named[name] else { throw TorchError("no space \(name)") }
        return NetworkPlan(space: space, shuffle: 1, seed: 0, device: .cpu)
    }

    /// Standard normal pixels, as after the loader's normalisation.
    private static func images(_ count: Int, height: Int, width: Int, seed: UInt64) throws -> Tensor
    {
        try Tensor.normal(like: .zeros([count, 3, height, width]), seed: seed).channelsLast()
    }

    private static func pretraining(_ name: String, classes: Int, size: Int, batch: Int) throws
        -> (Genome?) throws -> Void
    {
        let network = try plan(name).classifier(classes: classes, dropout: 0)
        let optimizer = try Optimizer(network.parameters, .sgd(.init()))
        let images = try images(batch, height: size, width: size, seed: 0)
        let labels = try Tensor((0..<batch).map { Int64($0 % classes) }, shape: [batch])
        return { path in
            let logits = try network([images], path, .training)[0]
            let loss = try logits.crossEntropy(labels: labels, smoothing: 0.1)
            _ = try loss.item()
            try loss.backward()
            try optimizer.step(learningRate: 0.01)
        }
    }

    /// The detector of configs/bccd, with three classes.
    private static func detector() throws -> Detector {
        var config = RetinaNetConfig()
        config.channels = 48
        config.groups = 8
        config.towerConvolutions = 2
        config.lastLevel = 5
        config.anchorSizes = [16, 32, 64]
        config.octaveScales = 2
        config.ratios = [1]
        return try plan("detnas-mini").detector(.retinaNet(config), classes: 3)
    }

    private static func sides(_ count: Int) -> [ImageSides] {
        [ImageSides](repeating: (width: 192, height: 160), count: count)
    }

    /// Four boxes of 12 to 72 pixels in each image.
    private static func objects(_ count: Int, seed: UInt64) -> [ObjectTargets] {
        (0..<count).map { image in
            var random = CounterRandom(seed: seed, UInt64(image))
            var objects = ObjectTargets(boxes: [], labels: [])
            for _ in 0..<4 {
                let (w, h) = (random.uniform(in: 12...72), random.uniform(in: 12...72))
                let (x, y) = (random.uniform() * (192 - w), random.uniform() * (160 - h))
                objects.boxes += [x, y, x + w, y + h].map(Float.init)
                objects.labels.append(random.below(3))
            }
            return objects
        }
    }

    private static func detectionStep() throws -> (Genome?) throws -> Void {
        let network = try detector()
        let optimizer = try Optimizer(network.parameters, .adamw(.init()))
        let images = try images(16, height: 160, width: 192, seed: 0)
        let objects = objects(16, seed: 0)
        return { path in
            let loss = try network.loss(images, objects, sizes: sides(16), path, .training).total
            _ = try loss.item()
            try loss.backward()
            try optimizer.step(learningRate: 1e-4, clip: 10)
        }
    }

    /// What `DetectorScorer` does, without reading images and without COCO's figures.
    private static func candidate() throws -> (Genome?) throws -> Void {
        let network = try detector()
        func batches(_ count: Int, seed: UInt64) throws -> [Tensor] {
            try (0..<count / 8).map {
                try images(8, height: 160, width: 192, seed: seed + UInt64($0))
            }
        }
        let calibration = try batches(32, seed: 100)
        let validation = try batches(56, seed: 200)
        let objects = objects(8, seed: 0)
        return { path in
            try withoutGradients {
                let statistics = try network.recalibrate(
                    calibration,
                    sizes: calibration.map { _ in sides(8) },
                    path,
                )
                for images in validation {
                    _ = try network.evaluate(
                        images,
                        objects,
                        sizes: sides(8),
                        path,
                        .evaluation(statistics),
                    )
                }
            }
        }
    }

    /// Detections near objects and beside them, the nearer the surer.
    private static func cocoData() -> (truth: CocoDataset, results: [Detection]) {
        var truths: [CocoAnnotation] = []
        var results: [Detection] = []
        for image in 1...500 {
            var random = CounterRandom(seed: 7, UInt64(image))
            var own: [CocoAnnotation] = []
            for _ in 0..<8 {
                let (w, h) = (random.uniform(in: 8...200), random.uniform(in: 8...200))
                let box = Box(
                    x: random.uniform() * (640 - w),
                    y: random.uniform() * (480 - h),
                    width: w,
                    height: h,
                )
                own.append(
                    CocoAnnotation(
                        id: Int64(truths.count + own.count + 1),
                        imageID: Int64(image),
                        categoryID: Int64(random.below(20) + 1),
                        box: box,
                    )
                )
            }
            for _ in 0..<100 {
                let object = own[random.below(own.count)]
                let spread = random.uniform() * 0.6
                let (w, h) = (object.box.width, object.box.height)
                let isRight = random.uniform() < 0.8
                results.append(
                    Detection(
                        imageID: object.imageID,
                        categoryID: isRight ? object.categoryID : Int64(random.below(20) + 1),
                        box: Box(
                            x: object.box.x + spread * w * (random.uniform() - 0.5),
                            y: object.box.y + spread * h * (random.uniform() - 0.5),
                            width: w * (1 + spread * (random.uniform() - 0.5)),
                            height: h * (1 + spread * (random.uniform() - 0.5)),
                        ),
                        score: (1 - spread) * (0.5 + random.uniform() / 2),
                    )
                )
            }
            truths += own
        }
        return (
            CocoDataset(
                images: (1...500).map {
                    CocoImage(id: Int64($0), fileName: "\($0).jpg", width: 640, height: 480)
                },
                categories: (1...20).map { CocoCategory(id: Int64($0), name: "class \($0)") },
                annotations: truths,
            ), results,
        )
    }
}
