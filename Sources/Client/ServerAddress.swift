// Where a daemon listens, and how that is written.

/// Where a daemon listens.
package enum ServerAddress: Equatable, Sendable {
    case tcp(host: String, port: UInt16)
    /// The same, encrypted.
    case tls(host: String, port: UInt16)
    case unix(path: String)

    /// Unless an address says another; the daemon's own.
    private static let port: UInt16 = 8080

    /// `http://HOST:PORT`, `https://HOST:PORT`, `HOST:PORT`, or `unix:PATH`; an IPv6 address stands in brackets.
    package init(_ text: String) throws(ClientError) {
        if text.hasPrefix("unix:"), text.count > 5 {
            self = .unix(path: String(text.dropFirst(5)))
            return
        }
        let isSecure = text.hasPrefix("https://")
        var rest = isSecure ? text.dropFirst(8) : text[...]
        if rest.hasPrefix("http://"), !isSecure { rest = rest.dropFirst(7) }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard let (host, port) = ServerAddress.split(rest) else {
            throw ClientError(
                "\(text) is no server; allowed: http://HOST:PORT, https://HOST:PORT, HOST:PORT, unix:PATH",
                .usage,
            )
        }
        self = isSecure ? .tls(host: host, port: port) : .tcp(host: host, port: port)
    }

    private static func split(_ text: Substring) -> (host: String, port: UInt16)? {
        var (host, rest) = (text, Substring())
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            (host, rest) = (text[..<end].dropFirst(), text[text.index(after: end)...])
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || ":.".contains($0) })
            else { return nil }
        } else {
            let end = text.firstIndex(of: ":") ?? text.endIndex
            (host, rest) = (text[..<end], text[end...])
            let isName = host.allSatisfy {
                $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0))
            }
            guard !host.isEmpty, isName else { return nil }
        }
        guard !rest.isEmpty else { return (String(host), port) }
        guard rest.hasPrefix(":"), let given = UInt16(rest.dropFirst()) else { return nil }
        return (String(host), given)
    }

    /// For messages.
    package var name: String {
        if case .unix(let path) = self { path } else { authority }
    }

    /// The Host field: an IPv6 address is in brackets.
    var authority: String {
        switch self {
        case .unix: "localhost"
        case .tcp(let host, let port), .tls(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}
