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
    private let paces = Mutex<[String: Pace]>([:])
    private let failures = Mutex<[String: (count: Int, since: Date)]>([:])

    /// Wrong tokens from one address within a minute after which it has to wait.
    private static let mostFailures = 10
    private static let window = 60.0
    /// Addresses that are remembered.
    private static let mostAddresses = 10_000

    /// Requests a second of one token, with twice as many at once.
    package let requestsPerSecond: Int

    let sessions = Sessions()
    private let isEncrypted: Bool

    /// - Parameter isEncrypted: whether all comes over TLS; cookies are for that alone then.
    package init(
        store: JobStore,
        needsToken: Bool,
        requestsPerSecond: Int = 100,
        isEncrypted: Bool = false,
    ) {
        self.isEncrypted = isEncrypted
        self.store = store
        self.needsToken = needsToken
        self.requestsPerSecond = requestsPerSecond
    }

    /// Whether a request needs a token.
    func asks(_ request: HTTPRequest) -> Bool {
        needsToken && request.peer != HTTPRequest.unixPeer
    }

    /// Who is calling; nil where nobody is asked.
    /// - Throws: `Problem` where the token is missing, wrong or not good for `scope`.
    func caller(of request: HTTPRequest, for scope: Scope) throws -> Token? {
        guard asks(request) else { return nil }
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
        let token = try token(of: request, at: now)
        try pace(token, at: now)
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

    private func token(of request: HTTPRequest, at now: Date) throws -> Token {
        if let secret = bearer(request) {
            guard let token = try store.token(secret: secret), token.isValid(at: now) else {
                failed(request.peer, at: now)
                throw Access.unauthorized("it is unknown or has expired")
            }
            return token
        }
        guard let session = sessions.session(of: request, at: now),
            let token = try store.token(id: session.token), token.isValid(at: now)
        else { throw Access.unauthorized("send it as `Authorization: Bearer TOKEN`") }
        let isSafe = request.method == "GET" || request.method == "HEAD"
        guard isSafe || request.headers[Sessions.csrfField] == session.csrf else {
            throw Problem(
                403,
                "csrf",
                "The session alone is not enough for that",
                "send the `csrf` of POST /v1/session as \(Sessions.csrfField)",
            )
        }
        return token
    }

    /// Lets whoever has shown a token go on with a cookie; nil where nobody is asked.
    func beginSession(_ request: HTTPRequest) throws
        -> (token: Token, secret: String, session: Sessions.Session)?
    {
        guard asks(request) else { return nil }
        // A session that could begin the next one would never end.
        guard bearer(request) != nil else {
            throw Access.unauthorized("send it as `Authorization: Bearer TOKEN`")
        }
        guard let token = try caller(of: request, for: .metrics) else { return nil }
        let (secret, session) = sessions.begin(token, at: Date())
        return (token, secret, session)
    }

    /// `Set-Cookie` for this origin alone, out of reach of scripts.
    func cookie(_ secret: String, seconds: Int) -> String {
        "\(Sessions.cookie)=\(secret); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Strict"
            + (isEncrypted ? "; Secure" : "")
    }

    /// - Throws: `Problem` when the token's requests come too fast.
    private func pace(_ token: Token, at now: Date) throws {
        let wait = paces.withLock { paces in
            if paces.count >= Access.mostAddresses { paces.removeAll() }
            var pace = paces[token.id] ?? Pace(full: requestsPerSecond * 2, at: now)
            defer { paces[token.id] = pace }
            return pace.take(at: now, perSecond: requestsPerSecond)
        }
        guard let wait else { return }
        throw Problem(
            429,
            "rate_limited",
            "Too many requests",
            "\"\(token.name)\" may send \(requestsPerSecond) a second, and twice as many at once",
            fields: [
                ("Retry-After", "\(Int(wait.rounded(.up)))"),
                ("RateLimit-Limit", "\(requestsPerSecond)"), ("RateLimit-Remaining", "0"),
                ("RateLimit-Reset", "\(Int(wait.rounded(.up)))"),
            ],
        )
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

/// A bucket of requests that may be sent, which fills steadily.
private struct Pace {
    private let most: Double
    private var left: Double
    private var filled: Date

    init(full: Int, at now: Date) {
        most = Double(full)
        left = most
        filled = now
    }

    /// - Returns: how long until one may be sent, in seconds; nil when this one may.
    mutating func take(at now: Date, perSecond: Int) -> Double? {
        // The clock may have been set back.
        left = min(most, left + max(0, now.timeIntervalSince(filled)) * Double(perSecond))
        filled = now
        guard left >= 1 else { return (1 - left) / Double(perSecond) }
        left -= 1
        return nil
    }
}
