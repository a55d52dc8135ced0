// The bodies of `POST /v1/uploads` and of the requests that take an upload.

/// A file that is to be sent.
package struct UploadRequest: Hashable, Sendable {
    /// For people.
    package var name = ""
    /// Nil: not known before.
    package var bytes: Int?
    /// 64 hexadecimal digits, lower case.
    package var sha256: String?

    /// - Parameter most: the bytes that an upload may have.
    package static func resolve(_ json: JSONValue, most: Int) -> Result<Self, Violations> {
        var faults: [Violation] = []
        let request = Form<UploadRequest>.object.read(json, "", &faults)
        if let bytes = request?.bytes, bytes > most {
            faults.append(
                Violation(
                    "/bytes",
                    .outOfRange,
                    "\(bytes) bytes are too many",
                    allowed: "0 to \(most)",
                )
            )
        }
        guard let request, faults.isEmpty else { return .failure(Violations(faults)) }
        return .success(request)
    }
}

extension UploadRequest: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("name", \.name, .text(1...200), required: true),
            Field("bytes", \.bytes, .optional(.int(0...Int.max))),
            Field("sha256", \.sha256, .optional(.text(64...64))),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("sha256", code: .notAllowed, allowed: "64 of 0-9 and a-f") { request in
                let isDigest = request.sha256?.utf8.allSatisfy {
                    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
                }
                return isDigest ?? true ? nil : "this is no SHA-256 in hexadecimal"
            }
        ]
    }
}

/// The body of `POST /v1/checkpoints`: an upload that is a checkpoint.
package struct ImportRequest: Hashable, Sendable {
    package var upload = ""
    /// What it must be; nil: whatever it is.
    package var kind: CheckpointKind?
    /// Nil: the upload's name.
    package var name: String?

    package static func resolve(_ json: JSONValue) -> Result<Self, Violations> {
        var faults: [Violation] = []
        let request = Form<ImportRequest>.object.read(json, "", &faults)
        guard let request, faults.isEmpty else { return .failure(Violations(faults)) }
        return .success(request)
    }
}

extension ImportRequest: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("upload", \.upload, .text(1...200), required: true),
            Field("kind", \.kind, .optional(.choice)),
            Field("name", \.name, .optional(.text(1...200))),
        ]
    }
}
