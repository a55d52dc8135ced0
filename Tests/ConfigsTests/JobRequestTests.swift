// Requests for jobs and pipelines: every field beside the spec, and how steps refer to each other.

import Testing

@testable import Configs

private let least: JSONValue = [
    "kind": "detector.finetune", "spec": Samples.least(.detectorFinetune),
]

@Test func `a request needs no more than a kind and its spec`() throws {
    let request = try JobRequest.resolve(least).get()
    #expect(request.name == "detector.finetune" && request.kind == .detectorFinetune)
    #expect(request.priority == 0 && request.seed == 0 && request.cores == 1)
    #expect(request.device == .cpu && request.labels == [:])
    #expect(request.limits.maxSeconds == nil && request.limits.maxAttempts == 3)
    #expect(request.submittedSpec == Samples.least(.detectorFinetune))
}

@Test func `a resolved request resolves to itself`() throws {
    let json = least.setting("name", to: "n").setting("labels", to: ["team": "a"])
        .setting("device", to: "cuda:1").setting("limits", to: ["maxSeconds": 60])
        .setting("seed", to: .int(.max)).setting("priority", to: -3).setting("cores", to: 4)
    let request = try JobRequest.resolve(json).get()
    #expect(request.device == .cuda(1) && request.limits.maxSeconds == 60)
    let again = try JobRequest.resolve(request.json).get()
    #expect(again.json == request.json && again.spec == request.spec)
}

@Test(
    arguments: [
        ("kind", nil, .missing), ("kind", "detector.finetun", .notAllowed),
        ("kind", 1, .wrongType),
        ("spec", nil, .missing), ("spec", [], .wrongType), ("name", "", .outOfRange),
        ("name", .string(String(repeating: "n", count: 201)), .outOfRange),
        ("name", "a\nb", .notAllowed), ("labels", [], .wrongType),
        ("labels/team", 1, .wrongType), ("labels/team", nil, .wrongType),
        ("cores", 0, .outOfRange), ("cores", "2", .wrongType), ("seed", -1, .outOfRange),
        ("device", "gpu", .notAllowed), ("device", "cuda:", .notAllowed),
        ("device", "cuda:01", .notAllowed), ("device", "cuda:-1", .notAllowed),
        ("device", 0, .wrongType), ("limits/maxSeconds", 0, .outOfRange),
        ("limits/maxAttempts", 0, .outOfRange), ("limits/maxAttempts", .null, .wrongType),
        ("limits/maxSecond", 1, .unknownField), ("priorty", 1, .unknownField),
        ("spec/training/steps", 0, .outOfRange),
    ] as [(String, JSONValue?, Violation.Code)]
)
func `a fault beside the spec is told at its place`(
    path: String,
    value: JSONValue?,
    code: Violation.Code,
) {
    // `labels/team` without a value stands for an explicit null.
    let value = path == "labels/team" ? value ?? .null : value
    let found = JobRequest.resolve(least.setting(path, to: value)).violations
    #expect(found.map(\.pointer) == ["/" + path], "\(found)")
    #expect(found.map(\.code) == [code])
}

@Test func `faults of the request and of its spec are told together`() {
    let json = least.setting("cores", to: 0).setting("spec/training/batch", to: 0)
    let found = JobRequest.resolve(json).violations
    #expect(found.map(\.pointer) == ["/cores", "/spec/training/batch"])
    #expect(JobRequest.resolve([]).violations.map(\.pointer) == [""])
}

@Test func `65 labels are one too many`() {
    func labels(_ count: Int) -> JSONValue {
        .object(Dictionary(uniqueKeysWithValues: (0..<count).map { ("l\($0)", "v") }))
    }
    #expect(JobRequest.resolve(least.setting("labels", to: labels(64))).violations == [])
    let found = JobRequest.resolve(least.setting("labels", to: labels(65))).violations
    #expect(found.map(\.pointer) == ["/labels"] && found.map(\.code) == [.outOfRange])
}

@Test func `a job alone cannot refer to a step`() {
    let json = least.setting("spec/checkpoint", to: ["$from": "pretrain.outputs.checkpoint"])
    let found = JobRequest.resolve(json).violations
    #expect(found.map(\.pointer) == ["/spec/checkpoint"] && found.map(\.code) == [.notAllowed])
}

private let pipeline: JSONValue = [
    "name": "p",
    "steps": [
        step("pretrain", .supernetPretrain, [:]),
        step(
            "finetune",
            .detectorFinetune,
            ["checkpoint": ["$from": "pretrain.outputs.checkpoint"]],
        ),
        step(
            "search",
            .searchEvolution,
            ["checkpoint": ["$from": "finetune.outputs.checkpoint"]],
        ),
        step(
            "retrain",
            .subnetRetrain,
            ["architecture": ["$from": "search.outputs.architecture"]],
        ),
    ],
]

private func step(_ name: String, _ kind: JobKind, _ changes: [String: JSONValue]) -> JSONValue {
    var spec = Samples.least(kind)
    for (key, value) in changes { spec = spec.setting(key, to: value) }
    return ["name": .string(name), "kind": .string(kind.rawValue), "spec": spec]
}

@Test func `a pipeline keeps its steps and what they wait for`() throws {
    let request = try PipelineRequest.resolve(pipeline).get()
    #expect(request.steps.map(\.name) == ["pretrain", "finetune", "search", "retrain"])
    #expect(
        request.steps.map(PipelineRequest.dependencies) == [
            [], ["pretrain"], ["finetune"], ["search"],
        ]
    )
    #expect(try PipelineRequest.resolve(request.json).get().json == request.json)
}

@Test(
    arguments: [
        ("steps/2/spec/checkpoint", ["$from": "finetun.outputs.checkpoint"], .notAllowed, nil),
        ("steps/2/spec/checkpoint", ["$from": "retrain.outputs.checkpoint"], .notAllowed, nil),
        ("steps/2/spec/checkpoint", ["$from": "search.outputs.checkpoint"], .notAllowed, nil),
        ("steps/2/spec/checkpoint", ["$from": "pretrain.outputs.checkpoint"], .notAllowed, nil),
        (
            "steps/3/spec/architecture", ["$from": "pretrain.outputs.architecture"], .notAllowed,
            nil,
        ),
        ("steps/0/name", "a b", .notAllowed, "steps/1/spec/checkpoint"),
        ("steps/2/name", nil, .missing, "steps/3/spec/architecture"),
        ("steps/3/name", "search", .conflict, nil), ("steps/3/name", "", .outOfRange, nil),
        ("steps/3/cores", 0, .outOfRange, nil), ("steps/3/spec/shufle", 1, .unknownField, nil),
        ("steps", [], .outOfRange, nil), ("steps", nil, .missing, nil),
        ("steps/3", 1, .wrongType, nil), ("nme", "x", .unknownField, nil),
    ] as [(String, JSONValue?, Violation.Code, String?)]
)
func `a fault of a step is told at its place`(
    path: String,
    value: JSONValue?,
    code: Violation.Code,
    consequence: String?,
) {
    let found = PipelineRequest.resolve(pipeline.setting(path, to: value)).violations
    #expect(found.first { $0.pointer == "/" + path }?.code == code, "\(found)")
    let others = found.map(\.pointer).filter { $0 != "/" + path }
    #expect(others == (consequence.map { ["/" + $0] } ?? []), "\(found)")
}

@Test func `33 steps are one too many`() {
    let steps = (0..<33).map { step("s\($0)", .supernetPretrain, [:]) }
    let most: JSONValue = ["steps": .array(Array(steps.dropLast()))]
    #expect(PipelineRequest.resolve(most).violations == [])
    let found = PipelineRequest.resolve(["steps": .array(steps)]).violations
    #expect(found.map(\.pointer) == ["/steps"] && found.map(\.code) == [.outOfRange])
}

@Test func `a misspelt step is told its name`() throws {
    let json = pipeline.setting(
        "steps/2/spec/checkpoint",
        to: ["$from": "fintune.outputs.checkpoint"],
    )
    let violation = try #require(PipelineRequest.resolve(json).violations.first)
    #expect(violation.detail.hasSuffix("did you mean `finetune`?"))
    #expect(violation.allowed == "\"pretrain\", \"finetune\"")
}

@Test func `spoilt pipelines are told or taken, never a trap`() {
    var random = SplitMix(state: 4)
    for _ in 0..<300 {
        let found = PipelineRequest.resolve(pipeline.spoilt(&random).spoilt(&random)).violations
        #expect(found.allSatisfy { $0.pointer.isEmpty || $0.pointer.hasPrefix("/") })
    }
}
