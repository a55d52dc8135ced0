// The body of `POST /v1/auth/tokens`.

package struct TokenRequest: Hashable, Sendable {
    /// For people.
    package var name = ""
    /// What it is good for: `metrics`, `read`, `submit`, `manage` or `admin`.
    package var scope = "read"
    /// Nil: it does not expire.
    package var days: Int? = 90

    package static func resolve(_ json: JSONValue) -> Result<TokenRequest, Violations> {
        var faults: [Violation] = []
        guard let request = Form<TokenRequest>.object.read(json, "", &faults), faults.isEmpty
        else { return .failure(Violations(faults)) }
        return .success(request)
    }
}

extension TokenRequest: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("name", \.name, .text(1...200), required: true),
            Field("scope", \.scope, .text(1...20)),
            Field("days", \.days, .optional(.int(1...3650))),
        ]
    }
}
