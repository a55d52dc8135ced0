// A spec resolves to itself, tells every fault at its place, and never traps.

import Foundation
import SearchSpaces
import Testing

@testable import Configs

@Test(arguments: JobKind.allCases)
func `a resolved spec resolves to itself`(kind: JobKind) throws {
    for sample in [Samples.least(kind), Samples.most(kind)] {
        let spec = try JobSpec.resolve(kind: kind, sample).get()
        #expect(spec.kind == kind)
        #expect(try JobSpec.resolve(kind: kind, spec.json).get() == spec)
        let read = try JSONValue(parsing: spec.json.canonical)
        #expect(try JobSpec.resolve(kind: kind, read).get() == spec)
    }
}

@Test func `defaults are the published figures`() throws {
    guard
        case .search(let search) = try JobSpec.resolve(
            kind: .searchEvolution,
            Samples.least(.searchEvolution),
        ).get()
    else { throw Violations([]) }
    #expect(search.population == 50 && search.generations == 20 && search.parents == 10)
    #expect(search.mutation == 20 && search.crossover == 20)
    #expect(search.statistics == .exact(.init(images: 500)))
    #expect(search.mutationProbability == 0.1 && search.limit == nil && search.objective == .ap)

    let json = try JobSpec.resolve(
        kind: .supernetPretrain,
        Samples.least(.supernetPretrain),
    ).get().json
    #expect(json["training"]?["optimizer"]?["kind"] == "sgd")
    #expect(json["training"]?["optimizer"]?["learningRate"] == 0.5)
    #expect(json["training"]?["schedule"]?["kind"] == "linear")
    #expect(json["image"]?["pixels"]?["mean"] == [123.675, 116.28, 103.53])
    #expect(json["data"]?["val"] == "val" && json["labelSmoothing"] == 0.1)
}

@Test func `a genome is kept in its canonical form`() throws {
    let spec = try JobSpec.resolve(
        kind: .subnetRetrain,
        Samples.most(.subnetRetrain),
    ).get()
    #expect(spec.json["architecture"]?["genome"] == "0,1,2,3,0")
}

@Test func `an inline space is written as SearchSpace encodes itself`() throws {
    let space = try #require(SearchSpace.named["detnas-mini"])
    let written = Form<SpaceChoice>.space.write(.inline(space))
    #expect(try JSONValue(parsing: JSONEncoder().encode(space)) == written)
    let spec = Samples.least(.supernetPretrain).setting("space", to: written)
    guard case .pretrain(let config) = try JobSpec.resolve(kind: .supernetPretrain, spec).get()
    else { throw Violations([]) }
    #expect(config.space == .inline(space))
}

/// A fitness from batch-norm weights alone would always favour a block that may be left out (BN-NAS's release hard-codes
/// around it).
@Test func `a space of free depth, and a fitness by batch norms, are refused with what there is`()
    throws
{
    let space = Samples.tiny.setting("operations", to: ["shuffle_3x3", "skip"])
    let spec = Samples.least(.supernetPretrain).setting("space", to: space)
    let free = #expect(throws: Violations.self) {
        try JobSpec.resolve(kind: .supernetPretrain, spec).get()
    }
    #expect(free?.all.map(\.pointer) == ["/spec/space/operations/1"])
    #expect(free?.all.first?.allowed?.contains("shuffle_7x7") == true)
    let fitness = #expect(throws: Violations.self) {
        try JobSpec.resolve(
            kind: .searchEvolution,
            Samples.least(.searchEvolution).setting("objective", to: "bn"),
        ).get()
    }
    #expect(fitness?.all.map(\.pointer) == ["/spec/objective"])
    #expect(fitness?.all.first?.allowed?.contains("\"ap50\"") == true)
}

/// What is set at a place of the fullest sample, and the violation that follows.
struct Spoilt: Sendable, CustomTestStringConvertible {
    let kind: JobKind
    let path: String
    let value: JSONValue?
    let at: String
    let code: Violation.Code

    init(
        _ kind: JobKind,
        _ path: String,
        _ value: JSONValue?,
        _ code: Violation.Code,
        at: String? = nil,
    ) {
        self.kind = kind
        self.path = path
        self.value = value
        self.at = "/spec/" + (at ?? path)
        self.code = code
    }

    var testDescription: String { "\(kind.rawValue): \(path) = \(value?.canonical ?? "nothing")" }

    static let all: [Spoilt] = [
        // Fields that are not there, misspelt or of another type
        Spoilt(.supernetPretrain, "learning_rate", 1, .unknownField),
        Spoilt(.supernetPretrain, "a~1b", 1, .unknownField, at: "a~01b"),
        Spoilt(.supernetPretrain, "data/dataset", nil, .missing),
        Spoilt(.supernetPretrain, "space", nil, .missing),
        Spoilt(.supernetPretrain, "training", nil, .missing),
        Spoilt(.supernetPretrain, "training/steps", nil, .missing),
        Spoilt(.supernetPretrain, "training", 3, .wrongType),
        Spoilt(.supernetPretrain, "training/steps", "10", .wrongType),
        Spoilt(.supernetPretrain, "training/steps", 1.5, .wrongType),
        Spoilt(.supernetPretrain, "training/steps", nil, .missing),
        Spoilt(.supernetPretrain, "training/batch", .null, .wrongType),
        Spoilt(.supernetPretrain, "image/flip", true, .wrongType),
        Spoilt(.supernetPretrain, "training/optimizer/decayNorms", 1, .wrongType),
        Spoilt(.supernetPretrain, "data/train", 5, .wrongType),
        // Numbers
        Spoilt(.supernetPretrain, "training/steps", 0, .outOfRange),
        Spoilt(.supernetPretrain, "training/steps", 1e300, .outOfRange),
        Spoilt(.supernetPretrain, "training/steps", .int(.max), .outOfRange),
        Spoilt(.supernetPretrain, "training/batch", -1, .outOfRange),
        Spoilt(.supernetPretrain, "training/optimizer/learningRate", 0, .outOfRange),
        Spoilt(.supernetPretrain, "training/optimizer/learningRate", .double(.nan), .outOfRange),
        Spoilt(
            .supernetPretrain,
            "training/optimizer/learningRate",
            .double(.infinity),
            .outOfRange,
        ),
        Spoilt(.supernetPretrain, "training/optimizer/betas", [0.9], .outOfRange),
        Spoilt(
            .supernetPretrain,
            "training/optimizer/betas",
            [0.9, 1],
            .outOfRange,
            at: "training/optimizer/betas/1",
        ),
        Spoilt(.supernetPretrain, "training/gradientClip", -1, .outOfRange),
        Spoilt(.supernetPretrain, "training/maxBadImages", 1.5, .outOfRange),
        Spoilt(.supernetPretrain, "shuffle", 3, .outOfRange),
        Spoilt(.supernetPretrain, "labelSmoothing", 1, .outOfRange),
        Spoilt(.supernetPretrain, "image/scale", [0.9, 0.1], .outOfRange),
        Spoilt(.supernetPretrain, "image/ratio", [2, 0.5], .outOfRange),
        Spoilt(
            .supernetPretrain,
            "image/pixels/std",
            [1, 0, 1],
            .outOfRange,
            at: "image/pixels/std/1",
        ),
        Spoilt(.supernetPretrain, "image/pixels/mean", [1, 1], .outOfRange),
        // Names
        Spoilt(.supernetPretrain, "image/pixels/order", "gbr", .notAllowed),
        Spoilt(.supernetPretrain, "training/optimizer/kind", "adam", .notAllowed),
        Spoilt(.supernetPretrain, "training/optimizer/kind", 1, .wrongType),
        Spoilt(.supernetPretrain, "training/schedule/kind", "step", .notAllowed),
        Spoilt(.supernetPretrain, "training/schedule/final", 0, .unknownField),
        Spoilt(.supernetPretrain, "training/optimizer/momentum", 0.9, .unknownField),
        Spoilt(.supernetPretrain, "space", "detnas-300", .notAllowed),
        Spoilt(.supernetPretrain, "space", 300, .wrongType),
        // Spaces
        Spoilt(.supernetPretrain, "space/stages/2/width", 50, .outOfRange),
        Spoilt(.supernetPretrain, "space/stages/2/blocks", 0, .outOfRange),
        Spoilt(.supernetPretrain, "space/stages/1/with", 1, .unknownField),
        Spoilt(.supernetPretrain, "space/stages", [], .outOfRange),
        Spoilt(
            .supernetPretrain,
            "space/operations",
            ["shuffle_9x9"],
            .notAllowed,
            at: "space/operations/0",
        ),
        Spoilt(.supernetPretrain, "space/stem", nil, .missing),
        // Paths
        Spoilt(.supernetPretrain, "data/dataset", "/etc", .notAllowed),
        Spoilt(.supernetPretrain, "data/dataset", "../up", .notAllowed),
        Spoilt(.supernetPretrain, "data/dataset", "../\u{301}up", .notAllowed),
        Spoilt(.supernetPretrain, "data/dataset", "a//b", .notAllowed),
        Spoilt(.supernetPretrain, "data/dataset", "a/", .notAllowed),
        Spoilt(.supernetPretrain, "data/dataset", ".", .notAllowed),
        Spoilt(.supernetPretrain, "data/train", "a/./b", .notAllowed),
        Spoilt(.supernetPretrain, "data/train", "a\\b", .notAllowed),
        Spoilt(.supernetPretrain, "data/train", "a\u{0}b", .notAllowed),
        Spoilt(.supernetPretrain, "data/val", "", .outOfRange),
        Spoilt(.detectorFinetune, "train/annotations", "../a.json", .notAllowed),
        Spoilt(.detectorFinetune, "train/images", "..", .notAllowed),
        // References
        Spoilt(.detectorFinetune, "checkpoint", "arch_1", .notAllowed),
        Spoilt(.detectorFinetune, "checkpoint", "ckpt_", .notAllowed),
        Spoilt(.detectorFinetune, "checkpoint", "ckpt_../x", .notAllowed),
        Spoilt(.detectorFinetune, "checkpoint", 1, .wrongType),
        Spoilt(.detectorFinetune, "checkpoint", ["$from": 1], .wrongType, at: "checkpoint/$from"),
        Spoilt(.detectorFinetune, "checkpoint", [:], .missing, at: "checkpoint/$from"),
        Spoilt(.detectorFinetune, "checkpoint/of", 1, .unknownField),
        Spoilt(
            .detectorFinetune,
            "checkpoint",
            ["$from": "a.outputs.architecture"],
            .notAllowed,
            at: "checkpoint/$from",
        ),
        Spoilt(
            .detectorFinetune,
            "checkpoint",
            ["$from": "a.b.outputs.checkpoint"],
            .notAllowed,
            at: "checkpoint/$from",
        ),
        Spoilt(.subnetRetrain, "architecture", "ckpt_1", .notAllowed),
        Spoilt(.subnetRetrain, "architecture/genome", "0,1,2", .notAllowed),
        Spoilt(.subnetRetrain, "architecture/genome", "0,1,2,4,0", .notAllowed),
        Spoilt(.subnetRetrain, "architecture/genome", "", .outOfRange),
        Spoilt(.subnetRetrain, "architecture/space", nil, .missing),
        // Fields that do not go together
        Spoilt(.detectorFinetune, "checkpoint", nil, .missing, at: "space"),
        Spoilt(.detectorFinetune, "train/part/role", "architecture", .notAllowed),
        Spoilt(.detectorFinetune, "train/part/architectureShare", 1, .outOfRange),
        Spoilt(.detectorFinetune, "train/part/architectureShare", 0, .outOfRange),
        Spoilt(.detectorFinetune, "training/steps", 70_000, .conflict, at: "training/schedule/at"),
        Spoilt(
            .detectorFinetune,
            "training/schedule/at",
            [2, 2],
            .outOfRange,
        ),
        Spoilt(.detectorFinetune, "training/schedule/warmupSteps", 90_001, .conflict),
        Spoilt(.supernetPretrain, "sampler", ["kind": "greedy"], .notAllowed, at: "sampler/kind"),
        Spoilt(
            .supernetPretrain,
            "sampler",
            ["kind": "binned", "width": 3],
            .conflict,
            at: "sampler/to",
        ),
        Spoilt(
            .supernetPretrain,
            "sampler",
            ["kind": "binned", "from": 1, "to": 11, "width": 10],
            .conflict,
            at: "sampler/from",
        ),
        Spoilt(.detectorFinetune, "detector/kind", "ssd", .notAllowed),
        Spoilt(.detectorFinetune, "detector/neckNorm", "layer", .notAllowed),
        Spoilt(.detectorFinetune, "detector/headNorm", "group", .conflict, at: "detector/groups"),
        Spoilt(.detectorFinetune, "detector/anchorSizes", [32, 64], .conflict),
        Spoilt(.detectorFinetune, "detector/lastLevel", 6, .conflict, at: "detector/anchorSizes"),
        Spoilt(.detectorFinetune, "detector/firstLevel", 1, .outOfRange),
        Spoilt(.detectorFinetune, "detector/firstLevel", 6, .outOfRange),
        Spoilt(.detectorFinetune, "detector/lastLevel", 2, .conflict),
        Spoilt(.detectorFinetune, "detector/backgroundIoU", 0.6, .conflict),
        Spoilt(.detectorFinetune, "detector/kind", "yolo", .notAllowed),
        Spoilt(.detectorFinetune, "image/longSide", 700, .conflict),
        Spoilt(.detectorFinetune, "train/split", "architecture", .conflict),
        Spoilt(.searchEvolution, "search/split", "test", .conflict),
        Spoilt(
            .searchEvolution,
            "search",
            ["dataset": "coco", "annotations": "annotations/minival.json", "split": "test"],
            .notAllowed,
            at: "search/split",
        ),
        Spoilt(
            .searchEvolution,
            "train",
            ["dataset": "coco", "annotations": "annotations/minival.json", "split": "test"],
            .notAllowed,
            at: "train/split",
        ),
        Spoilt(
            .searchEvolution,
            "test",
            ["dataset": "coco", "annotations": "annotations/train.json"],
            .conflict,
            at: "test",
        ),
        Spoilt(
            .subnetRetrain,
            "detection/train/split",
            "test",
            .notAllowed,
        ),
        Spoilt(
            .detectorFinetune,
            "validation",
            ["dataset": "coco", "annotations": "annotations/train.json"],
            .conflict,
            at: "validation",
        ),
        Spoilt(.searchEvolution, "train/part/role", "architecture", .notAllowed),
        Spoilt(.searchEvolution, "search/part/role", "weights", .notAllowed),
        Spoilt(.searchEvolution, "search/part", .null, .conflict, at: "search"),
        Spoilt(.searchEvolution, "search/part/seed", 1, .conflict, at: "search"),
        Spoilt(.searchEvolution, "train/part/architectureShare", 0.3, .conflict, at: "search"),
        Spoilt(.searchEvolution, "strategy", "evolution", .conflict, at: "parents"),
        Spoilt(.searchEvolution, "strategy", "evolution", .conflict, at: "mutation"),
        Spoilt(.searchEvolution, "seeds", "0,1", .wrongType),
        Spoilt(.searchEvolution, "seeds/0", 3, .wrongType),
        Spoilt(.searchEvolution, "cacheMegabytes", -1, .outOfRange),
        Spoilt(.searchEvolution, "maxFailed", 2, .outOfRange),
        Spoilt(.searchEvolution, "search/folder", "val", .unknownField, at: "search/annotations"),
        Spoilt(.searchEvolution, "statistics/kind", "moving", .notAllowed),
        Spoilt(.searchEvolution, "statistics/images", 0, .outOfRange),
        Spoilt(.searchEvolution, "statistics/batches", 9, .unknownField),
        Spoilt(.searchEvolution, "recalibrationImages", 32, .unknownField),
        Spoilt(.searchAudit, "training", nil, .missing),
        Spoilt(.searchAudit, "objective", "top1", .conflict),
        Spoilt(.searchAudit, "train/part/role", "architecture", .notAllowed),
        Spoilt(.searchAudit, "search/part", .null, .conflict, at: "search"),
        Spoilt(.searchAudit, "test/annotations", "annotations/train.json", .conflict, at: "test"),
        Spoilt(.searchAudit, "architectures/ids", ["arch_1", "arch_2"], .outOfRange),
        Spoilt(.searchAudit, "architectures/ids/2", "ckpt_2", .notAllowed),
        Spoilt(
            .searchAudit,
            "architectures",
            ["kind": "genomes"],
            .missing,
            at: "architectures/genomes",
        ),
        Spoilt(
            .searchAudit,
            "architectures",
            ["count": 9, "sample": 5],
            .conflict,
            at: "architectures/count",
        ),
        Spoilt(.searchEvolution, "limit/macs", 0, .outOfRange),
        Spoilt(.searchEvolution, "limit/convention", "C", .notAllowed),
        Spoilt(.searchEvolution, "limit", [:], .missing, at: "limit/macs"),
    ]
}

@Test(arguments: Spoilt.all)
func `one fault gives its violation, at its place`(spoilt: Spoilt) throws {
    let sample = Samples.most(spoilt.kind).setting(spoilt.path, to: spoilt.value)
    let found = JobSpec.resolve(kind: spoilt.kind, sample).violations
    #expect(found.contains { $0.pointer == spoilt.at && $0.code == spoilt.code }, "\(found)")
    // No fault drags others along; `strategy` switches two rules on that the sample breaks.
    #expect(found.count == (spoilt.path == "strategy" ? 2 : 1), "\(found)")
}

@Test func `a retraining without anything to train is refused`() {
    let sample: JSONValue = ["architecture": "arch_1"]
    let found = JobSpec.resolve(kind: .subnetRetrain, sample).violations
    #expect(found.map(\.pointer) == ["/spec/classification"] && found.map(\.code) == [.missing])
}

@Test func `all faults are told at once, each once`() {
    let sample = Samples.most(.detectorFinetune)
        .setting("training/batch", to: 0).setting("training/stepz", to: 1)
        .setting("detector/ratios", to: [1, -1, "x"]).setting("image", to: [])
        .setting("checkpoint", to: nil)
    let found = JobSpec.resolve(kind: .detectorFinetune, sample).violations
    #expect(
        found.map(\.pointer) == [
            "/spec/detector/ratios/1", "/spec/detector/ratios/2", "/spec/image",
            "/spec/training/stepz", "/spec/training/batch", "/spec/space",
        ]
    )
}

@Test func `boxes for a classifier and folders for a detector are refused, each at its place`() {
    let folders: (String) -> JSONValue = {
        ["dataset": "imagenet", "folder": "train", "part": ["role": .string($0)]]
    }
    let least = Samples.least(.searchEvolution)
    let right = least.setting("objective", to: "top1")
        .setting("train", to: folders("weights")).setting("search", to: folders("architecture"))
    func found(_ sample: JSONValue) -> [String] {
        JobSpec.resolve(kind: .searchEvolution, sample).violations.map(\.pointer)
    }
    #expect(found(right) == [])
    #expect(found(least.setting("objective", to: "top1")) == ["/spec/train", "/spec/search"])
    #expect(found(right.setting("objective", to: "ap")) == ["/spec/train", "/spec/search"])
    #expect(found(right.setting("search", to: Samples.architecture)) == ["/spec/search"])
    #expect(
        found(right.setting("search", to: folders("weights"))) == ["/spec/search/part/role"]
    )
    // The whole folder holds the part.
    #expect(found(right.setting("search/part", to: nil)) == ["/spec/search"])
    #expect(found(right.setting("search", to: ["dataset": "imagenet", "folder": "val"])) == [])
}

@Test func `a search by top-1 reads the checkpoint of a classifier, any other a detector's`() throws
{
    let sample: JSONValue = [
        "checkpoint": "ckpt_1", "objective": "top1",
        "train": ["dataset": "imagenet", "folder": "train"],
        "search": ["dataset": "imagenet", "folder": "val"],
    ]
    let spec = try JobSpec.resolve(kind: .searchEvolution, sample).get()
    #expect(spec.references.map(\.expected) == [.checkpoint([.supernet])])
    #expect(spec.datasets.map(\.dataset) == ["imagenet", "imagenet"])
    #expect(spec.datasets.flatMap(\.paths).map(\.path) == ["train", "val"])
    #expect(
        spec.datasets.flatMap(\.paths).map(\.pointer) == [
            "/spec/train/folder", "/spec/search/folder",
        ]
    )
}

@Test func `a rule is silent while one of its fields is at fault`() {
    let sample = Samples.least(.searchEvolution)
        .setting("population", to: "many").setting("parents", to: 60)
    let found = JobSpec.resolve(kind: .searchEvolution, sample).violations
    #expect(found.map(\.pointer) == ["/spec/population"])
}

@Test(arguments: [
    ("training/optimizer/learning_rate", "learningRate"),
    ("training/optimizer/lerningRate", "learningRate"),
    ("training/stpes", "steps"), ("training/Batch", "batch"), ("labelSmothing", "labelSmoothing"),
    ("image/pixel", "pixels"), ("data/datset", "dataset"),
])
func `a misspelt field is told what it was meant to be`(path: String, meant: String) throws {
    let name = try #require(path.split(separator: "/").last).description
    let sample = Samples.least(.supernetPretrain)
        .setting(path.replacing(name, with: meant), to: nil).setting(path, to: 1)
    let found = JobSpec.resolve(kind: .supernetPretrain, sample).violations
    let violation = try #require(found.first { $0.pointer == "/spec/\(path)" })
    #expect(violation.code == .unknownField)
    #expect(violation.detail.hasSuffix("did you mean `\(meant)`?"), "\(violation)")
    #expect(violation.allowed?.contains("\"\(meant)\"") == true)
}

@Test func `a name that resembles none gets no suggestion`() {
    let sample = Samples.least(.supernetPretrain).setting("warp", to: 1)
    let found = JobSpec.resolve(kind: .supernetPretrain, sample).violations
    #expect(found.map(\.detail) == ["no such field"])
    #expect(nearest(to: "lr", among: ["at", "nms", "k"]) == nil)
}

@Test(arguments: [
    ("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("ca", "abc", 3), ("kitten", "sitting", 3),
    ("", "abc", 3), ("steps", "stpes", 1), ("batch", "bach", 1),
])
func `typing errors are counted`(a: String, b: String, errors: Int) {
    #expect(typingErrors(Array(a), Array(b)) == errors)
    #expect(typingErrors(Array(b), Array(a)) == errors)
}

@Test func `data sets and references come with their places`() throws {
    let retrain = try JobSpec.resolve(
        kind: .subnetRetrain,
        Samples.most(.subnetRetrain),
    ).get()
    #expect(
        retrain.datasets.map(\.pointer) == [
            "/spec/classification/data/dataset", "/spec/detection/train/dataset",
        ]
    )
    #expect(
        retrain.datasets.flatMap(\.paths).map(\.path) == [
            "train", "val", "annotations/train.json", "images",
        ]
    )
    #expect(retrain.references == [] && retrain.checkpointKind == .detector)

    let search = try JobSpec.resolve(
        kind: .searchEvolution,
        Samples.least(.searchEvolution),
    ).get()
    #expect(
        search.references(at: "/steps/1/spec") == [
            ReferenceNeed(
                pointer: "/steps/1/spec/checkpoint",
                reference: .id("ckpt_1"),
                expected: .checkpoint([.detectorSupernet]),
            )
        ]
    )
}

@Test(arguments: JobKind.allCases)
func `spoilt specs resolve to themselves or tell where they are wrong, never a trap`(
    kind: JobKind
) throws {
    var random = SplitMix(state: 3)
    for round in 0..<400 {
        var sample = round.isMultiple(of: 2) ? Samples.least(kind) : Samples.most(kind)
        for _ in 0..<Int.random(in: 1...3, using: &random) { sample = sample.spoilt(&random) }
        switch JobSpec.resolve(kind: kind, sample) {
        case .success(let spec):
            #expect(try JobSpec.resolve(kind: kind, spec.json).get() == spec)
        case .failure(let violations):
            #expect(!violations.all.isEmpty)
            #expect(violations.all.allSatisfy { $0.pointer.hasPrefix("/spec") })
        }
    }
}

extension JSONValue {
    /// This value with one place in it, at random, changed, renamed or gone.
    func spoilt(_ random: inout SplitMix) -> JSONValue {
        if Int.random(in: 0..<4, using: &random) > 0 {
            switch self {
            case .array(var elements) where !elements.isEmpty:
                let index = Int.random(in: elements.indices, using: &random)
                elements[index] = elements[index].spoilt(&random)
                return .array(elements)
            case .object(var members):
                guard let key = members.keys.sorted().randomElement(using: &random) else { break }
                let member = members[key] ?? .null
                switch Int.random(in: 0..<6, using: &random) {
                case 0: members[key] = nil
                case 1: members[String(key.dropFirst())] = member
                default: members[key] = member.spoilt(&random)
                }
                return .object(members)
            default: break
            }
        }
        let odd: [JSONValue] = [
            nil, true, 0, -1, 1, .int(.max), .int(.min), 0.5, 1e300, -1e300, "", "a", "..", [], [:],
            "steps", "random", ["$from": "a.outputs.checkpoint"], "ckpt_1", "detnas-mini",
        ]
        return Int.random(in: 0..<8, using: &random) == 0
            ? .random(depth: 2, &random) : odd.randomElement(using: &random) ?? nil
    }
}
