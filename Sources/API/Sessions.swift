// Sessions: a browser shows its token once and goes on with a cookie that no script can read.

internal import Foundation
internal import HTTP
internal import JobStore
internal import SearchSpaces
internal import Synchronization

/// Who came with a token and has a cookie now. They are in memory alone: a server that starts again has none.
final class Sessions: Sendable {
    struct Session {
        /// The id of the token; the session is good for what that is good for, and for as long.
        let token: String
        /// What a request that changes something has to repeat: a page of another origin cannot know it.
        let csrf: String
        let expiresAt: Date
    }

    static let cookie = "detnas_session"
    static let seconds = 43_200
    static let csrfField = "X-CSRF-Token"
    /// How many there may be; beyond that the one that ends first makes room.
    private static let most = 1000

    private let sessions = Mutex<[SHA256.Digest: Session]>([:])

    func begin(_ token: Token, at now: Date) -> (secret: String, session: Session) {
        let end = now + Double(Sessions.seconds)
        let session = Session(
            token: token.id,
            csrf: Secret.make(),
            expiresAt: token.expiresAt.map { min($0, end) } ?? end,
        )
        let secret = Secret.make()
        sessions.withLock { sessions in
            sessions = sessions.filter { $0.value.expiresAt > now }
            if sessions.count >= Sessions.most,
                let first = sessions.min(by: { $0.value.expiresAt < $1.value.expiresAt })
            {
                sessions[first.key] = nil
            }
            sessions[Sessions.digest(of: secret)] = session
        }
        return (secret, session)
    }

    /// The session that a request's cookie names.
    func session(of request: HTTPRequest, at now: Date) -> Session? {
        guard let key = Sessions.key(in: request) else { return nil }
        return sessions.withLock { $0[key] }.flatMap { $0.expiresAt > now ? $0 : nil }
    }

    func end(_ request: HTTPRequest) {
        guard let key = Sessions.key(in: request) else { return }
        sessions.withLock { $0[key] = nil }
    }

    private static func key(in request: HTTPRequest) -> SHA256.Digest? {
        for field in request.headers.values(of: "Cookie") {
            for pair in field.split(separator: ";") {
                let parts = pair.split(separator: "=", maxSplits: 1)
                if parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == cookie {
                    return digest(of: parts[1].trimmingCharacters(in: .whitespaces))
                }
            }
        }
        return nil
    }

    private static func digest(of secret: String) -> SHA256.Digest {
        SHA256.digest(Array(secret.utf8))
    }
}

extension Service {
    /// Answers with a cookie that stands for the token of this request from now on.
    @Sendable func beginSession(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let begun = try access.beginSession(request)
        var fields = [("Cache-Control", "no-store")]
        if let begun {
            fields.append(("Set-Cookie", access.cookie(begun.secret, seconds: Sessions.seconds)))
            log(.info, "session begun", ["request": request.id, "token": begun.token.id])
        }
        return .now(
            json(
                [
                    "token": begun?.token.view ?? .null,
                    "csrf": .optional(begun?.session.csrf),
                    "expiresAt": begun.map { .time($0.session.expiresAt) } ?? .null,
                ],
                status: 201,
                fields,
            )
        )
    }

    @Sendable func endSession(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        _ = try access.caller(of: request, for: .metrics)
        access.sessions.end(request)
        let gone = [("Set-Cookie", access.cookie("", seconds: 0))]
        return .now(HTTPResponse(status: 204, headers: HTTPHeaders(gone)))
    }
}
