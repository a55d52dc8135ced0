// A request's head, read strictly (RFC 9112). Whatever two parsers could read in two ways is refused,
// since a disagreement about where a request ends lets one request hide in another.

/// How long a request's body is.
enum BodyFraming: Equatable, Sendable {
    case none
    case length(Int)
    case chunked
}

struct RequestHead: Sendable {
    var method: String
    var target: RequestTarget
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    var minorVersion: Int
    var headers: HTTPHeaders
    var framing: BodyFraming
    /// Whether the client wants to send another request after this one.
    var keepsAlive: Bool
    var expectsContinue: Bool

    /// Reads a whole head.
    ///
    /// - Parameter bytes: from the method to the empty line, without blank lines before it; every line
    ///   ends in CR LF, as `HeadScanner` saw to.
    /// - Parameter scheme: of an absolute target, as the connection is encrypted or not.
    /// - Throws: 400, 414, 417, 421, 431, 501 or 505.
    init(
        parsing bytes: ArraySlice<UInt8>,
        limits: HTTPServer.Limits,
        hostNames: Set<String>?,
        scheme: String = "http",
    ) throws(HTTPProblem) {
        var rest = bytes
        let (method, target, minorVersion) = try Self.requestLine(
            Self.nextLine(&rest),
            limits: limits,
        )
        var headers = HTTPHeaders()
        while true {
            let line = Self.nextLine(&rest)
            if line.isEmpty { break }
            guard headers.fields.count < limits.fields else {
                throw .tooLargeFields("the head has more than \(limits.fields) fields")
            }
            let (name, value) = try Self.field(line)
            headers.add(name, value)
        }
        self.method = method
        self.minorVersion = minorVersion
        self.headers = headers
        let host = try Self.host(headers, minorVersion: minorVersion)
        self.target = try RequestTarget(parsing: target, method: method, scheme: scheme)
        if let authority = self.target.authority ?? host {
            try Self.checkAuthority(authority, allowed: hostNames)
        }
        framing = try Self.framing(headers, minorVersion: minorVersion)
        expectsContinue = try Self.expectsContinue(headers, minorVersion: minorVersion)
        let connection = headers.values(of: "Connection").flatMap(\.listMembers)
        let says = { (word: String) in connection.contains { String($0).equalsIgnoringCase(word) } }
        keepsAlive = !says("close") && (minorVersion == 1 || says("keep-alive"))
    }

    /// Takes the next line off, without its CR LF.
    private static func nextLine(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let end = rest.firstIndex(of: .lineFeed) else {
            defer { rest = [] }
            return rest
        }
        let line = rest[rest.startIndex..<end].dropLast()
        rest = rest[(end + 1)...]
        return line
    }

    private static func requestLine(
        _ line: ArraySlice<UInt8>,
        limits: HTTPServer.Limits,
    ) throws(HTTPProblem) -> (method: String, target: ArraySlice<UInt8>, minorVersion: Int) {
        let words = line.split(separator: .space, omittingEmptySubsequences: false)
        guard words.count == 3 else {
            throw .malformed("the request line is not \"METHOD target HTTP/1.1\"")
        }
        let (method, target, version) = (words[0], words[1], words[2])
        guard !method.isEmpty, method.allSatisfy(\.isTokenByte) else {
            throw .malformed("the method is not a token")
        }
        guard version.count == 8, version.starts(with: "HTTP/".utf8),
            version[version.startIndex + 5].isDigit,
            version[version.startIndex + 6] == UInt8(ascii: "."),
            version[version.startIndex + 7].isDigit
        else { throw .malformed("the version is not HTTP/1.0 or HTTP/1.1") }
        guard version.elementsEqual("HTTP/1.1".utf8) || version.elementsEqual("HTTP/1.0".utf8)
        else {
            throw HTTPProblem(
                505,
                "version-not-supported",
                "\(String(decoding: version, as: UTF8.self)) is not HTTP/1.0 or HTTP/1.1",
            )
        }
        guard target.count <= limits.target else {
            throw HTTPProblem(
                414,
                "target-too-long",
                "the target is longer than \(limits.target) bytes",
            )
        }
        guard method.count <= 32 else { throw unknownMethod }
        return (
            String(decoding: method, as: UTF8.self), target,
            version.last == UInt8(ascii: "1") ? 1 : 0,
        )
    }

    static let unknownMethod = HTTPProblem(
        501,
        "method-not-implemented",
        "the method is none of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS",
    )

    private static func field(
        _ line: ArraySlice<UInt8>
    ) throws(HTTPProblem) -> (String, String) {
        if line.first == .space || line.first == .tab {
            throw .malformed("a field is folded over two lines")
        }
        guard let colon = line.firstIndex(of: .colon) else {
            throw .malformed("a field has no colon")
        }
        let name = line[..<colon]
        guard !name.isEmpty, name.allSatisfy(\.isTokenByte) else {
            throw .malformed("a field's name is not a token directly before its colon")
        }
        var value = line[(colon + 1)...]
        while let first = value.first, first == .space || first == .tab { value.removeFirst() }
        while let last = value.last, last == .space || last == .tab { value.removeLast() }
        guard value.allSatisfy(\.isFieldByte) else {
            throw .malformed(
                "the value of \(String(decoding: name, as: UTF8.self)) has a control character"
            )
        }
        return (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
    }

    private static func host(
        _ headers: HTTPHeaders,
        minorVersion: Int,
    ) throws(HTTPProblem) -> String? {
        let hosts = headers.values(of: "Host")
        guard hosts.count <= 1 else { throw .malformed("the head has \(hosts.count) Host fields") }
        if hosts.isEmpty, minorVersion == 1 { throw .malformed("the head has no Host field") }
        return hosts.first
    }

    /// Whether `authority` (`name` or `name:port`) is one of this server's names.
    private static func checkAuthority(
        _ authority: String,
        allowed: Set<String>?,
    ) throws(HTTPProblem) {
        let bytes = authority.utf8
        let nameEnd =
            bytes.first == UInt8(ascii: "[")
            ? bytes.firstIndex(of: UInt8(ascii: "]")).map { bytes.index(after: $0) }
            : bytes.firstIndex(of: .colon) ?? bytes.endIndex
        guard let nameEnd, nameEnd != bytes.startIndex,
            bytes[..<nameEnd].allSatisfy({
                $0.isDigit || $0.isLetter || "-._~[]:%!$&'()*+,;=".utf8.contains($0)
            }),
            nameEnd == bytes.endIndex
                || bytes[nameEnd] == .colon && bytes[nameEnd...].dropFirst().allSatisfy(\.isDigit)
        else { throw .malformed("the host is not a name with an optional port") }
        guard let allowed else { return }
        let name = String(authority[..<nameEnd])
        guard allowed.contains(where: { $0.equalsIgnoringCase(name) }) else {
            throw HTTPProblem(
                421,
                "unknown-host",
                "this server is not \"\(name)\"; allowed: \(allowed.sorted().joined(separator: ", "))",
            )
        }
    }

    private static func framing(
        _ headers: HTTPHeaders,
        minorVersion: Int,
    ) throws(HTTPProblem) -> BodyFraming {
        let lengths = headers.values(of: "Content-Length")
        let codings = headers.values(of: "Transfer-Encoding")
        guard lengths.count <= 1 else {
            throw .malformed("the head has \(lengths.count) Content-Length fields")
        }
        if !codings.isEmpty {
            guard lengths.isEmpty else {
                throw .malformed("the head has both Content-Length and Transfer-Encoding")
            }
            guard minorVersion == 1 else {
                throw .malformed("HTTP/1.0 has no Transfer-Encoding")
            }
            guard codings.count == 1, codings[0].equalsIgnoringCase("chunked") else {
                throw HTTPProblem(
                    501,
                    "transfer-encoding-not-implemented",
                    "Transfer-Encoding is \"\(codings.joined(separator: ", "))\"; allowed: chunked",
                )
            }
            return .chunked
        }
        guard let length = lengths.first else { return .none }
        guard !length.isEmpty, length.utf8.allSatisfy(\.isDigit) else {
            throw .malformed("Content-Length is \"\(length)\"; allowed: decimal digits")
        }
        // More digits than an Int holds are past every limit.
        return .length(Int(length) ?? .max)
    }

    private static func expectsContinue(
        _ headers: HTTPHeaders,
        minorVersion: Int,
    ) throws(HTTPProblem) -> Bool {
        let expectations = headers.values(of: "Expect")
        if minorVersion == 0 || expectations.isEmpty { return false }
        guard expectations.count == 1, expectations[0].equalsIgnoringCase("100-continue") else {
            throw HTTPProblem(
                417,
                "expectation-failed",
                "Expect is \"\(expectations.joined(separator: ", "))\"; allowed: 100-continue",
            )
        }
        return true
    }
}
