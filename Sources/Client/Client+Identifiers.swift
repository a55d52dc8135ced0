// An id may be cut short, as long as only one begins so.

package import Configs

/// What has an id.
package enum Named: Sendable {
    case job, checkpoint, architecture, token

    fileprivate var word: String {
        switch self {
        case .job: "job"
        case .checkpoint: "checkpoint"
        case .architecture: "architecture"
        case .token: "token"
        }
    }

    /// What each id begins with.
    fileprivate var prefix: String {
        switch self {
        case .job: "job_"
        case .checkpoint: "ckpt_"
        case .architecture: "arch_"
        case .token: "tok_"
        }
    }

    /// How long a whole id is.
    fileprivate var length: Int {
        prefix.count + (self == .architecture ? 16 : 26)
    }

    fileprivate var list: Target {
        switch self {
        case .job: "/v1/jobs?limit=500&fields=kind,state,name"
        case .checkpoint: "/v1/checkpoints?limit=500"
        case .architecture: "/v1/architectures?limit=500"
        case .token: "/v1/auth/tokens?"
        }
    }
}

extension Client {
    /// The most that are listed where several begin so.
    private static let most = 10

    /// The only id that begins with `text`; `job_` and its like may be left out.
    ///
    /// - Throws: `ClientError` where none does, or several do.
    package func id(_ text: String, of what: Named) throws -> String {
        if text.hasPrefix(what.prefix), text.count >= what.length { return text }
        guard !text.isEmpty else { throw ClientError("an id has no characters", .usage) }
        var found: [JSONValue] = []
        try pages(what.list) { element in
            guard let id = element["id"]?.string else { return true }
            if id == text || id.hasPrefix(text) || id.hasPrefix(what.prefix + text) {
                found.append(element)
            }
            return true
        }
        let ids = found.compactMap { $0["id"]?.string }
        if ids.contains(text) { return text }
        guard let first = ids.first else {
            throw ClientError("there is no \(what.word) \"\(text)\"", .notFound)
        }
        guard ids.count > 1 else { return first }
        let lines = found.prefix(Client.most).map { element in
            "  "
                + ["id", "state", "kind", "name"].compactMap { element[$0]?.string }
                .joined(separator: "  ")
        }
        let rest = ids.count > Client.most ? ["  and \(ids.count - Client.most) more"] : []
        throw ClientError(
            (["\(ids.count) \(what.word)s begin with \"\(text)\":"] + lines + rest)
                .joined(separator: "\n"),
            .usage,
        )
    }

    /// Goes through all pages of a list, until `take` has enough.
    ///
    /// - Parameter list: with a query.
    package func pages(_ list: Target, _ take: (JSONValue) throws -> Bool) throws {
        var cursor: String?
        repeat {
            var target = list
            if let cursor { target += "&after=\(cursor)" }
            let page = try get(target)
            for element in page["data"]?.array ?? [] {
                guard try take(element) else { return }
            }
            cursor = page["nextCursor"]?.string
        } while cursor != nil
    }
}
