// The body of `PATCH /v1/jobs/{id}`: what of a job can still be changed, as a JSON merge patch (RFC 7396).

/// The part of a job that is not what it does.
package struct JobPatch: Hashable, Sendable {
    package var name: String?
    package var labels: [String: String] = [:]
    package var priority = 0
    package var limits = JobLimits()
    /// How many generations a search has; nil for other jobs.
    package var generations: Int?
    package var retention = JobRetention()

    package init() {}

    /// This with the members of `patch` in place of its own; null takes one back to its default.
    package func merged(with patch: JSONValue) -> Result<JobPatch, Violations> {
        var faults: [Violation] = []
        guard patch.object != nil else {
            return .failure(
                Violations([
                    Violation("", .wrongType, "found \(patch.typeName)", allowed: "an object")
                ])
            )
        }
        let merged = Form.object.write(self).merged(with: patch)
        guard let result = Form<JobPatch>.object.read(merged, "", &faults), faults.isEmpty else {
            return .failure(Violations(faults))
        }
        return .success(result)
    }
}

extension JobPatch: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("name", \.name, .optional(.text(1...200))),
            Field("labels", \.labels, .labels),
            Field("priority", \.priority, .int(-1_000_000...1_000_000)),
            Field("limits", \.limits, .object),
            Field("generations", \.generations, .optional(.int(1...100_000))),
            Field("retention", \.retention, .object),
        ]
    }
}

extension JSONValue {
    /// RFC 7396: members of `patch` replace those of the same name, null removes them, objects are merged in depth.
    package func merged(with patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var members = object ?? [:]
        for (name, change) in changes {
            if change == .null {
                members.removeValue(forKey: name)
            } else {
                members[name] = (members[name] ?? .null).merged(with: change)
            }
        }
        return .object(members)
    }
}
