// Who may do what, for every route.

import API
import Configs
import Foundation
import HTTP
import JobStore
import TestSupport
import Testing

@Suite struct TokenTests {
    /// What each route needs; `open` are those that ask nobody.
    private static let needs: [String: [String]] = [
        "open": [
            "GET /healthz", "GET /readyz", "GET /version", "GET /openapi.yaml", "GET /problems",
            "GET /problems/{slug}",
        ],
        "metrics": [
            "GET /metrics", "GET /v1/auth/whoami", "POST /v1/session", "DELETE /v1/session",
        ],
        "read": [
            "GET /v1/system", "GET /v1/system/workers", "GET /v1/system/queue", "GET /v1/jobs",
            "GET /v1/jobs/{id}", "GET /v1/jobs/{id}/events", "GET /v1/jobs/{id}/logs",
            "GET /v1/jobs/{id}/metrics", "GET /v1/jobs/{id}/metrics/series",
            "GET /v1/jobs/{id}/metrics/series.csv", "GET /v1/jobs/{id}/candidates",
            "GET /v1/jobs/{id}/generations", "GET /v1/jobs/{id}/pareto",
            "GET /v1/jobs/{id}/files", "GET /v1/jobs/{id}/files/{name}",
            "GET /v1/pipelines/{id}", "GET /v1/checkpoints", "GET /v1/checkpoints/{id}",
            "GET /v1/checkpoints/{id}/content", "POST /v1/checkpoints/{id}/verify",
            "GET /v1/jobs/{id}/checkpoints/latest", "GET /v1/jobs/{id}/checkpoints/latest/content",
            "GET /v1/jobs/{id}/checkpoints/best", "GET /v1/jobs/{id}/checkpoints/best/content",
            "GET /v1/uploads", "GET /v1/uploads/{id}", "GET /v1/search-spaces",
            "GET /v1/search-spaces/{name}", "GET /v1/search-spaces/{name}/sample",
            "GET /v1/architectures", "GET /v1/architectures/compare",
            "POST /v1/architectures/validate", "GET /v1/architectures/{hash}",
            "GET /v1/architectures/{hash}/content", "GET /v1/pipelines", "GET /v1/job-kinds",
            "GET /v1/events",
            "GET /v1/jobs/{id}/bundle.tar",
            "GET /v1/job-kinds/{kind}", "GET /v1/datasets", "GET /v1/datasets/{id}",
            "GET /v1/datasets/{id}/problems",
        ],
        "submit": [
            "POST /v1/jobs", "POST /v1/pipelines", "POST /v1/architectures/{hash}/retrain",
            "POST /v1/architectures/{hash}/evaluate", "POST /v1/checkpoints", "POST /v1/uploads",
            "PUT /v1/uploads/{id}", "DELETE /v1/uploads/{id}", "POST /v1/datasets",
            "POST /v1/datasets/{id}/check",
        ],
        "manage": [
            "POST /v1/jobs/{id}/cancel", "PATCH /v1/jobs/{id}", "DELETE /v1/jobs/{id}",
            "POST /v1/jobs/{id}/pause", "POST /v1/jobs/{id}/resume", "POST /v1/jobs/{id}/retry",
            "POST /v1/jobs/{id}/checkpoint", "POST /v1/jobs/{id}/candidates",
            "POST /v1/pipelines/{id}/pause", "POST /v1/pipelines/{id}/resume",
            "POST /v1/pipelines/{id}/cancel", "DELETE /v1/checkpoints/{id}",
            "DELETE /v1/datasets/{id}",
        ],
        "admin": [
            "POST /v1/system/workers/{core}/drain", "POST /v1/system/workers/{core}/enable",
            "GET /v1/auth/tokens", "POST /v1/auth/tokens", "DELETE /v1/auth/tokens/{id}",
        ],
    ]

    @Test func `every route is open to just the scopes that it should be`() throws {
        let bench = try ServerBench(needsToken: true)
        let all = Set(bench.routes.map { "\($0.method) \($0.pattern)" })
        #expect(all == Set(Self.needs.values.joined()))
        let order = ["metrics", "read", "submit", "manage", "admin"]
        let secrets = try Dictionary(
            uniqueKeysWithValues: Scope.allCases.map {
                (
                    $0.rawValue,
                    try bench.store.makeToken(name: "t", scope: $0, expiresAt: nil).secret,
                )
            }
        )
        for (need, routes) in Self.needs {
            for route in routes {
                let parts = route.split(separator: " ").map(String.init)
                // Nothing of that name is there: whoever is let in is told so.
                let target = parts[1].replacing(/\{[a-z]+\}/, with: "none")
                let bare = try bench.client.send(parts[0], target)
                #expect((bare.status == 401) == (need != "open"), "\(route) \(bare.status)")
                for scope in order {
                    let answer = try bench.client.send(
                        parts[0],
                        target,
                        ["Authorization": "Bearer \(secrets[scope] ?? "")"],
                    )
                    let isAllowed =
                        need == "open"
                        || (order.firstIndex(of: scope) ?? 0) >= (order.firstIndex(of: need) ?? 9)
                    #expect(answer.status != 401, "\(route) \(scope)")
                    #expect(
                        (answer.status != 403) == isAllowed,
                        "\(route) \(scope) \(answer.status)",
                    )
                }
            }
        }
    }

    @Test func `a token works until it expires or is taken back, and its secret is kept nowhere`()
        throws
    {
        let bench = try ServerBench(needsToken: true)
        let admin = try bench.store.makeToken(name: "root", scope: .admin, expiresAt: nil)
        let fields = ["Authorization": "Bearer \(admin.secret)"]
        let made = try bench.client.send(
            "POST",
            "/v1/auth/tokens",
            body: ["name": "lab", "scope": "submit", "days": 1],
            fields,
        )
        #expect(made.status == 201 && made.headers["cache-control"] == "no-store")
        let secret = try #require(made.json["secret"]?.string)
        let id = try #require(made.json["id"]?.string)
        #expect(secret.count == 50)
        let mine = ["Authorization": "bearer \(secret)"]
        #expect(try bench.client.get("/v1/auth/whoami", mine).json["scope"] == "submit")
        let list = try bench.client.get("/v1/auth/tokens", fields)
        #expect(try list.json["data"]?.array?.count == 2 && !list.text.contains(secret))
        for file in ["detnas.db", "detnas.db-wal"] {
            let data = try Data(contentsOf: URL(filePath: "\(bench.service.folder)/\(file)"))
            #expect(data.range(of: Data(secret.utf8)) == nil, "\(file)")
        }
        let late = try bench.store.makeToken(
            name: "old",
            scope: .read,
            expiresAt: Date() - 1,
        )
        #expect(
            try bench.client.get("/v1/jobs", ["Authorization": "Bearer \(late.secret)"]).status
                == 401
        )
        #expect(try bench.client.send("DELETE", "/v1/auth/tokens/\(id)", fields).status == 204)
        let refused = try bench.client.get("/v1/jobs", mine)
        #expect(refused.status == 401)
        #expect(refused.headers["www-authenticate"] == #"Bearer realm="detnas""#)
        let wrong = try bench.client.send(
            "POST",
            "/v1/auth/tokens",
            body: ["name": "x", "scope": "root", "days": 0],
            fields,
        )
        #expect(wrong.status == 422)
    }

    @Test func `a session is good for what its token is good for, and writes need its other half`()
        throws
    {
        let bench = try ServerBench(needsToken: true)
        let token = try bench.store.makeToken(name: "t", scope: .submit, expiresAt: nil)
        let bearer = ["Authorization": "Bearer \(token.secret)"]
        #expect(try bench.client.send("POST", "/v1/session").status == 401)
        let begun = try bench.client.send("POST", "/v1/session", bearer)
        #expect(begun.status == 201 && begun.headers["cache-control"] == "no-store")
        let set = try #require(begun.headers["set-cookie"])
        #expect(set.contains("; HttpOnly; SameSite=Strict") && !set.contains("Secure"))
        #expect(!begun.text.contains(token.secret) && !set.contains(token.secret))
        let cookie = ["Cookie": "theme=dark; \(set.prefix { $0 != ";" })"]
        let csrf = try ["X-CSRF-Token": #require(begun.json["csrf"]?.string)]
        let both = cookie.merging(csrf) { $1 }
        #expect(try bench.client.get("/v1/auth/whoami", cookie).json["scope"] == "submit")
        // A session does not begin the next one, nor does a page of another origin submit with it.
        #expect(try bench.client.send("POST", "/v1/session", both).status == 401)
        let alone = try bench.client.send("POST", "/v1/jobs", body: ServerBench.pretrain, cookie)
        #expect(try alone.status == 403 && alone.json["code"] == "csrf")
        let job = try bench.client.send("POST", "/v1/jobs", body: ServerBench.pretrain, both)
        #expect(job.status == 201)
        #expect(try bench.client.get("/v1/auth/tokens", both).status == 403)
        #expect(try bench.client.send("DELETE", "/v1/session", cookie).status == 403)
        let ended = try bench.client.send("DELETE", "/v1/session", both)
        #expect(ended.status == 204 && ended.headers["set-cookie"]?.contains("Max-Age=0") == true)
        #expect(try bench.client.get("/v1/jobs", cookie).status == 401)

        let next = try bench.client.send("POST", "/v1/session", bearer)
        let pair = try #require(next.headers["set-cookie"]).prefix { $0 != ";" }
        #expect(try bench.client.get("/v1/jobs", ["Cookie": "\(pair)"]).status == 200)
        #expect(try bench.store.removeToken(token.token.id))
        #expect(try bench.client.get("/v1/jobs", ["Cookie": "\(pair)"]).status == 401)
    }

    @Test func `guesses are slowed down, and then even the right token waits`() throws {
        let bench = try ServerBench(needsToken: true)
        let token = try bench.store.makeToken(name: "t", scope: .read, expiresAt: nil)
        for _ in 0..<10 {
            #expect(
                try bench.client.get("/v1/jobs", ["Authorization": "Bearer no"]).status == 401
            )
        }
        let slowed = try bench.client.get("/v1/jobs", ["Authorization": "Bearer \(token.secret)"])
        #expect(slowed.status == 429)
        #expect((1...60).contains(Int(slowed.headers["retry-after"] ?? "") ?? 0))
    }

    @Test func `a token's requests are held to a pace, and no other token's with it`() throws {
        let bench = try ServerBench(needsToken: true, requestsPerSecond: 1)
        let hasty = try bench.store.makeToken(name: "hasty", scope: .read, expiresAt: nil)
        let other = try bench.store.makeToken(name: "other", scope: .read, expiresAt: nil)
        var answers: [Answer] = []
        for _ in 0..<8 {
            answers.append(
                try bench.client.get("/v1/jobs", ["Authorization": "Bearer \(hasty.secret)"])
            )
        }
        #expect(answers.prefix(2).map(\.status) == [200, 200])
        let refused = try #require(answers.first { $0.status == 429 })
        #expect(try refused.json["code"] == "rate_limited")
        #expect(refused.headers["retry-after"] == "1")
        #expect(refused.headers["ratelimit-limit"] == "1")
        let one = try bench.client.get("/v1/jobs", ["Authorization": "Bearer \(other.secret)"])
        #expect(one.status == 200)
        Thread.sleep(forTimeInterval: 1.1)
        let again = try bench.client.get("/v1/jobs", ["Authorization": "Bearer \(hasty.secret)"])
        #expect(again.status == 200)
    }

    @Test func `nobody is asked where no token is wanted`() throws {
        let bench = try ServerBench()
        #expect(try bench.client.json("/v1/auth/whoami")["scope"] == "admin")
        #expect(try bench.client.get("/v1/jobs").status == 200)
    }
}
