// Tokens: made, listed and taken back by whoever has the scope `admin`.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

extension Service {
    /// What the caller's token is good for; `admin` where nobody is asked.
    @Sendable func whoAmI(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let token = try access.caller(of: request, for: .metrics)
        return .now(
            json([
                "token": token?.view ?? .null,
                "scope": .string((token?.scope ?? .admin).rawValue),
            ])
        )
    }

    @Sendable func listTokens(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(json(["data": .array(try store.tokens().map(\.view))]))
    }

    /// The answer is the only one that ever has the secret.
    @Sendable func makeToken(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let asked = try TokenRequest.resolve(body(request)).get()
        guard let scope = Scope(rawValue: asked.scope) else {
            throw Violations([
                Violation(
                    "/scope",
                    .notAllowed,
                    "there is no scope \"\(asked.scope.prefix(100))\"",
                    allowed: Scope.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", "),
                )
            ])
        }
        let made = try store.makeToken(
            name: asked.name,
            scope: scope,
            expiresAt: asked.days.map { Date() + Double($0) * 86_400 },
        )
        log(.info, "token made", ["request": request.id, "token": made.token.id])
        var view = made.token.view.object ?? [:]
        view["secret"] = .string(made.secret)
        return .now(
            json(
                .object(view),
                status: 201,
                [
                    ("Location", "/v1/auth/tokens/\(made.token.id)"),
                    ("Cache-Control", "no-store"),
                ],
            )
        )
    }

    @Sendable func removeToken(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let id = request.parameters["id"] ?? ""
        try requireMatch(request, etag: nil)
        guard try store.removeToken(id) else { throw Problem.notFound("token", id) }
        log(.info, "token removed", ["request": request.id, "token": id])
        return .now(HTTPResponse(status: 204))
    }
}

extension Token {
    var view: JSONValue {
        [
            "id": .string(id), "name": .string(name), "scope": .string(scope.rawValue),
            "createdAt": .time(createdAt), "expiresAt": expiresAt.map(JSONValue.time) ?? .null,
        ]
    }
}
