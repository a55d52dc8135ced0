import Testing

@testable import HTTP

@Suite struct RouterTests {
    private func taken(_ path: [String], _ method: String = "GET") -> String {
        let routes = [
            ("GET", "/"), ("GET", "/a/{x}"), ("GET", "/a/b"), ("GET", "/a/{x}/c"),
            ("GET", "/a/b/d"), ("POST", "/a/{name}"), ("DELETE", "/a/b"),
        ].map { method, pattern in
            HTTPRoute(method, pattern) { _ in .now(HTTPResponse(status: 200)) }
        }
        switch Router(routes).route(method, path) {
        case .found(let route, let parameters):
            let values = parameters.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
            return ([route.pattern] + values).joined(separator: " ")
        case .wrongMethod(let allowed): return "not allowed: \(allowed.joined(separator: " "))"
        case .unknownPath: return "unknown"
        }
    }

    @Test func `a literal wins, and a parameter takes what no literal leads to`() {
        #expect(taken([]) == "/")
        #expect(taken(["a", "b"]) == "/a/b")
        #expect(taken(["a", "z"]) == "/a/{x} x=z")
        #expect(taken(["a", "b", "d"]) == "/a/b/d")
        #expect(taken(["a", "b", "c"]) == "/a/{x}/c x=b")
        #expect(taken(["a", "x/y"]) == "/a/{x} x=x/y")
        #expect(taken(["a", ""]) == "unknown")
        #expect(taken(["a"]) == "unknown")
        #expect(taken(["a", "b", "c", "d"]) == "unknown")
    }

    @Test func `the path decides before the method`() {
        #expect(taken(["a", "z"], "POST") == "/a/{name} name=z")
        #expect(taken(["a", "z"], "HEAD") == "/a/{x} x=z")
        #expect(taken(["a", "b"], "POST") == "not allowed: DELETE GET HEAD OPTIONS")
        #expect(taken(["a", "z"], "DELETE") == "not allowed: GET HEAD OPTIONS POST")
    }
}
