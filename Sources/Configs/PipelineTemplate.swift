// Pipelines that are ready made: a request that names a template and the data becomes the steps.

/// `one-shot-nas`: the whole of DetNAS on somebody's data. Supernet pretraining, fine-tuning as a detector, the search on
/// images that trained no weights, and the best architectures from scratch.
package struct OneShotTemplate: Hashable, Sendable {
    package enum Name: String, CaseIterable, Sendable {
        case oneShotNAS = "one-shot-nas"
    }

    /// How long everything is trained, and at which size.
    package enum Scale: String, CaseIterable, Sendable {
        case small  // some hours on a few CPU cores; a place to start from
        case paper  // the numbers of arXiv:1903.10979, for ImageNet and COCO on GPUs
    }

    package var template = Name.oneShotNAS
    package var name = "one-shot-nas"
    /// Pictures in class folders: for the supernet, and for the winners.
    package var classification: ClassificationData
    /// Images with boxes: all train the winners; of the supernet some train the weights, the others score candidates.
    package var train: DetectionData
    /// Where what was chosen is measured; nil: nowhere.
    package var validation: DetectionData?
    /// Share of `train` that scores candidates.
    package var architectureShare = SplitPart(.architecture).architectureShare
    package var space = SpaceChoice.named("detnas-mini")
    package var scale = Scale.small
    /// The most multiply-adds of a candidate's backbone; nil: no limit.
    package var macs: Int?
    /// How many of the best architectures are trained alone.
    package var top = 1
    /// Of each step.
    package var cores = 1
    package var device = DeviceChoice.cpu

    init(classification: ClassificationData, train: DetectionData) {
        self.classification = classification
        self.train = train
    }

    /// What `json` asks for; nil where it names no template.
    package static func resolve(_ json: JSONValue) -> Result<Self, Violations>? {
        guard json["template"] != nil else { return nil }
        var faults: [Violation] = []
        let read = Form<Self>.object.read(json, "", &faults)
        guard let read, faults.isEmpty else { return .failure(Violations(faults)) }
        return .success(read)
    }
}

extension OneShotTemplate: Fielded {
    static var blank: Self { Self(classification: .blank, train: .blank) }

    static var fields: [Field<Self>] {
        [
            Field("template", \.template, .choice, required: true),
            Field("name", \.name, .text(1...200)),
            Field("classification", \.classification, .object, required: true),
            Field("train", \.train, .object, required: true),
            Field("validation", \.validation, .optional(.object)),
            Field("architectureShare", \.architectureShare, .number(.properShare)),
            Field("space", \.space, .space),
            Field("scale", \.scale, .choice),
            Field("macs", \.macs, .optional(.int(1...Int.max))),
            Field("top", \.top, .int(1...10)),
            Field("cores", \.cores, .int(1...4096)),
            Field("device", \.device, .device),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("train/part", allowed: "`architectureShare`") {
                $0.train.part == nil ? nil : "the template parts the images by itself"
            },
            Rule("train/split", allowed: "a list without `split`") {
                $0.train.split == nil
                    ? nil : "the images are both for weights and for scores, in two parts"
            },
        ]
    }
}

// The steps
extension OneShotTemplate {
    /// The steps as somebody would have written them.
    package var pipeline: JSONValue {
        ["name": .string(name), "steps": .array([pretrain, finetune, search] + retrainings)]
    }

    /// Where the request says what the steps have at `pointer`; errors in the steps are told by it.
    package func place(of pointer: String) -> String {
        let rest = pointer.split(separator: "/").dropFirst(2).joined(separator: "/")
        for (inStep, here) in Self.places {
            if rest == inStep { return here }
            if rest.hasPrefix(inStep + "/") { return here + rest.dropFirst(inStep.count) }
        }
        return "/template"
    }

    private static let places = [
        ("spec/data", "/classification"), ("spec/classification/data", "/classification"),
        ("spec/train", "/train"), ("spec/search", "/train"), ("spec/detection/train", "/train"),
        ("spec/validation", "/validation"), ("spec/test", "/validation"),
        ("spec/detection/validation", "/validation"), ("spec/space", "/space"),
        ("spec/limit/macs", "/macs"), ("spec/limit", "/macs"), ("cores", "/cores"),
        ("device", "/device"),
    ]

    private var isPaper: Bool { scale == .paper }

    private func step(_ name: String, _ kind: JobKind, _ spec: [String: JSONValue]) -> JSONValue {
        [
            "name": .string(name), "kind": .string(kind.rawValue), "cores": .int(Int64(cores)),
            "device": .string(device.rawValue), "spec": .object(spec),
        ]
    }

    private func json(_ data: DetectionData, _ role: SplitPart.Role? = nil) -> JSONValue {
        var data = data
        data.part = role.map {
            var part = SplitPart($0)
            part.architectureShare = architectureShare
            return part
        }
        return Form.object.write(data)
    }

    private var pretrain: JSONValue {
        step(
            "pretrain",
            .supernetPretrain,
            [
                "data": Form.object.write(classification), "space": Form.space.write(space),
                "image": isPaper ? [:] : ["size": 96, "scale": [0.35, 1]],
                "training": classifierTraining(steps: isPaper ? 300_000 : 1200),
                "evaluation": ["paths": .int(classification.val == nil ? 0 : 8)],
            ],
        )
    }

    private var finetune: JSONValue {
        var spec: [String: JSONValue] = [
            "checkpoint": ["$from": "pretrain.outputs.checkpoint"],
            "train": json(train, .weights), "detector": detector, "image": detectorImage,
            "training": detectorTraining(steps: isPaper ? 90_000 : 1800),
            "evaluation": ["paths": .int(validation == nil ? 0 : 8)],
        ]
        spec["validation"] = validation.map { json($0) }
        return step("finetune", .detectorFinetune, spec)
    }

    private var search: JSONValue {
        var spec: [String: JSONValue] = [
            "checkpoint": ["$from": "finetune.outputs.checkpoint"],
            "train": json(train, .weights), "search": json(train, .architecture),
            "population": .int(isPaper ? 50 : 25), "generations": .int(isPaper ? 20 : 12),
            "parents": .int(isPaper ? 10 : 8), "mutation": .int(isPaper ? 20 : 10),
            "crossover": .int(isPaper ? 20 : 10),
        ]
        if !isPaper { spec["statistics"] = ["kind": "exact", "images": 32] }
        spec["test"] = validation.map { json($0) }
        spec["limit"] = macs.map { ["macs": .int(Int64($0))] }
        return step("search", .searchEvolution, spec)
    }

    private var retrainings: [JSONValue] {
        (1...top).map { rank in
            var detection: [String: JSONValue] = [
                "train": json(train), "detector": detector, "image": detectorImage,
                "training": detectorTraining(steps: isPaper ? 90_000 : 1800),
            ]
            detection["validation"] = validation.map { json($0) }
            return step(
                top == 1 ? "retrain" : "retrain-\(rank)",
                .subnetRetrain,
                [
                    "architecture": [
                        "$from": "search.outputs.architecture", "rank": .int(Int64(rank)),
                    ],
                    "classification": [
                        "data": Form.object.write(classification),
                        "image": isPaper ? [:] : ["size": 96, "scale": [0.35, 1]],
                        "training": classifierTraining(steps: isPaper ? 300_000 : 1200),
                    ],
                    "detection": .object(detection),
                ],
            )
        }
    }

    private var detector: JSONValue {
        isPaper
            ? [:]
            : [
                "channels": 48, "groups": 8, "towerConvolutions": 2, "firstLevel": 3,
                "lastLevel": 6, "anchorSizes": [16, 32, 64, 128], "octaveScales": 2,
            ]
    }

    private var detectorImage: JSONValue {
        isPaper ? ["shortSide": 800, "longSide": 1333] : ["shortSide": 192, "longSide": 256]
    }

    private func classifierTraining(steps: Int) -> JSONValue {
        isPaper
            ? [
                "steps": .int(Int64(steps)), "batch": 1024,
                "optimizer": [
                    "kind": "sgd", "learningRate": 0.5, "momentum": 0.9, "weightDecay": 0.00004,
                ],
                "schedule": ["kind": "linear"],
            ]
            : [
                "steps": .int(Int64(steps)), "batch": 32,
                "optimizer": ["kind": "adamw", "learningRate": 0.002],
                "schedule": ["kind": "cosine", "warmupSteps": 50],
            ]
    }

    private func detectorTraining(steps: Int) -> JSONValue {
        isPaper
            ? [
                "steps": .int(Int64(steps)), "batch": 16,
                "optimizer": [
                    "kind": "sgd", "learningRate": 0.01, "momentum": 0.9, "weightDecay": 0.0001,
                ],
                "schedule": [
                    "kind": "steps", "at": [60_000, 80_000], "factor": 0.1, "warmupSteps": 500,
                    "warmupFactor": 0.333333,
                ],
            ]
            : [
                "steps": .int(Int64(steps)), "batch": 16,
                "optimizer": ["kind": "adamw", "learningRate": 0.001],
                "schedule": ["kind": "cosine", "warmupSteps": 100], "gradientClip": 10,
            ]
    }
}
