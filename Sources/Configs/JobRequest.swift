// The body of `POST /v1/jobs`: what to do, and how it is to be run.

/// A job as asked for, complete and checked as far as it can be without looking at the disk.
package struct JobRequest: Hashable, Sendable {
    /// For people. The kind where the request has none.
    package var name: String
    /// For filters; at most 64.
    package var labels: [String: String] = [:]
    /// Greater goes first.
    package var priority = 0
    /// What all randomness of the job follows from.
    package var seed = 0
    /// CPU cores that the job has for itself.
    package var cores = 1
    package var device = DeviceChoice.cpu
    package var limits = JobLimits()
    package var retention = JobRetention()
    package var spec: JobSpec
    /// The spec as it was sent.
    package var submittedSpec: JSONValue

    package var kind: JobKind { spec.kind }

    /// A request with every default but these, for `spec`.
    package init(name: String, spec: JobSpec) {
        self.name = name
        self.spec = spec
        submittedSpec = spec.json
    }

    /// The request that `json` is, or everything wrong with it. `{"$from": ...}` is refused: a job
    /// alone has no earlier step.
    ///
    /// - Parameter asStep: whether it is a step of a pipeline that is not at hand, and may have earlier ones.
    package static func resolve(
        _ json: JSONValue,
        asStep: Bool = false,
    ) -> Result<JobRequest, Violations> {
        var faults: [Violation] = []
        let request = read(json, at: "", &faults)
        for need in asStep ? [] : request?.spec.references(at: "/spec") ?? [] {
            if case .from = need.reference {
                faults.append(
                    Violation(
                        need.pointer,
                        .notAllowed,
                        "only a step of a pipeline has earlier steps",
                        allowed: "an id",
                    )
                )
            }
        }
        guard let request, faults.isEmpty else { return .failure(Violations(faults)) }
        return .success(request)
    }

    /// Reads a job, or a step of a pipeline, at `place`: a request as soon as its spec is right, so
    /// that its references can be checked beside faults elsewhere.
    static func read(
        _ json: JSONValue,
        at place: String,
        _ faults: inout [Violation],
    ) -> JobRequest? {
        let table = Table(
            blank: RunOptions.blank,
            fields: RunOptions.fields,
            others: ["kind", "spec"],
        )
        let options = table.read(json, place, &faults) ?? .blank
        guard json.object != nil else { return nil }
        guard let kindName = json["kind"] else {
            faults.append(
                Violation(
                    "\(place)/kind",
                    .missing,
                    "this field is required",
                    allowed: named(JobKind.allCases.map(\.rawValue)),
                )
            )
            return nil
        }
        guard let kind = Form<JobKind>.choice.read(kindName, "\(place)/kind", &faults) else {
            return nil
        }
        guard let submitted = json["spec"] else {
            faults.append(Violation("\(place)/spec", .missing, "this field is required"))
            return nil
        }
        switch JobSpec.resolve(kind: kind, submitted, at: "\(place)/spec") {
        case .failure(let violations):
            faults += violations.all
            return nil
        case .success(let spec): return options.request(spec, submitted)
        }
    }

    /// JSON Schema of what is the same for every kind; `kind` and `spec` may be anything.
    static var optionsSchema: [String: JSONValue] {
        Table(blank: RunOptions.blank, fields: RunOptions.fields, others: ["kind", "spec"]).schema
    }

    /// Every field, defaults included; resolves to the same request but for `submittedSpec`.
    package var json: JSONValue {
        guard case .object(var members) = Form.object.write(RunOptions(self)) else { return .null }
        members["kind"] = .string(kind.rawValue)
        members["spec"] = spec.json
        return .object(members)
    }
}

/// How long and how often a job may run.
package struct JobLimits: Hashable, Sendable {
    /// Seconds of running, over all attempts; nil: no limit.
    package var maxSeconds: Int?
    package var maxAttempts = 3

    package init() {}
}

/// What of a job is kept.
package struct JobRetention: Hashable, Sendable {
    /// How many of its newest checkpoints, beside the best and the final one; nil: as the server does.
    package var checkpoints: Int?

    package init() {}
}

/// Where a job computes: `"cpu"`, `"cuda"` (the device that the scheduler picks), `"cuda:1"`, or
/// `"auto"` (CUDA where there is any).
package enum DeviceChoice: Hashable, Sendable, RawRepresentable {
    case cpu
    case auto
    case cuda(Int?)

    package init?(rawValue: String) {
        switch rawValue {
        case "cpu": self = .cpu
        case "auto": self = .auto
        case "cuda": self = .cuda(nil)
        default:
            guard rawValue.hasPrefix("cuda:"), let index = UInt8(rawValue.dropFirst(5)),
                rawValue == "cuda:\(index)"
            else { return nil }
            self = .cuda(Int(index))
        }
    }

    package var rawValue: String {
        switch self {
        case .cpu: "cpu"
        case .auto: "auto"
        case .cuda(let index): index.map { "cuda:\($0)" } ?? "cuda"
        }
    }
}

/// The part of a request that is the same for every kind.
private struct RunOptions: Fielded {
    var name: String?
    var labels: [String: String] = [:]
    var priority = 0
    var seed = 0
    var cores = 1
    var device = DeviceChoice.cpu
    var limits = JobLimits()
    var retention = JobRetention()

    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("name", \.name, .optional(.text(1...200))),
            Field("labels", \.labels, .labels),
            Field("priority", \.priority, .int(-1_000_000...1_000_000)),
            Field("seed", \.seed, .int(0...Int.max)),
            Field("cores", \.cores, .int(1...4096)),
            Field("device", \.device, .device),
            Field("limits", \.limits, .object),
            Field("retention", \.retention, .object),
        ]
    }
}

extension RunOptions {
    init(_ request: JobRequest) {
        name = request.name
        labels = request.labels
        priority = request.priority
        seed = request.seed
        cores = request.cores
        device = request.device
        limits = request.limits
        retention = request.retention
    }

    func request(_ spec: JobSpec, _ submitted: JSONValue) -> JobRequest {
        var request = JobRequest(name: name ?? spec.kind.rawValue, spec: spec)
        request.labels = labels
        request.priority = priority
        request.seed = seed
        request.cores = cores
        request.device = device
        request.limits = limits
        request.retention = retention
        request.submittedSpec = submitted
        return request
    }
}

extension JobLimits: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("maxSeconds", \.maxSeconds, .optional(.int(1...1_000_000_000))),
            Field("maxAttempts", \.maxAttempts, .int(1...1000)),
        ]
    }
}

extension JobRetention: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [Field("checkpoints", \.checkpoints, .optional(.int(1...1_000_000)))]
    }
}

extension Form<DeviceChoice> {
    static var device: Form {
        let allowed = "\"cpu\", \"cuda\", \"cuda:N\", \"auto\""
        let schema: JSONValue = ["type": "string", "pattern": "^(cpu|auto|cuda(:[0-9]+)?)$"]
        return Form(schema: schema) { json, place, faults in
            guard let name = json.string else {
                faults.append(wrongType(json, place, expected: allowed))
                return nil
            }
            if let device = DeviceChoice(rawValue: name) { return device }
            let detail = "\(quoted(name)) is no device"
            faults.append(Violation(place, .notAllowed, detail, allowed: allowed))
            return nil
        } write: {
            .string($0.rawValue)
        }
    }
}

extension Form<[String: String]> {
    /// At most 64 short strings by name.
    static var labels: Form {
        let value = Form<String>.text(0...1000)
        let schema: JSONValue = [
            "type": "object", "additionalProperties": value.schema, "maxProperties": 64,
            "propertyNames": ["minLength": 1, "maxLength": 200],
        ]
        return Form(schema: schema) { json, place, faults in
            guard let members = json.object else {
                faults.append(wrongType(json, place, expected: "an object of strings"))
                return nil
            }
            let before = faults.count
            if members.count > 64 {
                let detail = "there are \(members.count) labels"
                faults.append(Violation(place, .outOfRange, detail, allowed: "at most 64"))
            }
            var labels: [String: String] = [:]
            for (key, member) in members.sorted(by: { $0.key < $1.key }).prefix(64) {
                let keyPlace = pointer(place, key)
                if (1...200).contains(key.unicodeScalars.count) {
                    labels[key] = value.read(member, keyPlace, &faults)
                } else {
                    faults.append(
                        Violation(
                            keyPlace,
                            .outOfRange,
                            "the name of a label is too long or empty",
                            allowed: "1 to 200 characters",
                        )
                    )
                }
            }
            return faults.count == before ? labels : nil
        } write: {
            .object($0.mapValues { .string($0) })
        }
    }
}
