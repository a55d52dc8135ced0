// How jobs and what they make look from outside.

internal import Configs
internal import Foundation
internal import JobStore
internal import Jobs
internal import SearchSpaces

extension Job {
    /// What a list shows: enough to know it and how far it is.
    var summary: [String: JSONValue] {
        var view: [String: JSONValue] = [
            "id": .string(id.rawValue), "kind": .string(kind.rawValue), "name": .optional(name),
            "state": .string(state.rawValue), "phase": .string(phase),
            "terminal": .bool(state.isTerminal), "createdAt": .time(createdAt),
            "links": ["self": .string("/v1/jobs/\(id)")],
        ]
        view["startedAt"] = startedAt.map(JSONValue.time)
        view["endedAt"] = endedAt.map(JSONValue.time)
        view["progress"] = progress.flatMap { try? JSON.value($0) }
        view["pipelineId"] = pipeline.map { .string($0) }
        view["step"] = step.map { .string($0) }
        return view
    }

    /// Every member that the whole job may have.
    static let fieldNames = [
        "attempts", "best", "cores", "createdAt", "desiredState", "device", "endedAt", "error",
        "forkOf", "id", "inputs", "kind", "labels", "lastSeq", "latestMetrics", "limits", "links",
        "name", "notBefore", "outputs", "phase", "pipelineId", "placement", "priority", "progress",
        "retention", "revision", "runningSeconds", "seed", "spec", "specDigest", "startedAt",
        "state", "step", "submittedSpec", "terminal", "waitingFor",
    ]

    /// The whole job.
    func view(attempts: [Attempt], checkpointID: String?, now: Date = Date()) -> JSONValue {
        var view = summary
        view["labels"] = .object(labels.mapValues { .string($0) })
        view["priority"] = .int(priority)
        view["seed"] = .int(seed)
        view["cores"] = .int(cores)
        view["device"] = .string(device)
        view["limits"] = [
            "maxSeconds": .optional(limits.maxSeconds), "maxAttempts": .int(limits.maxAttempts),
        ]
        view["retention"] = ["checkpoints": .optional(keepCheckpoints)]
        view["spec"] = spec
        view["specDigest"] = .string("sha-256:" + SHA256.digest(Array(spec.canonical.utf8)).hex)
        view["submittedSpec"] = submittedSpec
        view["inputs"] = inputs.flatMap(\.view)
        view["best"] = best.map {
            ["metric": .string($0.metric), "value": .double($0.value), "step": .int($0.step)]
        }
        view["forkOf"] = forkOf.map { .string($0.rawValue) }
        view["revision"] = .int(revision)
        view["lastSeq"] = .int(lastSeq)
        view["desiredState"] = cancel != nil ? "cancelled" : pause == true ? "paused" : nil
        view["runningSeconds"] = .double(runningSeconds(at: now))
        view["notBefore"] = notBefore.map(JSONValue.time)
        view["placement"] = ["cores": .array(placement.map { .int($0) })]
        view["waitingFor"] =
            switch phase {
            case JobPhase.waitingForDependency: .array(needs.map { .string($0.rawValue) })
            case JobPhase.waitingForDisk, JobPhase.settling: ["disk"]
            default: nil
            }
        view["latestMetrics"] = .object(latestMetrics.mapValues { .double($0) })
        view["attempts"] = .array(attempts.map(\.view))
        view["error"] = failure.flatMap { try? JSON.value($0) }
        view["outputs"] = outputs?.view(checkpointID: checkpointID)
        view["links"] = .object(links)
        return .object(view)
    }

    private var links: [String: JSONValue] {
        let own = "/v1/jobs/\(id)"
        var links: [String: JSONValue] = [
            "self": .string(own), "checkpoints": .string("/v1/checkpoints?job=\(id)"),
            "bundle": .string("\(own)/bundle.tar"),
        ]
        for part in ["events", "files", "logs", "metrics"] {
            links[part] = .string("\(own)/\(part)")
        }
        if kind == .searchEvolution {
            for part in ["candidates", "generations", "pareto"] {
                links[part] = .string("\(own)/\(part)")
            }
        }
        return links
    }
}

extension JobInputs {
    /// Without paths; nil where there are none.
    var view: JSONValue? {
        var view: [String: JSONValue] = [:]
        view["checkpoint"] = checkpoint.map {
            ["sha256": .string($0.sha256), "kind": .string($0.kind)]
        }
        let all = architectures ?? architecture.map { [$0] }
        view["architectures"] = all.map { .array($0.map { .string($0.genome) }) }
        return view.isEmpty ? nil : .object(view)
    }
}

extension Attempt {
    var view: JSONValue {
        var view: [String: JSONValue] = [
            "n": .int(n), "startedAt": .time(startedAt), "cores": .array(cores.map { .int($0) }),
        ]
        view["endedAt"] = endedAt.map(JSONValue.time)
        view["outcome"] = outcome.map { .string($0) }
        view["fromCheckpoint"] = fromCheckpoint.map { .string($0) }
        view["fromStep"] = fromStep.map { .int($0) }
        view["version"] = version.map { .string($0) }
        return .object(view)
    }
}

extension JobOutputs {
    func view(checkpointID: String?) -> JSONValue {
        var view: [String: JSONValue] = [:]
        view["checkpointId"] = checkpointID.map { .string($0) }
        view["architectures"] = architectures.map { .array($0.map { .string($0.hash) }) }
        view["metrics"] = metrics
        view["files"] = files.map { .int($0.count) }
        return .object(view)
    }
}

extension JobEvent {
    var view: JSONValue {
        [
            "seq": .int(seq), "ts": .string(ts), "job": .string(job.rawValue),
            "attempt": .int(attempt), "type": .string(type), "data": data,
        ]
    }
}

extension Checkpoint {
    var view: JSONValue {
        var links: [String: JSONValue] = [
            "self": .string("/v1/checkpoints/\(id)"),
            "content": .string("/v1/checkpoints/\(id)/content"),
        ]
        links["job"] = job.map { .string("/v1/jobs/\($0)") }
        return [
            "id": .string(id), "job": .optional(job?.rawValue), "name": .string(name),
            "kind": .string(kind), "step": .int(step), "sha256": .string(sha256),
            "bytes": .int(bytes), "final": .bool(final), "createdAt": .string(createdAt),
            "links": .object(links),
        ]
    }
}

extension Upload {
    var view: JSONValue {
        [
            "id": .string(id), "name": .string(name),
            "state": storedAt == nil ? "waiting" : "stored", "bytes": .optional(bytes),
            "sha256": .optional(sha256), "createdAt": .string(createdAt),
            "storedAt": .optional(storedAt), "links": ["self": .string("/v1/uploads/\(id)")],
        ]
    }
}

extension Candidate {
    /// - Parameter space: of its search.
    func view(in space: SearchSpace?) -> JSONValue {
        let architecture = space.flatMap { space in
            (try? Genome(parsing: genome, in: space)).map { Architecture.hash(space, $0) }
        }
        return [
            "index": .int(place), "generation": .int(generation), "genome": .string(genome),
            "map": .optional(map), "map50": .optional(map50), "top1": .optional(top1),
            "top5": .optional(top5), "loss": .optional(loss), "macs": .int(macs),
            "params": .int(params), "standardError": .optional(standardError),
            "seconds": .optional(seconds), "origin": origin.map { .string($0) } ?? .null,
            "failure": failure.map { .string($0) } ?? .null, "halted": haltedValue ?? .null,
            "architecture": architecture.map { .string($0) } ?? .null,
        ]
    }
}

extension OutputFile {
    func view(of job: JobID) -> JSONValue {
        [
            "name": .string(name), "type": .string(mediaType), "sha256": .string(sha256),
            "bytes": .int(bytes),
            "links": ["content": .string("/v1/jobs/\(job)/files/\(name)")],
        ]
    }

    /// By the ending of the name; a type that no browser runs as a page.
    var mediaType: String {
        switch (name as NSString).pathExtension {
        case "json": "application/json"
        case "png": "image/png"
        case "jpg": "image/jpeg"
        default: "application/octet-stream"
        }
    }
}

extension StoredArchitecture {
    /// What a list shows.
    var summary: [String: JSONValue] {
        [
            "id": .string(hash), "genome": .string(genome), "macs": .int(macs),
            "params": .int(params), "score": .optional(score), "job": .string(job.rawValue),
            "createdAt": .string(createdAt), "space": spaceValue["name"] ?? .null,
            "links": [
                "self": .string("/v1/architectures/\(hash)"),
                "content": .string("/v1/architectures/\(hash)/content"),
                "job": .string("/v1/jobs/\(job)"),
            ],
        ]
    }

    /// The architecture itself, with blocks and costs; nil when the stored text is of a space this version cannot read.
    var architecture: Architecture? {
        guard let space = try? JSON.read(SearchSpace.self, from: Data(self.space.utf8)),
            let word = try? Genome(parsing: genome, in: space)
        else { return nil }
        return try? Architecture(space: space, genome: word)
    }
}

extension SearchSpace {
    /// What a dry run tells of a space.
    var estimate: JSONValue {
        let macs = costTable()
        let params = costTable(.params)
        return [
            "name": .string(name), "positions": .int(positions.count),
            "choices": .int(operations.count),
            "macs": [
                "cheapest": .int(macs.minimum), "mean": .double(macs.mean),
                "dearest": .int(macs.maximum),
            ],
            "params": ["least": .int(params.minimum), "most": .int(params.maximum)],
            "supernetParams": .int(supernetParams().backbone),
            "convention": .string(CostConvention.backbone.stated),
        ]
    }
}

extension JSONValue {
    static func time(_ date: Date) -> JSONValue { .string(Timestamp.text(date)) }
}

extension Architecture {
    /// What the stem and each block cost at the stated resolution; together `cost.macs` and `cost.params`.
    var layers: JSONValue {
        let macs = space.costTable(height: cost.height, width: cost.width)
        let params = space.costTable(.params, height: cost.height, width: cost.width)
        let stem: JSONValue = [
            "name": "stem", "macs": .int(macs.constant), "params": .int(params.constant),
        ]
        let rows = genome.letters.enumerated().map { position, letter -> JSONValue in
            let block = blocks[position]
            return [
                "name": .string("stage\(block.stage).\(block.index)"),
                "operation": .string(block.operation.rawValue), "inputs": .int(block.inputs),
                "outputs": .int(block.outputs), "stride": .int(block.stride),
                "macs": .int(macs.rows[position][Int(letter)]),
                "params": .int(params.rows[position][Int(letter)]),
            ]
        }
        return .array([stem] + rows)
    }
}
