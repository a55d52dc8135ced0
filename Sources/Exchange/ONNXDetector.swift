// Feature pyramid and RetinaNet head as ONNX nodes, up to decoded boxes and scores of every anchor.
//
// What follows in a detector (thresholds, suppression) is left to the program that runs the file: it differs from
// one to the next, and a graph with it runs on few of them.

import Configs
import Detectors
import Foundation
import Torch

/// Adds the parts of a detector after its backbone.
struct ONNXDetector {
    /// The settings of a detector that this graph follows, or that change nothing before the thresholds. Another one
    /// could mean another network, so a checkpoint that has one is refused.
    static let fields: Set = [
        "kind", "channels", "neckNorm", "normBias", "towerConvolutions", "headNorm", "groups",
        "firstLevel", "lastLevel", "coarseLevels", "coordinates", "anchorSizes", "octaveScales",
        "ratios", "foregroundIoU", "backgroundIoU", "focalGamma", "focalAlpha", "smoothL1Beta",
        "lossNormaliser", "boxWeights", "prior", "scoreThreshold", "candidatesPerLevel", "nms",
        "maxDetections",
    ]

    let config: RetinaNetConfig
    let classes: Int
    let height: Int
    let width: Int

    /// - Parameter stages: the names of C2 to C5, whose widths are `widths`.
    /// - Returns: the count of anchors. The graph then has `boxes` and `scores`.
    func add(
        to graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
        stages: [String],
        widths: [Int],
    ) throws -> Int {
        let levels = try pyramid(&graph, &weights, stages, widths)
        var scores: [String] = []
        var offsets: [String] = []
        var anchors: [Float] = []
        for (index, level) in levels.enumerated() {
            let number = config.firstLevel + index
            let size = size(at: number)
            // Towers are shared by all levels; each level has its own nodes, and the weights are stored once.
            let classTower = try tower("class_tower", number, level, &graph, &weights)
            scores.append(try flat("scores", number, classTower, classes, &graph, &weights))
            let boxTower = try tower("box_tower", number, level, &graph, &weights)
            offsets.append(try flat("offsets", number, boxTower, 4, &graph, &weights))
            anchors += AnchorGrid(
                stride: 1 << number,
                size: config.anchorSizes[index],
                octaveScales: config.octaveScales,
                ratios: config.ratios,
                convention,
            ).boxes(height: size.height, width: size.width)
        }
        let logits = graph.node("logits", "Concat", scores, [("axis", .integer(1))])
        _ = graph.node("scores", "Sigmoid", [logits])
        let all = graph.node("offsets", "Concat", offsets, [("axis", .integer(1))])
        decode(all, anchors, &graph)
        return anchors.count / 4
    }

    private var convention: BoxConvention {
        config.coordinates == .legacy ? .legacy : .modern
    }

    /// The map at level P`number`: halved, rounding up, once for each level.
    private func size(at number: Int) -> (height: Int, width: Int) {
        func side(_ pixels: Int) -> Int {
            (0..<number).reduce(pixels) { side, _ in (side + 1) / 2 }
        }
        return (side(height), side(width))
    }

    // MARK: Pyramid

    private func pyramid(
        _ graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
        _ stages: [String],
        _ widths: [Int],
    ) throws -> [String] {
        let channels = config.channels
        let fine = config.firstLevel...max(config.firstLevel, min(config.lastLevel, 5))
        var merged: [Int: String] = [:]
        for level in fine.reversed() {
            let name = "neck.lateral\(level)"
            let lateral = try neck(
                name,
                level,
                stages[level - 2],
                inputs: widths[level - 2],
                kernel: 1,
                &graph,
                &weights,
            )
            guard let above = merged[level + 1] else {
                merged[level] = lateral
                continue
            }
            // Sides are multiples of 32, so that each level is exactly twice the next.
            let twice = graph.node(
                "neck.up\(level)",
                "Resize",
                [above, "", scales(&graph)],
                [
                    ("mode", .text("nearest")),
                    ("coordinate_transformation_mode", .text("asymmetric")),
                    ("nearest_mode", .text("floor")),
                ],
            )
            merged[level] = graph.node("neck.merged\(level)", "Add", [lateral, twice])
        }
        var levels: [String] = []
        for level in config.firstLevel...max(config.firstLevel, config.lastLevel) {
            let name = "neck.output\(level)"
            let isOfBackbone = level == 6 && config.coarseLevels == .backbone
            let inputs = isOfBackbone ? widths[3] : channels
            if let input = merged[level] {
                levels.append(
                    try neck(name, level, input, inputs: inputs, kernel: 3, &graph, &weights)
                )
            } else if let top = isOfBackbone ? stages[3] : levels.last {
                // Where P6 is made of P5, it reads that as it is, and P7 reads ReLU(P6).
                let relu = level > 6 && config.coarseLevels == .pyramid
                let input = relu ? graph.node("\(name).input", "Relu", [top]) : top
                levels.append(
                    try neck(
                        name,
                        level,
                        input,
                        inputs: inputs,
                        kernel: 3,
                        stride: 2,
                        &graph,
                        &weights,
                    )
                )
            }
        }
        return levels
    }

    private func scales(_ graph: inout ONNXGraph) -> String {
        let name = "neck.scales"
        return graph.initializers.contains { $0.name == name }
            ? name : graph.weight(name, [1, 1, 2, 2], [4])
    }

    /// A convolution of the pyramid with its norm, the map it makes being of `level`.
    private func neck(
        _ name: String,
        _ level: Int,
        _ input: String,
        inputs: Int,
        kernel: Int,
        stride: Int = 1,
        _ graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
    ) throws -> String {
        let channels = config.channels
        let shape = [channels, inputs, kernel, kernel]
        let parts = try weights.convolution(name, shape, norm: config.neckNorm)
        let value = graph.convolution(
            name,
            input,
            weight: graph.weight("\(name).weight", parts.weight, shape),
            bias: graph.weight("\(name).bias", parts.bias, [channels]),
            kernel: kernel,
            stride: stride,
            relu: false,
        )
        guard config.neckNorm == .group else { return value }
        func part(_ part: String) throws -> String {
            graph.weight(
                "\(name).norm.\(part)",
                try weights.floats("\(name).norm.\(part)", [channels]),
                [channels, 1, 1],
            )
        }
        return groupNorm(
            "\(name).normed",
            value,
            try part("weight"),
            try part("bias"),
            level,
            &graph,
        )
    }

    // MARK: Head

    /// The name of a weight that all levels share, stored when the first of them asks.
    private func shared(
        _ name: String,
        _ shape: [Int],
        as stored: [Int]? = nil,
        _ graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
    ) throws -> String {
        let name = "head.\(name)"
        if graph.initializers.contains(where: { $0.name == name }) { return name }
        return graph.weight(name, try weights.floats(name, shape), stored ?? shape)
    }

    private func shared(
        _ name: String,
        level: Int,
        _ input: String,
        outputs: Int,
        _ graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
    ) throws -> String {
        let shape = [outputs, config.channels, 3, 3]
        return graph.convolution(
            "head.\(name).p\(level)",
            input,
            weight: try shared("\(name).weight", shape, &graph, &weights),
            bias: try shared("\(name).bias", [outputs], &graph, &weights),
            kernel: 3,
            relu: false,
        )
    }

    private func tower(
        _ tower: String,
        _ level: Int,
        _ input: String,
        _ graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
    ) throws -> String {
        let channels = config.channels
        var value = input
        for index in 0..<config.towerConvolutions {
            let name = "\(tower).\(index)"
            value = try shared(
                "\(name).conv",
                level: level,
                value,
                outputs: channels,
                &graph,
                &weights,
            )
            if config.headNorm == .group {
                let norm = "\(name).norm"
                let scale = try shared(
                    "\(norm).weight",
                    [channels],
                    as: [channels, 1, 1],
                    &graph,
                    &weights,
                )
                let shift = try shared(
                    "\(norm).bias",
                    [channels],
                    as: [channels, 1, 1],
                    &graph,
                    &weights,
                )
                value = groupNorm("head.\(norm).p\(level)", value, scale, shift, level, &graph)
            }
            value = graph.node("head.\(name).relu.p\(level)", "Relu", [value])
        }
        return value
    }

    /// Group norm as an instance norm over groups: the operator set has no other until 21.
    private func groupNorm(
        _ name: String,
        _ input: String,
        _ scale: String,
        _ shift: String,
        _ level: Int,
        _ graph: inout ONNXGraph,
    ) -> String {
        let groups = config.groups
        let size = size(at: level)
        for (part, value) in [("ones", Float(1)), ("zeros", 0)]
        where !graph.initializers.contains(where: { $0.name == "group_norm.\(part)" }) {
            _ = graph.weight(
                "group_norm.\(part)",
                [Float](repeating: value, count: groups),
                [groups],
            )
        }
        let rows = graph.node(
            "\(name).rows",
            "Reshape",
            [input, graph.integers([0, groups, -1])],
        )
        let normed = graph.node(
            "\(name).normed",
            "InstanceNormalization",
            [rows, "group_norm.ones", "group_norm.zeros"],
            [("epsilon", .real(1e-5))],
        )
        let maps = graph.node(
            "\(name).maps",
            "Reshape",
            [normed, graph.integers([0, config.channels, size.height, size.width])],
        )
        let scaled = graph.node("\(name).scaled", "Mul", [maps, scale])
        return graph.node(name, "Add", [scaled, shift])
    }

    /// One level's outputs as `[n, anchors, width]`, anchor by anchor as `AnchorGrid` lists them.
    private func flat(
        _ name: String,
        _ level: Int,
        _ tower: String,
        _ width: Int,
        _ graph: inout ONNXGraph,
        _ weights: inout ONNXWeights,
    ) throws -> String {
        let cell = config.octaveScales * config.ratios.count
        let maps = try shared(
            name,
            level: level,
            tower,
            outputs: cell * width,
            &graph,
            &weights,
        )
        let rows = graph.node(
            "head.\(name).rows.p\(level)",
            "Transpose",
            [maps],
            [("perm", .integers([0, 2, 3, 1]))],
        )
        return graph.node(
            "head.\(name).flat.p\(level)",
            "Reshape",
            [rows, graph.integers([0, -1, width])],
        )
    }

    // MARK: Boxes

    /// `boxes` from offsets `[n, anchors, 4]`, as `BoxKernels.detect` decodes them, without clipping; in the modern
    /// convention, whatever the detector's is.
    private func decode(_ offsets: String, _ anchors: [Float], _ graph: inout ONNXGraph) {
        let count = anchors.count / 4
        var centres: [Float] = []
        var sizes: [Float] = []
        var moves: [Float] = []
        for index in 0..<count {
            let box = anchors[index * 4..<index * 4 + 4].map(Double.init)
            for axis in 0..<2 {
                let side = box[axis + 2] - box[axis] + convention.edge
                centres.append(Float(box[axis] + side / 2))
                sizes.append(Float(side))
                moves.append(Float(side / config.boxWeights[axis]))
            }
        }
        let shape = [1, count, 2]
        let halves = graph.node(
            "offsets.split",
            "Split",
            [offsets, graph.integers([2, 2])],
            [("axis", .integer(2))],
            outputs: ["offsets.centre", "offsets.size"],
        )
        let moved = graph.node(
            "boxes.moved",
            "Mul",
            [halves[0], graph.weight("anchors.moves", moves, shape)],
        )
        let centre = graph.node(
            "boxes.centre",
            "Add",
            [moved, graph.weight("anchors.centres", centres, shape)],
        )
        let scaled = graph.node(
            "boxes.scaled",
            "Mul",
            [
                halves[1],
                graph.weight("decode.size", config.boxWeights[2...].map { Float(1 / $0) }, [2]),
            ],
        )
        // The cap is Detectron's and keeps exp finite.
        let capped = graph.node(
            "boxes.capped",
            "Min",
            [scaled, graph.weight("decode.cap", [Float(log(1000.0 / 16))], [1])],
        )
        let grown = graph.node("boxes.grown", "Exp", [capped])
        let half = graph.node(
            "boxes.half",
            "Mul",
            [grown, graph.weight("anchors.halves", sizes.map { $0 / 2 }, shape)],
        )
        let first = graph.node("boxes.first", "Sub", [centre, half])
        let second = graph.node("boxes.second", "Add", [centre, half])
        _ = graph.node("boxes", "Concat", [first, second], [("axis", .integer(2))])
    }
}
