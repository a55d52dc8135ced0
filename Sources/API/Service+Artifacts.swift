// What jobs leave behind beside checkpoints: architectures; and how any file is answered.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import SearchSpaces

extension Service {
    /// A file of the data directory, as it was when it was made.
    struct Stored {
        /// For messages.
        let what: String
        /// Absolute; nil for one that would lie outside its folder.
        let path: String?
        let sha256: String
        let bytes: Int
    }

    /// - Parameter inline: whether a browser may show it instead of keeping it.
    func content(
        _ file: Stored,
        named name: String,
        type: String,
        inline: Bool = false,
    ) throws -> HTTPResponse {
        guard let path = file.path,
            let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int
        else {
            throw Problem(
                410,
                "gone",
                "The file is gone",
                "the file of \(file.what) is no longer on the disk",
            )
        }
        guard size == file.bytes else {
            throw Problem(
                500,
                "damaged",
                "The file is damaged",
                "the file of \(file.what) has \(size) bytes, not \(file.bytes)",
            )
        }
        let name = name.filter {
            $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0))
        }
        return HTTPResponse(
            status: 200,
            headers: HTTPHeaders([
                ("Content-Type", type),
                ("X-Content-Type-Options", "nosniff"),
                (
                    "Content-Disposition",
                    "\(inline ? "inline" : "attachment"); filename=\"\(name)\"",
                ),
                ("Repr-Digest", "sha-256=:\(base64(hex: file.sha256)):"),
                ("Cache-Control", "private, immutable, max-age=31536000"),
            ]),
            body: .file(HTTPFile(path: path, etag: "sha256-\(file.sha256)")),
        )
    }

    @Sendable func listArchitectures(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["job", "limit", "after"])
        let found = try store.architectures(
            of: jobFilter(query),
            after: query.cursor(),
            limit: query.limit(),
        )
        return .now(page(found, of: request) { .object($0.summary) })
    }

    /// With its blocks and costs spelled out.
    @Sendable func getArchitecture(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let found = try architecture(request)
        var view = found.summary
        if let architecture = found.architecture {
            view["architecture"] = try JSON.value(architecture)
            view["layers"] = architecture.layers
        }
        return .now(json(.object(view)))
    }

    @Sendable func getArchitectureContent(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let found = try architecture(request)
        guard let architecture = found.architecture else {
            throw Problem(
                410,
                "gone",
                "The architecture cannot be read",
                "\(found.hash) is of a search space that this version does not know",
            )
        }
        let content = try architecture.json()
        let digest = SHA256.digest(Array(content))
        let etag = "\"sha256-\(digest.hex)\""
        let fields = HTTPHeaders([
            ("Content-Type", "application/json"), ("ETag", etag),
            ("Content-Disposition", "attachment; filename=\"\(found.hash).json\""),
            ("Repr-Digest", "sha-256=:\(base64(hex: digest.hex)):"),
        ])
        if request.headers.holds(etag: etag) {
            return .now(HTTPResponse(status: 304, headers: fields))
        }
        return .now(HTTPResponse(status: 200, headers: fields, body: .bytes(content)))
    }

    private func architecture(_ request: HTTPRequest) throws -> StoredArchitecture {
        let hash = request.parameters["hash"] ?? ""
        guard let found = try store.architecture(hash) else {
            throw Problem.notFound("architecture", hash)
        }
        return found
    }

    func jobFilter(_ query: Query) throws -> JobID? {
        guard let text = query["job"] else { return nil }
        guard let id = JobID(rawValue: text) else {
            throw Problem.badQuery("job", text, allowed: "the id of a job")
        }
        guard try store.job(id) != nil else { throw Problem.notFound("job", text) }
        return id
    }

    func base64(hex: String) -> String {
        var bytes = Data()
        var rest = hex[...]
        while rest.count >= 2, let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes.base64EncodedString()
    }
}
