// Which route takes a request: a tree of segments, in which a literal wins over a parameter.

struct Router: Sendable {
    enum Outcome {
        case found(HTTPRoute, parameters: [String: String])
        case wrongMethod(allowed: [String])
        case unknownPath
    }

    private struct Leaf: Sendable {
        let route: HTTPRoute
        let names: [String]
    }

    private struct Node: Sendable {
        var literals: [String: Int] = [:]
        var parameter: Int?
        var leaves: [String: Leaf] = [:]
    }

    private var nodes = [Node()]

    static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

    /// Known, and taken by no route.
    static let refusedMethods: Set<String> = ["QUERY", "TRACE"]

    init(_ routes: [HTTPRoute]) {
        for route in routes { insert(route) }
    }

    private mutating func insert(_ route: HTTPRoute) {
        precondition(
            route.pattern.hasPrefix("/"),
            "a route's pattern starts with /: \(route.pattern)",
        )
        precondition(Self.methods.contains(route.method), "unknown method: \(route.method)")
        var node = 0
        var names: [String] = []
        for segment in Self.segments(of: route.pattern) {
            let next: Int?
            if segment.hasPrefix("{"), segment.hasSuffix("}") {
                names.append(String(segment.dropFirst().dropLast()))
                next = nodes[node].parameter
                if next == nil { nodes[node].parameter = nodes.count }
            } else {
                next = nodes[node].literals[segment]
                if next == nil { nodes[node].literals[segment] = nodes.count }
            }
            if let next {
                node = next
            } else {
                node = nodes.count
                nodes.append(Node())
            }
        }
        let former = nodes[node].leaves.updateValue(
            Leaf(route: route, names: names),
            forKey: route.method,
        )
        precondition(former == nil, "two routes for \(route.method) \(route.pattern)")
    }

    private static func segments(of pattern: String) -> [String] {
        pattern == "/"
            ? []
            : pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(
                String.init
            )
    }

    /// The route for `method` at `segments`; the path decides first, then the method. `HEAD` is taken by a
    /// `GET` route where there is no route for itself.
    func route(_ method: String, _ segments: [String]) -> Outcome {
        var values: [String] = []
        guard let node = find(segments[...], from: 0, &values) else { return .unknownPath }
        let leaves = nodes[node].leaves
        guard let leaf = leaves[method] ?? (method == "HEAD" ? leaves["GET"] : nil) else {
            return .wrongMethod(allowed: allowed(leaves.keys))
        }
        let parameters = Dictionary(zip(leaf.names, values)) { first, _ in first }
        return .found(leaf.route, parameters: parameters)
    }

    /// Every method that some route takes.
    var allMethods: [String] { allowed(Set(nodes.flatMap(\.leaves.keys))) }

    private func allowed(_ methods: some Collection<String>) -> [String] {
        Set(methods).union(methods.contains("GET") ? ["HEAD", "OPTIONS"] : ["OPTIONS"]).sorted()
    }

    /// The node with routes at the end of `segments`; the values of its parameters are appended.
    private func find(
        _ segments: ArraySlice<String>,
        from node: Int,
        _ values: inout [String],
    ) -> Int? {
        guard let segment = segments.first else {
            return nodes[node].leaves.isEmpty ? nil : node
        }
        if let next = nodes[node].literals[segment],
            let found = find(segments.dropFirst(), from: next, &values)
        {
            return found
        }
        guard let next = nodes[node].parameter, !segment.isEmpty else { return nil }
        values.append(segment)
        if let found = find(segments.dropFirst(), from: next, &values) { return found }
        values.removeLast()
        return nil
    }
}
