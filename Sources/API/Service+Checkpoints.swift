// Checkpoints: listed, fetched, named by how good or new they are, checked against the disk, deleted.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import SearchSpaces

extension Service {
    @Sendable func listCheckpoints(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["job", "kind", "limit", "after"])
        let found = try store.checkpoints(
            of: jobFilter(query),
            kinds: query.choices("kind", CheckpointKind.self),
            after: query.cursor(),
            limit: query.limit(),
        )
        return .now(page(found, of: request, \.view))
    }

    @Sendable func getCheckpoint(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(json(try checkpoint(request).view))
    }

    /// The file, named by its content: the ETag is its SHA-256, so a download that was cut goes on by Range and If-Range.
    @Sendable func getCheckpointContent(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let found = try checkpoint(request)
        return .now(
            try content(
                Stored(
                    what: found.id,
                    path: store.path(of: found),
                    sha256: found.sha256,
                    bytes: found.bytes,
                ),
                named: "\(found.kind)-\(found.name).safetensors",
                type: "application/octet-stream",
            )
        )
    }

    // MARK: Best and latest

    @Sendable func latestCheckpoint(_ request: HTTPRequest) throws -> HTTPReply {
        try redirect(request, to: "", latest)
    }

    @Sendable func latestContent(_ request: HTTPRequest) throws -> HTTPReply {
        try redirect(request, to: "/content", latest)
    }

    @Sendable func bestCheckpoint(_ request: HTTPRequest) throws -> HTTPReply {
        try redirect(request, to: "", store.bestCheckpoint)
    }

    @Sendable func bestContent(_ request: HTTPRequest) throws -> HTTPReply {
        try redirect(request, to: "/content", store.bestCheckpoint)
    }

    private func latest(of job: JobID) throws -> BestCheckpoint? {
        try store.latestCheckpoint(of: job).map { BestCheckpoint(checkpoint: $0) }
    }

    /// To the checkpoint itself, which never changes: a download that is resumed never mixes two files.
    private func redirect(
        _ request: HTTPRequest,
        to part: String,
        _ choose: (JobID) throws -> BestCheckpoint?,
    ) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let job = try job(request)
        guard let chosen = try choose(job.id) else {
            let why =
                switch JobSpec.resolve(kind: job.kind, job.spec) {
                case .success(let spec) where spec.checkpointKinds.isEmpty:
                    "a \(job.kind.rawValue) leaves none"
                default:
                    job.state.isTerminal
                        ? "it is \(job.state.rawValue), and none is on the disk"
                        : "it is \(job.state.rawValue) and has written none yet"
                }
            throw Problem(404, "no_checkpoint", "The job has no checkpoint", "\(job.id): \(why)")
        }
        let place = "/v1/checkpoints/\(chosen.checkpoint.id)"
        return .now(
            json(
                [
                    "id": .string(chosen.checkpoint.id), "step": .int(chosen.checkpoint.step),
                    "metric": .optional(chosen.metric), "value": .optional(chosen.value),
                ],
                status: 307,
                [("Location", place + part), ("Cache-Control", "no-cache")],
            )
        )
    }

    // MARK: Verify, delete

    /// Reads the whole file, one at a time for all who ask.
    @Sendable func verifyCheckpoint(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let found = try checkpoint(request)
        return .later { responder in
            let isWanted = Flag()
            responder.onClose { isWanted.lower() }
            self.reading.async {
                do {
                    guard let view = try self.verify(found, isWanted) else { return }
                    responder.respond(self.json(view))
                } catch {
                    responder.respond(self.response(to: error, request))
                }
            }
        }
    }

    /// - Returns: nil when nobody wants to know any more.
    private func verify(_ checkpoint: Checkpoint, _ isWanted: Flag) throws -> JSONValue? {
        guard let path = store.path(of: checkpoint),
            let file = FileHandle(forReadingAtPath: path)
        else {
            throw Problem(
                410,
                "gone",
                "The file is gone",
                "the file of \(checkpoint.id) is no longer on the disk",
            )
        }
        defer { try? file.close() }
        var hash = SHA256()
        var bytes = 0
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty {
            guard isWanted.isUp else { return nil }
            hash.update(piece)
            bytes += piece.count
        }
        let digest = hash.finalize().hex
        return [
            "id": .string(checkpoint.id), "matches": .bool(digest == checkpoint.sha256),
            "sha256": .string(checkpoint.sha256), "bytes": .int(checkpoint.bytes),
            "foundSha256": .string(digest), "foundBytes": .int(bytes),
        ]
    }

    @Sendable func deleteCheckpoint(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let found = try checkpoint(request)
        try requireMatch(request, etag: "\"sha256-\(found.sha256)\"")
        do {
            try store.deleteCheckpoint(found.id)
        } catch StoreError.referenced(let by) {
            throw Problem(
                409,
                "referenced",
                "Other jobs need this checkpoint",
                "\(by.count) unfinished jobs need it, among them "
                    + by.prefix(3).map(\.description).joined(separator: ", "),
                more: ["by": .array(by.prefix(100).map { .string($0.job.rawValue) })],
            )
        }
        log(.info, "checkpoint deleted", ["request": request.id, "checkpoint": found.id])
        return .now(HTTPResponse(status: 204))
    }

    func checkpoint(_ request: HTTPRequest) throws -> Checkpoint {
        let id = request.parameters["id"] ?? ""
        guard let found = try store.checkpoint(id) else {
            throw Problem.notFound("checkpoint", id)
        }
        return found
    }
}
