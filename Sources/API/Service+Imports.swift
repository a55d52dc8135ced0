// A checkpoint that was uploaded becomes one of this server's.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

extension Service {
    /// Reads the header alone, off the handlers' queues, and checks it in full; the upload is then no more.
    @Sendable func importCheckpoint(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        if let earlier = try replay(request) { return .now(earlier) }
        let asked = try ImportRequest.resolve(body(request)).get()
        let upload = try storedUpload(asked.upload, at: "/upload")
        let id = "ckpt_" + ULID.make()
        let named = try namedRequest(request, location: "/v1/checkpoints/\(id)")
        return later(on: keeping, request) {
            // The same request may have come twice, and both waited here.
            if let earlier = try self.replay(request) { return earlier }
            let header: CheckpointHeader
            do {
                header = try self.header(of: upload)
            } catch let fault as CheckpointHeader.Fault {
                throw Violations([
                    Violation("/upload", .notAllowed, "\(upload.id): \(fault)")
                ])
            }
            if let kind = asked.kind, kind != header.kind {
                throw Violations([
                    Violation(
                        "/kind",
                        .conflict,
                        "\(upload.id) is a checkpoint of kind \"\(header.kind.rawValue)\"",
                        allowed: "\"\(header.kind.rawValue)\", or none",
                    )
                ])
            }
            let made = try self.store.importCheckpoint(
                upload,
                as: id,
                named: asked.name ?? upload.plainName,
                header,
                request: named,
            )
            self.log(.info, "imported", ["request": request.id, "checkpoint": id])
            return self.json(made.view, status: 201, [("Location", "/v1/checkpoints/\(id)")])
        }
    }

    /// - Throws: `CheckpointHeader.Fault`, or what reading throws.
    private func header(of upload: Upload) throws -> CheckpointHeader {
        let path = store.path(of: upload)
        let bytes = upload.bytes ?? 0
        guard let first = try Files.read(path, from: 0, count: 8) else {
            throw Problem(
                410,
                "gone",
                "The file is gone",
                "the content of \(upload.id) is no longer on the disk",
            )
        }
        let length = try CheckpointHeader.length(first, ofFile: bytes)
        let json = try Files.read(path, from: 8, count: length) ?? Data()
        return try CheckpointHeader(parsing: json, data: bytes - 8 - length)
    }
}

extension Upload {
    /// Its name without the folders and the ending that it may have.
    fileprivate var plainName: String {
        let last = name.split(separator: "/").last.map(String.init) ?? name
        return last.hasSuffix(".safetensors") ? String(last.dropLast(12)) : last
    }
}
