// A small detector with weights of every kind, as a network and as a checkpoint of it.

import Configs
import Foundation
import SearchSpaces
import Torch

@testable import Detectors
@testable import Exchange
@testable import NN
@testable import Pipelines

struct SmallDetector {
    let space: SearchSpace
    let genome: Genome
    let shuffle: ShuffleMethod
    let config: RetinaNetConfig
    let classes: [String]
    let network: Detector

    /// - Parameter seed: weights are drawn by it; nil: they are still to be loaded.
    init(
        _ space: SearchSpace = .small,
        genome: Genome = Genome([0, 1, 3, 3, 2, 2]),
        shuffle: ShuffleMethod,
        config: RetinaNetConfig,
        classes: [String] = ["a", "b", "c"],
        seed: UInt64?,
    ) throws {
        self.space = space
        self.genome = genome
        self.shuffle = shuffle
        self.config = config
        self.classes = classes
        network = try NetworkPlan(
            space: space,
            shuffle: shuffle.rawValue,
            only: genome,
            seed: 1,
            device: .cpu,
        ).detector(.retinaNet(config), classes: classes.count)
        guard let seed else { return }
        for parameter in network.parameters { try SmallDetector.fill(parameter, seed) }
    }

    private static func fill(_ parameter: Parameter, _ seed: UInt64) throws {
        let shape = parameter.value.shape
        var random = CounterRandom(seed: seed, stream: parameter.name)
        let deviation = 1 / Double(shape.dropFirst().reduce(1, *)).squareRoot()
        let values = (0..<parameter.value.count).map { _ -> Float in
            if parameter.name.hasSuffix("running_var") || parameter.role == .normWeight {
                return Float(0.5 + random.uniform())
            }
            return Float(random.normal() * (shape.count == 1 ? 0.3 : deviation))
        }
        try parameter.value.assign(Tensor(values, shape: shape))
    }

    /// Writes the checkpoint, without the tensors that `skipping` names and with `extra` ones of one value.
    func write(
        to url: URL,
        kind: String = "detector",
        skipping: String? = nil,
        extra: String? = nil,
    )
        throws
    {
        let metadata = CheckpointMetadata(
            kind: kind,
            space: space,
            shuffle: shuffle.rawValue,
            classes: classes,
            pixels: Pixels().json,
            config: .object([:]),
            dataDigest: "",
            genome: kind == "detector-supernet" ? nil : genome,
            detector: DetectorConfig.retinaNet(config).json,
        )
        var tensors = network.parameters.filter { $0.name != skipping }.map { parameter in
            TensorSource(
                name: parameter.name,
                type: .float32,
                shape: parameter.value.shape,
            ) { take in try parameter.value.data().withUnsafeBytes(take) }
        }
        if let extra {
            tensors.append(
                TensorSource(name: extra, type: .float32, shape: [1]) { take in
                    try Data(count: 4).withUnsafeBytes(take)
                }
            )
        }
        _ = try SafeTensorsWriter.write(
            to: url,
            metadata: metadata.strings(step: 9, final: true),
            tensors: tensors,
        )
    }

    /// C2 to C5.
    func stages(_ images: Tensor) throws -> [Tensor] {
        try withoutGradients {
            try network.backbone([images], genome, .evaluation(nil)).map { $0[0] }
        }
    }

    /// Every anchor's box and class scores: flat `[n, anchors, 4]` and `[n, anchors, classes]`.
    func everyAnchor(_ images: Tensor) throws -> (boxes: [Float], scores: [Float]) {
        guard let head = network.head as? RetinaNetHead else { throw TorchError("no RetinaNet") }
        let outputs = try withoutGradients {
            try head.outputs(network.levels(images, genome, .evaluation(nil)))
        }
        let scores = try Tensor.concatenate(outputs.map(\.logits), along: 1).sigmoid().floats()
        let offsets = try Tensor.concatenate(outputs.map(\.offsets), along: 1).floats()
        let anchors = outputs.flatMap(\.anchors)
        var boxes: [Float] = []
        for start in stride(from: 0, to: offsets.count, by: 4) {
            let a = anchors[start % anchors.count..<start % anchors.count + 4].map(Double.init)
            let d = zip(offsets[start..<start + 4], config.boxWeights).map { Double($0) / $1 }
            let edge = config.coordinates == .legacy ? 1.0 : 0
            let (w, h) = (a[2] - a[0] + edge, a[3] - a[1] + edge)
            let (x, y) = (a[0] + w / 2 + d[0] * w, a[1] + h / 2 + d[1] * h)
            let half = (
                exp(min(d[2], log(1000 / 16))) * w / 2, exp(min(d[3], log(1000 / 16))) * h / 2,
            )
            boxes += [x - half.0, y - half.1, x + half.0, y + half.1].map(Float.init)
        }
        return (boxes, scores)
    }
}

extension SearchSpace {
    static let small = SearchSpace(
        name: "small",
        stem: 8,
        stages: [(16, 1), (24, 2), (32, 2), (48, 1)].map { .init(width: $0, blocks: $1) },
        lastConv: 32,
    )
}

extension RetinaNetConfig {
    /// Group norm, levels 3 to 5.
    static var small: RetinaNetConfig {
        var config = RetinaNetConfig()
        config.channels = 16
        config.groups = 4
        config.towerConvolutions = 2
        config.lastLevel = 5
        config.anchorSizes = [16, 32, 64]
        config.octaveScales = 2
        config.ratios = [0.5, 1]
        return config
    }

    /// Group norm in the pyramid too.
    static var grouped: RetinaNetConfig {
        var config = small
        config.neckNorm = .group
        return config
    }

    /// Batch norm in the pyramid and no norm in the head, levels 2 to 7, as MMRazor's in what else the file depends on.
    static var tall: RetinaNetConfig {
        var config = small
        config.neckNorm = .batch
        config.normBias = false
        config.headNorm = .none
        config.firstLevel = 2
        config.lastLevel = 7
        config.anchorSizes = [8, 16, 32, 64, 128, 256]
        config.coarseLevels = .backbone
        config.coordinates = .legacy
        config.boxWeights = [1, 1, 1, 1]
        return config
    }
}
