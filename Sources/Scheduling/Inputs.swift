// What the references in a spec stand for when its job starts.

internal import Configs
internal import Foundation
package import JobStore
package import Jobs

/// A reference that stands for nothing usable.
package struct InputFailure: Error, Equatable {
    package let code: String
    package let message: String

    var asFailure: JobFailure { JobFailure(code: code, message: message) }
}

package struct Inputs {
    private let store: JobStore

    package init(store: JobStore) { self.store = store }

    /// - Throws: `InputFailure`, or what the store throws.
    package func resolve(_ job: Job) throws -> JobInputs {
        guard case .success(let spec) = JobSpec.resolve(kind: job.kind, job.spec) else {
            throw InputFailure(code: "internal", message: "the stored spec does not resolve")
        }
        var inputs = JobInputs()
        for need in spec.references {
            switch need.expected {
            case .checkpoint(let kinds):
                inputs.checkpoint = try checkpoint(need, kinds, for: job)
            case .architecture:
                let found = try architecture(need, for: job)
                if case .audit = spec {
                    inputs.architectures = (inputs.architectures ?? []) + [found]
                } else {
                    inputs.architecture = found
                }
            }
        }
        return inputs
    }

    private func checkpoint(
        _ need: ReferenceNeed,
        _ kinds: [CheckpointKind],
        for job: Job,
    ) throws -> InputCheckpoint {
        let name: String
        let kind: String
        let sha256: String
        let path: String?
        switch need.reference {
        case .id(let id):
            guard let found = try store.checkpoint(id) else {
                throw InputFailure(
                    code: "bad_checkpoint",
                    message: "\(need.pointer): no checkpoint \(id)",
                )
            }
            (name, kind, sha256) = (found.name, found.kind, found.sha256)
            path = store.path(of: found)
        case .from(let step, _, _):
            let maker = try maker(step, of: job)
            guard let output = maker.outputs?.checkpoint else {
                throw InputFailure(
                    code: "bad_checkpoint",
                    message: "\(need.pointer): \(step) left no checkpoint",
                )
            }
            (name, kind, sha256) = (output.name, output.kind, output.sha256)
            path = store.runDirectory(of: maker.id).resolve(output.path)
        }
        guard kinds.contains(where: { $0.rawValue == kind }) else {
            let allowed = kinds.map(\.rawValue).joined(separator: ", ")
            throw InputFailure(
                code: "bad_checkpoint",
                message: "\(need.pointer): \(name) is a \(kind), not a \(allowed)",
            )
        }
        guard let path, FileManager.default.fileExists(atPath: path) else {
            throw InputFailure(
                code: "bad_checkpoint",
                message: "\(need.pointer): the file of \(name) is gone",
            )
        }
        return InputCheckpoint(path: path, sha256: sha256, kind: kind)
    }

    private func architecture(_ need: ReferenceNeed, for job: Job) throws -> InputArchitecture {
        switch need.reference {
        case .id(let id):
            guard let found = try store.architecture(id) else {
                throw InputFailure(
                    code: "bad_architecture",
                    message: "\(need.pointer): no architecture \(id)",
                )
            }
            return InputArchitecture(space: found.spaceValue, genome: found.genome)
        case .from(let step, _, let rank):
            let all = try maker(step, of: job).outputs?.architectures ?? []
            guard let found = all.dropFirst(rank - 1).first else {
                throw InputFailure(
                    code: "bad_architecture",
                    message:
                        "\(need.pointer): \(step) left \(all.count) architectures, none of rank \(rank)",
                )
            }
            return InputArchitecture(space: found.space, genome: found.genome)
        }
    }

    private func maker(_ step: String, of job: Job) throws -> Job {
        guard let pipeline = job.pipeline,
            let maker = try store.pipeline(pipeline)?.jobs.first(where: { $0.step == step })
        else {
            throw InputFailure(code: "internal", message: "no earlier step is called \(step)")
        }
        return maker
    }
}
