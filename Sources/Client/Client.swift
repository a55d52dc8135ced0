// Requests to a daemon: JSON, streams of lines, downloads.

package import Configs
package import Foundation

package struct Client: Sendable {
    package let address: ServerAddress
    /// Sent with every request.
    private let token: String?
    /// A PEM file with whom alone to trust; nil: whom this machine trusts.
    let authorities: String?

    package init(_ address: ServerAddress, token: String? = nil, authorities: String? = nil) {
        self.address = address
        self.token = token
        self.authorities = authorities
    }

    /// The JSON that a request is answered with; null where there is none.
    /// - Throws: `ClientError`, `ServerProblem`.
    @discardableResult
    package func send(
        _ method: String,
        _ target: Target,
        _ body: JSONValue? = nil,
        _ fields: [String: String] = [:],
        silence: Int? = nil,
    ) throws -> JSONValue {
        var content = Data()
        try exchange(method, target, body, fields, silence: silence) { _ in
        } take: { part in
            content.append(part)
            return true
        }
        return content.isEmpty ? .null : try value(content)
    }

    /// - Throws: `ClientError` where a daemon would not have sent it.
    func value(_ content: Data) throws(ClientError) -> JSONValue {
        do {
            return try JSONValue(parsing: content)
        } catch {
            throw ClientError("\(address.name) does not answer in JSON: \(error)", .stranger)
        }
    }

    package func get(_ target: Target) throws -> JSONValue { try send("GET", target) }

    /// The content as text.
    package func text(_ target: Target) throws -> String {
        var content = Data()
        try exchange("GET", target) { _ in
        } take: { part in
            content.append(part)
            return true
        }
        return String(decoding: content, as: UTF8.self)
    }

    /// How long a stream may be silent, seconds; a daemon sends a sign of life every 15.
    static let silence = 60

    /// Calls `body` with each line of a stream until it ends, or `body` says that it is enough; `begun` when there is one.
    package func lines(
        _ target: Target,
        begun: () -> Void = {},
        _ body: (String) throws -> Bool,
    ) throws {
        var rest = Data()
        try exchange(
            "GET",
            target,
            nil,
            ["Accept": "application/x-ndjson"],
            silence: Client.silence,
        ) { _ in
            begun()
        } take: { part in
            rest.append(part)
            while let end = rest.firstIndex(of: 10) {
                let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
                rest = Data(rest[(end + 1)...])
                if try !line.isEmpty && !body(line) { return false }
            }
            return true
        }
    }

    /// One request; `silence` is how many seconds the server may say nothing; `head` sees the head of the answer, `take` its content as it comes, until that says no.
    ///
    /// - Throws: `ClientError`; `ServerProblem` for a status from 300 on.
    package func exchange(
        _ method: String,
        _ target: Target,
        _ body: JSONValue? = nil,
        _ fields: [String: String] = [:],
        silence: Int? = nil,
        head: (ResponseHead) throws -> Void,
        take: (Data) throws -> Bool,
    ) throws {
        let connection = try Connection(
            to: address,
            authorities: authorities,
            silence: silence,
        )
        let content = body.map { Data($0.canonical.utf8) } ?? Data()
        var fields = fields
        if body != nil || method == "POST" || method == "PATCH" {
            fields["Content-Length"] = "\(content.count)"
        }
        if body != nil { fields["Content-Type"] = "application/json" }
        try connection.send(requestHead(method, target, fields) + content)
        try readAnswer(to: method, connection, head: head, take: take)
    }

    /// What comes before the content of a request.
    func requestHead(_ method: String, _ target: Target, _ fields: [String: String]) -> Data {
        var text = "\(method) \(target.text) HTTP/1.1\r\nHost: \(address.authority)\r\n"
        text += "Connection: close\r\n"
        if let token { text += "Authorization: Bearer \(token)\r\n" }
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            text += "\(name): \(value)\r\n"
        }
        return Data((text + "\r\n").utf8)
    }

    /// - Throws: as `exchange`.
    func readAnswer(
        to method: String,
        _ connection: Connection,
        head: (ResponseHead) throws -> Void = { _ in },
        take: (Data) throws -> Bool,
    ) throws {
        let answer = try readHead(connection)
        guard answer.status < 300 else {
            var problem = Data()
            try readContent(answer, connection) {
                problem.append($0)
                return problem.count < 1 << 20
            }
            throw ServerProblem(
                status: answer.status,
                body: (try? JSONValue(parsing: problem)) ?? .null,
            )
        }
        try head(answer)
        if answer.status != 204, method != "HEAD" {
            try readContent(answer, connection, take)
        }
    }

    private func readHead(_ connection: Connection) throws -> ResponseHead {
        let parts = try connection.line().split(separator: " ")
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
            throw ClientError("\(address.name) does not answer in HTTP", .stranger)
        }
        var fields: [String: String] = [:]
        while true {
            let line = try connection.line()
            if line.isEmpty { break }
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            fields[line[..<colon].lowercased()] = value
        }
        // An answer before the answer.
        return (100..<200).contains(status)
            ? try readHead(connection) : ResponseHead(status: status, fields: fields)
    }

    private func readContent(
        _ head: ResponseHead,
        _ connection: Connection,
        _ take: (Data) throws -> Bool,
    ) throws {
        /// - Returns: false when `take` has enough.
        func pass(_ count: Int) throws -> Bool {
            var left = count
            while left > 0 {
                guard let part = try connection.some(left) else {
                    throw ClientError(
                        "the answer was cut off: \(left) bytes are missing",
                        .unreachable,
                    )
                }
                left -= part.count
                if try !take(part) { return false }
            }
            return true
        }
        if head.fields["transfer-encoding"] == "chunked" {
            while true {
                guard let size = Int(try connection.line(), radix: 16) else {
                    throw ClientError("a chunk of the answer has no size", .stranger)
                }
                if size == 0 { return }
                guard try pass(size) else { return }
                _ = try connection.line()
            }
        } else if let length = head.fields["content-length"].flatMap({ Int($0) }) {
            _ = try pass(length)
        } else {
            while let part = try connection.some(1 << 20) {
                if try !take(part) { return }
            }
        }
    }
}
