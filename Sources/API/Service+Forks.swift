// Forks: a new job like another one, from its beginning or from one of its checkpoints.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

/// What a fork comes to.
struct Fork {
    let of: JobID
    /// The job that is asked for, as if it had been written out.
    let request: JSONValue
    let restart: Restart?
}

extension Service {
    /// The fork that `sent` asks for; nil where it is none.
    /// - Throws: `Violations`.
    func forked(_ sent: JSONValue) throws -> Fork? {
        guard let asked = try ForkRequest.resolve(sent) else { return nil }
        guard let pattern = try JobID(rawValue: asked.job).flatMap(store.job) else {
            throw Violations([
                Violation(
                    "/forkOf",
                    .notFound,
                    "there is no job \"\(asked.job.prefix(100))\"",
                    allowed: "the id of a job",
                )
            ])
        }
        let restart = try asked.from.map {
            Restart(afterEpoch: 0, checkpoint: try checkpoint($0, of: pattern))
        }
        return Fork(
            of: pattern.id,
            request: pattern.asRequest.merged(with: asked.overrides),
            restart: restart,
        )
    }

    /// A checkpoint that the training of another job can go on from: not a final one, which has no optimizer state.
    private func checkpoint(_ id: String, of pattern: Job) throws -> InputCheckpoint {
        guard let found = try store.checkpoint(id), found.job == pattern.id, !found.final,
            let path = store.path(of: found)
        else {
            throw Violations([
                Violation(
                    "/from",
                    .notAllowed,
                    "\"\(id.prefix(100))\" is no checkpoint of \(pattern.id) to go on from",
                    allowed:
                        "an id of GET /v1/checkpoints?job=\(pattern.id) that is not final; to begin with the"
                        + " weights of a final one, name it in the spec",
                )
            ])
        }
        return InputCheckpoint(path: path, sha256: found.sha256, kind: found.kind)
    }
}

extension Job {
    /// The request that would make this job again.
    fileprivate var asRequest: JSONValue {
        [
            "kind": .string(kind.rawValue), "name": .optional(name),
            "labels": .object(labels.mapValues { .string($0) }), "priority": .int(priority),
            "seed": .int(seed), "cores": .int(cores), "device": .string(device),
            "limits": [
                "maxSeconds": .optional(limits.maxSeconds),
                "maxAttempts": .int(limits.maxAttempts),
            ], "spec": submittedSpec,
        ]
    }
}
