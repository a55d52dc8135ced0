// Specs that are right, to be spoilt by the tests; and the random numbers that spoil them.

import Testing

@testable import Configs

enum Samples {
    static let detection: JSONValue = ["dataset": "coco", "annotations": "annotations/train.json"]
    static let weights: JSONValue = [
        "dataset": "coco", "annotations": "annotations/train.json", "part": ["role": "weights"],
    ]
    static let architecture: JSONValue = [
        "dataset": "coco", "annotations": "annotations/train.json",
        "part": ["role": "architecture"],
    ]
    static let tiny: JSONValue = [
        "name": "tiny", "stem": 8,
        "stages": [
            ["width": 16, "blocks": 1], ["width": 32, "blocks": 1], ["width": 48, "blocks": 2],
            ["width": 64, "blocks": 1],
        ],
    ]

    /// No more than what is required.
    static func least(_ kind: JobKind) -> JSONValue { kind.example["spec"] ?? nil }

    /// Every optional part present, and every variant in one of them.
    static func most(_ kind: JobKind) -> JSONValue {
        switch kind {
        case .supernetPretrain:
            [
                "data": ["dataset": "imagenet", "val": nil], "space": tiny, "shuffle": 2,
                "training": [
                    "steps": 1000, "gradientClip": 10,
                    "optimizer": ["kind": "adamw", "betas": [0.9, 0.95], "decayNorms": true],
                    "schedule": ["kind": "poly", "power": 0.9, "warmupSteps": 5],
                ],
                "image": ["pixels": ["order": "bgr", "mean": [0, 0, 0], "std": [1, 1, 1]]],
            ]
        case .detectorFinetune:
            [
                "train": weights, "validation": architecture, "shuffle": 1,
                "checkpoint": ["$from": "pretrain.outputs.checkpoint"],
                "detector": ["headNorm": "none", "groups": 3],
                "training": [
                    "steps": 90_000,
                    "schedule": ["kind": "steps", "at": [60_000, 80_000], "warmupFactor": 0.333],
                ],
            ]
        case .searchEvolution:
            [
                "checkpoint": ["$from": "finetune.outputs.checkpoint"], "train": weights,
                "search": architecture, "strategy": "random", "population": 4,
                "limit": ["macs": 300_000_000, "convention": "B"], "objective": "loss",
                "statistics": ["kind": "exact", "images": 32], "seeds": ["0,1,2,3"],
            ]
        case .searchAudit:
            [
                "checkpoint": ["$from": "finetune.outputs.checkpoint"], "train": weights,
                "search": architecture,
                "test": ["dataset": "coco", "annotations": "annotations/test.json"],
                "architectures": [
                    "kind": "references",
                    "ids": ["arch_1", ["$from": "search.outputs.architecture"], "arch_2"],
                ],
                "objective": "loss", "statistics": ["kind": "ema", "batches": 3],
                "limit": ["macs": 300_000_000], "training": ["steps": 10],
            ]
        case .subnetRetrain:
            [
                "architecture": ["genome": "[0, 1, 2, 3, 0]", "space": tiny],
                "classification": [
                    "data": ["dataset": "imagenet"],
                    "training": ["steps": 5, "schedule": ["kind": "cosine", "final": 0.01]],
                ],
                "detection": [
                    "train": detection,
                    "training": ["steps": 5, "schedule": ["kind": "constant"]],
                ],
            ]
        case .architecturePredict:
            [
                "checkpoint": ["$from": "finetune.outputs.checkpoint"],
                "architecture": ["$from": "search.outputs.architecture"], "train": weights,
                "list": detection,
                "pictures": ["format": "png", "lineWidth": 3, "groundTruth": true],
            ]
        case .architectureEvaluate:
            [
                "checkpoint": "ckpt_1", "architecture": "0,1,2,3", "train": weights,
                "list": architecture, "resamples": 0,
            ]
        case .datasetCheck:
            ["dataset": "coco", "decode": false]
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers on every machine.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension JSONValue {
    /// This value with the member at the pointer `path` set, or taken away for nil.
    func setting(_ path: String, to value: JSONValue?) -> JSONValue {
        let keys = path.split(separator: "/").map(String.init)
        guard let key = keys.first else { return value ?? .null }
        let rest = keys.dropFirst().joined(separator: "/")
        switch self {
        case .array(var elements):
            guard let index = Int(key), elements.indices.contains(index) else { return self }
            elements[index] = elements[index].setting(rest, to: value)
            return .array(elements)
        case .object(var members):
            members[key] =
                rest.isEmpty ? value : (members[key] ?? .object([:])).setting(rest, to: value)
            return .object(members)
        default: return JSONValue.object([:]).setting(path, to: value)
        }
    }
}

extension Result where Failure == Violations {
    /// What is wrong; nothing where nothing is.
    var violations: [Violation] {
        if case .failure(let violations) = self { violations.all } else { [] }
    }
}
