// Who may do what: nobody is asked on a Unix socket, nor on a loopback address unless tokens are wanted there.

internal import Configs
internal import Foundation
internal import HTTP
package import JobStore
internal import Jobs
internal import Synchronization

/// Decides by the token that a request carries.
package final class Access: Sendable {
    /// Whether whoever comes over TCP needs a token.
    package let needsToken: Bool
    private let store: JobStore
    private let failures = Mutex<[String: (count: Int, since: Date)]>([:])

    /// Wrong tokens from one address within a minute after which it has to wait.
    private static let mostFailures = 10
    private static let window = 60.0
    /// Addresses that are remembered.
    private static let mostAddresses = 10_000

    package init(store: JobStore, needsToken: Bool) {
        self.store = store
        self.needsToken = needsToken
    }

    /// Who is calling; nil where nobody is asked.
    /// - Throws: `Problem` where the token is missing, wrong or not good for `scope`.
    func caller(of request: HTTPRequest, for scope: Scope) throws -> Token? {
        guard needsToken, request.peer != HTTPRequest.unixPeer else { return nil }
        let now = Date()
        if let wait = wait(for: request.peer, at: now) {
            throw Problem(
                429,
                "too_many_failures",
                "Too many wrong tokens",
                "\(request.peer) may try again in \(Int(wait.rounded(.up))) s",
                fields: [("Retry-After", "\(Int(wait.rounded(.up)))")],
            )
        }
        guard let secret = bearer(request) else {
            throw Access.unauthorized("send it as `Authorization: Bearer TOKEN`")
        }
        guard let token = try store.token(secret: secret), token.isValid(at: now) else {
            failed(request.peer, at: now)
            throw Access.unauthorized("it is unknown or has expired")
        }
        guard token.scope.allows(scope) else {
            throw Problem(
                403,
                "forbidden",
                "This token is not good for that",
                "\"\(token.name)\" has the scope \(token.scope.rawValue); needed is \(scope.rawValue)",
                more: ["needed": .string(scope.rawValue)],
            )
        }
        return token
    }

    private func bearer(_ request: HTTPRequest) -> String? {
        guard let field = request.headers["Authorization"] else { return nil }
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return parts[1].trimmingCharacters(in: .whitespaces)
    }

    private static func unauthorized(_ detail: String) -> Problem {
        Problem(
            401,
            "unauthorized",
            "A token is needed",
            detail,
            fields: [("WWW-Authenticate", "Bearer realm=\"detnas\"")],
        )
    }

    private func wait(for peer: String, at now: Date) -> Double? {
        failures.withLock { failures in
            guard let entry = failures[peer] else { return nil }
            let passed = now.timeIntervalSince(entry.since)
            if passed >= Access.window || passed < 0 {
                failures[peer] = nil
                return nil
            }
            return entry.count >= Access.mostFailures ? Access.window - passed : nil
        }
    }

    private func failed(_ peer: String, at now: Date) {
        failures.withLock { failures in
            if failures.count >= Access.mostAddresses { failures.removeAll() }
            var entry = failures[peer] ?? (0, now)
            entry.count += 1
            failures[peer] = entry
        }
    }
}
