// A job like another one: the body of `POST /v1/jobs` that has `forkOf`.

package struct ForkRequest: Hashable, Sendable {
    /// The job that is taken as the pattern.
    package var job: String
    /// The checkpoint of that job to go on from; nil: from the beginning.
    package var from: String?
    /// What is different, as a JSON merge patch (RFC 7396) of the job as it was submitted.
    package var overrides: JSONValue = [:]

    /// Nil where `json` is no fork.
    /// - Throws: `Violations` with all that is wrong.
    package static func resolve(_ json: JSONValue) throws(Violations) -> ForkRequest? {
        guard json["forkOf"] != nil else { return nil }
        var faults: [Violation] = []
        let request = Form<ForkRequest>.object.read(json, "", &faults)
        if let request, request.overrides["kind"] != nil {
            faults.append(
                Violation("/overrides/kind", .notAllowed, "a fork does what its pattern did")
            )
        }
        guard let request, faults.isEmpty else { throw Violations(faults) }
        return request
    }
}

extension ForkRequest: Fielded {
    static var blank: Self { Self(job: "") }

    static var fields: [Field<Self>] {
        let patch = Form<JSONValue>(schema: ["type": "object"]) { json, place, faults in
            if json.object != nil { return json }
            faults.append(wrongType(json, place, expected: "an object"))
            return nil
        } write: {
            $0
        }
        return [
            Field("forkOf", \.job, .text(1...200), required: true),
            Field("from", \.from, .optional(.text(1...200))),
            Field("overrides", \.overrides, patch),
        ]
    }
}
