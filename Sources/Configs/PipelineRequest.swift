// The body of `POST /v1/pipelines`: jobs that use what the jobs before them made.

package struct PipelineRequest: Hashable, Sendable {
    /// The most steps of a pipeline.
    package static let stepLimit = 32

    package var name: String
    /// In order; a step refers to earlier ones alone. Each `name` is unique, and is the job's.
    package var steps: [JobRequest]

    package init(name: String, steps: [JobRequest]) {
        self.name = name
        self.steps = steps
    }

    /// The pipeline that `json` is, or everything wrong with it, such as `/steps/2/spec/checkpoint`.
    package static func resolve(_ json: JSONValue) -> Result<PipelineRequest, Violations> {
        var faults: [Violation] = []
        let table = Table(blank: Envelope(), fields: Envelope.fields)
        guard let envelope = table.read(json, "", &faults) ?? partial(json) else {
            return .failure(Violations(faults))
        }
        var earlier: [Step] = []
        var requests: [JobRequest] = []
        for (index, step) in envelope.steps.enumerated() {
            let place = "/steps/\(index)"
            let request = JobRequest.read(step, at: place, &faults)
            checkName(step, at: place, earlier, &faults)
            if let request {
                for need in request.spec.references(at: "\(place)/spec") {
                    check(need, earlier, &faults)
                }
                requests.append(request)
            }
            earlier.append(Step(step, request))
        }
        if !faults.isEmpty { return .failure(Violations(faults)) }
        return .success(PipelineRequest(name: envelope.name, steps: requests))
    }

    /// The steps that `request` waits for, by name.
    package static func dependencies(of request: JobRequest) -> Set<String> {
        Set(
            request.spec.references.compactMap {
                if case .from(let step, _, _) = $0.reference { step } else { nil }
            }
        )
    }

    /// Every field, defaults included.
    package var json: JSONValue {
        ["name": .string(name), "steps": .array(steps.map(\.json))]
    }
}

extension PipelineRequest {
    private struct Envelope {
        var name = "pipeline"
        var steps: [JSONValue] = []

        static var fields: [Field<Self>] {
            let step = Form<JSONValue>(schema: [:]) { json, _, _ in
                json
            } write: {
                $0
            }
            return [
                Field("name", \.name, .text(1...200)),
                Field("steps", \.steps, .list(step, count: 1...stepLimit), required: true),
            ]
        }
    }

    /// The steps of a pipeline that is wrong elsewhere, so that theirs faults are told too.
    private static func partial(_ json: JSONValue) -> Envelope? {
        guard let steps = json["steps"]?.array, steps.count <= stepLimit else { return nil }
        return Envelope(steps: steps)
    }

    /// What later steps may ask of one, as far as it could be read.
    private struct Step {
        let name: String?
        let kind: JobKind?
        let checkpointKind: CheckpointKind?

        init(_ json: JSONValue, _ request: JobRequest?) {
            name = json["name"]?.string
            kind = json["kind"]?.string.flatMap(JobKind.init(rawValue:))
            checkpointKind = request?.spec.checkpointKind
        }
    }

    private static func checkName(
        _ step: JSONValue,
        at place: String,
        _ earlier: [Step],
        _ faults: inout [Violation],
    ) {
        guard step.object != nil else { return }
        let place = "\(place)/name"
        let allowed = "1 to 128 of A-Z, a-z, 0-9, `_`, `-`; no two steps alike"
        guard let json = step["name"], json != .null else {
            faults.append(Violation(place, .missing, "a step needs a name", allowed: allowed))
            return
        }
        guard let name = json.string else { return }
        if !isName(name) {
            let detail = "\(quoted(name)) cannot name a step"
            faults.append(Violation(place, .notAllowed, detail, allowed: allowed))
        } else if let twin = earlier.firstIndex(where: { $0.name == name }) {
            let detail = "step \(twin) is called \(quoted(name)) too"
            faults.append(Violation(place, .conflict, detail, allowed: allowed))
        }
    }

    /// Notes a reference to no earlier step, or to what that step does not make.
    private static func check(
        _ need: ReferenceNeed,
        _ earlier: [Step],
        _ faults: inout [Violation],
    ) {
        guard case .from(let name, let output, _) = need.reference else { return }
        let names = earlier.compactMap(\.name)
        guard let step = earlier.first(where: { $0.name == name }) else {
            let hint = suggestion(for: name, among: names)
            let allowed = names.isEmpty ? "an id; this is the first step" : named(names)
            faults.append(
                Violation(
                    need.pointer,
                    .notAllowed,
                    "no earlier step is called \(quoted(name))\(hint)",
                    allowed: allowed,
                )
            )
            return
        }
        guard let kind = step.kind else { return }
        if !kind.outputs.contains(where: { $0.rawValue == output }) {
            let outputs = kind.outputs.map { "\(name).outputs.\($0.rawValue)" }
            faults.append(
                Violation(
                    need.pointer,
                    .notAllowed,
                    "`\(kind.rawValue)` has no output `\(output)`",
                    allowed: named(outputs),
                )
            )
        } else if case .checkpoint(let kinds) = need.expected, let made = step.checkpointKind,
            !kinds.contains(made)
        {
            faults.append(
                Violation(
                    need.pointer,
                    .notAllowed,
                    "step \(quoted(name)) makes a checkpoint of kind `\(made.rawValue)`",
                    allowed: "a checkpoint of kind \(named(kinds.map(\.rawValue)))",
                )
            )
        }
    }
}
