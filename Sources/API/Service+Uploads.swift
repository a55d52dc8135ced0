// Uploads: announced, then put as one stream that is hashed as it comes, then taken by what needs them.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

extension Service {
    /// A line of the table of routes whose body is stored as it comes.
    ///
    /// - Parameter admit: looks at the head alone; what it throws is answered before the body is read.
    func storingRoute(
        _ method: String,
        _ pattern: String,
        for scope: Scope,
        admit: @escaping @Sendable (HTTPRequest) throws -> Void,
        _ handle: @escaping @Sendable (HTTPRequest) throws -> HTTPReply,
    ) -> HTTPRoute {
        var made = route(method, pattern, bodyLimit: limits.uploadBytes, for: scope, handle)
        made.bodyFolder = store.uploadFolder
        made.admit = { request in
            do {
                _ = try self.access.caller(of: request, for: scope)
                try admit(request)
                return nil
            } catch {
                return self.response(to: error, request)
            }
        }
        return made
    }

    @Sendable func announceUpload(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        if let earlier = try replay(request) { return .now(earlier) }
        let asked = try UploadRequest.resolve(body(request), most: limits.uploadBytes).get()
        try requireDisk(for: asked.bytes ?? 0)
        let id = "up_" + ULID.make()
        let place = "/v1/uploads/\(id)"
        let made: Upload?
        do {
            made = try store.makeUpload(
                id: id,
                name: asked.name,
                bytes: asked.bytes,
                sha256: asked.sha256,
                request: namedRequest(request, location: place),
            )
        } catch StoreError.repeatedRequest {
            return try announceUpload(request)
        }
        guard let made else {
            throw Problem(
                429,
                "too_many_uploads",
                "There are too many uploads",
                "there are \(JobStore.mostUploads); use or delete some",
            )
        }
        log(.info, "upload announced", ["request": request.id, "upload": id])
        return .now(json(made.view, status: 201, [("Location", place)]))
    }

    @Sendable func listUploads(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["limit", "after"])
        let found = try store.uploads(after: query.cursor(), limit: query.limit())
        return .now(page(found, of: request, \.view))
    }

    @Sendable func getUpload(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(json(try upload(request).view))
    }

    @Sendable func deleteUpload(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        try requireMatch(request, etag: nil)
        let id = request.parameters["id"] ?? ""
        guard try store.deleteUpload(id) else { throw Problem.notFound("upload", id) }
        log(.info, "upload deleted", ["request": request.id, "upload": id])
        return .now(HTTPResponse(status: 204))
    }

    // MARK: The content

    /// What the head alone can tell: whether there is such an upload, and whether this can be its content.
    @Sendable func admitUpload(_ request: HTTPRequest) throws {
        _ = try Query(request, allowed: [])
        let upload = try upload(request)
        guard upload.storedAt == nil else { throw Problem.alreadyStored(upload) }
        for (name, allowed) in [("Content-Encoding", "identity"), ("Content-Range", nil)] {
            guard let value = request.headers[name], value != allowed else { continue }
            throw Problem(
                400,
                "bad_header",
                "A header field is wrong",
                "\(name) is \"\(value.prefix(100))\"; allowed: the whole content as it is, without \(name)",
            )
        }
        if let digest = try ContentDigest.sha256(in: request.headers), let told = upload.sha256,
            digest != told
        {
            throw Problem(
                409,
                "digest_conflict",
                "The upload was announced with another digest",
                "the request says sha256 \(digest), \(upload.id) was announced with \(told)",
            )
        }
        let length = request.headers["Content-Length"].flatMap { Int($0) }
        if let length, let told = upload.bytes, length != told {
            throw Problem(
                409,
                "size_conflict",
                "The upload was announced with another size",
                "Content-Length is \(length), \(upload.id) was announced with \(told) bytes",
            )
        }
        try requireDisk(for: length ?? upload.bytes ?? 0)
    }

    /// Keeps the content, which is stored and hashed already, when it is what was announced.
    @Sendable func putUpload(_ request: HTTPRequest) throws -> HTTPReply {
        let upload = try upload(request)
        guard let content = request.upload else { throw Problem.notFound("content", upload.id) }
        // Somebody else was first.
        guard upload.storedAt == nil else { throw Problem.alreadyStored(upload) }
        let told = try ContentDigest.sha256(in: request.headers)
        if let digest = told ?? upload.sha256, digest != content.sha256 {
            throw Problem(
                422,
                "digest_mismatch",
                "The content is not what was sent",
                "its sha256 is \(content.sha256), not \(digest); nothing was kept, send it again",
                more: ["sha256": .string(digest), "foundSha256": .string(content.sha256)],
            )
        }
        if let bytes = upload.bytes, bytes != content.size {
            throw Problem(
                422,
                "size_mismatch",
                "The content is not what was announced",
                "it has \(content.size) bytes, not \(bytes); nothing was kept, send it again",
            )
        }
        return later(on: keeping, request) {
            // One at a time: nobody else stores under this id between the look and the end.
            guard let now = try self.store.upload(upload.id) else {
                throw StoreError.noSuchUpload(upload.id)
            }
            guard now.storedAt == nil else { throw Problem.alreadyStored(now) }
            do throws(HTTPUploadError) {
                try content.keep(at: self.store.path(of: upload))
            } catch {
                self.log(.error, "upload not kept", ["request": request.id, "error": "\(error)"])
                throw Problem(507, "not_stored", "The content cannot be kept", error.reason)
            }
            try Files.sync(self.store.uploadFolder)
            guard
                let stored = try self.store.completeUpload(
                    upload.id,
                    bytes: content.size,
                    sha256: content.sha256,
                )
            else { throw StoreError.noSuchUpload(upload.id) }
            self.log(.info, "upload stored", ["request": request.id, "upload": upload.id])
            return self.json(stored.view)
        }
    }

    private func upload(_ request: HTTPRequest) throws -> Upload {
        let id = request.parameters["id"] ?? ""
        guard let found = try store.upload(id) else { throw Problem.notFound("upload", id) }
        return found
    }

    /// The upload that a request's field names, when its content is there.
    func storedUpload(_ id: String, at place: String) throws -> Upload {
        let allowed = "the id of an upload whose content is stored"
        guard let found = try store.upload(id) else {
            throw Violations([
                Violation(place, .notFound, "no upload \"\(id.prefix(100))\"", allowed: allowed)
            ])
        }
        guard found.storedAt != nil else {
            throw Violations([
                Violation(
                    place,
                    .notAllowed,
                    "\(id) has no content yet: PUT it to /v1/uploads/\(id)",
                    allowed: allowed,
                )
            ])
        }
        return found
    }

    /// - Throws: 507 when the disk would have less than its reserve after `bytes` more.
    func requireDisk(for bytes: Int) throws {
        guard let room = scheduler.room(), room.space.free - room.reserve < bytes else { return }
        throw Problem(
            507,
            "disk_reserve",
            "The disk has too little room",
            "\(bytes) bytes are to come; \(room.words)",
        )
    }
}

extension Problem {
    fileprivate static func alreadyStored(_ upload: Upload) -> Problem {
        Problem(
            409,
            "already_stored",
            "The upload is stored already",
            "\(upload.id) has its content since \(upload.storedAt ?? "now"); announce another one",
        )
    }
}

/// `Content-Digest` and `Repr-Digest` (RFC 9530), which mean the same for a whole content as it is.
private enum ContentDigest {
    /// The SHA-256 that they name, in hexadecimal; nil where they name none.
    static func sha256(in headers: HTTPHeaders) throws -> String? {
        var found: Set<String> = []
        for name in ["Content-Digest", "Repr-Digest"] {
            for value in headers.values(of: name) {
                for member in value.split(separator: ",") {
                    let parts = member.split(separator: "=", maxSplits: 1)
                    guard
                        parts.first?.trimmingCharacters(in: .whitespaces).lowercased() == "sha-256"
                    else { continue }
                    let text = parts.dropFirst().first?.trimmingCharacters(in: .whitespaces) ?? ""
                    guard text.count > 2, text.hasPrefix(":"), text.hasSuffix(":"),
                        let bytes = Data(base64Encoded: String(text.dropFirst().dropLast())),
                        bytes.count == 32
                    else { throw wrong("\(name) has sha-256=\(text.prefix(100))") }
                    found.insert(
                        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                    )
                }
            }
        }
        guard found.count < 2 else { throw wrong("two digests that differ") }
        return found.first
    }

    private static func wrong(_ detail: String) -> Problem {
        Problem(
            400,
            "bad_header",
            "A header field is wrong",
            "\(detail); allowed: one sha-256=:BASE64: of 32 bytes",
        )
    }
}
