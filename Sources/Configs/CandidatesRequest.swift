// The body of `POST /v1/jobs/{id}/candidates`: architectures that shall join a search.

package struct CandidatesRequest: Hashable, Sendable {
    /// Letters, such as `"2,1,2,0,..."`.
    package var genomes: [String]

    package static func resolve(_ json: JSONValue) throws(Violations) -> CandidatesRequest {
        var faults: [Violation] = []
        let request = Form<CandidatesRequest>.object.read(json, "", &faults)
        guard let request, faults.isEmpty else { throw Violations(faults) }
        return request
    }
}

extension CandidatesRequest: Fielded {
    static var blank: Self { Self(genomes: []) }

    static var fields: [Field<Self>] {
        [
            Field(
                "genomes",
                \.genomes,
                .list(.text(1...4096), count: 1...1000),
                required: true,
            )
        ]
    }
}
