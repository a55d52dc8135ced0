// A bare HTTP client: one request a connection, streams read as they come.

import Configs
import Foundation
import Testing

struct Answer {
    var status = 0
    var headers: [String: String] = [:]
    var body = Data()

    var text: String { String(decoding: body, as: UTF8.self) }

    var json: JSONValue {
        get throws { try JSONValue(parsing: body) }
    }
}

struct Client {
    let port: UInt16

    /// Sends a request and reads until the server closes, or `enough` of a stream's text has come.
    func send(
        _ method: String,
        _ target: String,
        body: JSONValue? = nil,
        raw: String? = nil,
        data: Data? = nil,
        _ fields: [String: String] = [:],
        until enough: ((String) -> Bool)? = nil,
    ) throws -> Answer {
        let connection = try connect()
        defer { close(connection) }
        let content = data ?? Data((raw ?? body?.canonical ?? "").utf8)
        var head = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        if !content.isEmpty { head += "Content-Length: \(content.count)\r\n" }
        if !content.isEmpty, data == nil, fields["Content-Type"] == nil {
            head += "Content-Type: application/json\r\n"
        }
        for (name, value) in fields { head += "\(name): \(value)\r\n" }
        let bytes = Array((head + "\r\n").utf8) + content
        #expect(
            Foundation.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        )
        var received = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            if count <= 0 { break }
            received.append(contentsOf: buffer[..<count])
            if let enough, enough(Client.parse(received).text) { break }
        }
        return Client.parse(received)
    }

    func send(_ method: String, _ target: String, _ fields: [String: String]) throws -> Answer {
        try send(method, target, body: nil, raw: nil, fields)
    }

    /// Sends `text` as it is; the status line and what follows it, as far as it came within the patience.
    func raw(_ text: String) throws -> String {
        let connection = try connect()
        defer { close(connection) }
        let bytes = Array(text.utf8)
        #expect(
            Foundation.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        )
        var received = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !Client.isWhole(received) {
            let count = recv(connection, &buffer, buffer.count, 0)
            if count <= 0 { break }
            received.append(contentsOf: buffer[..<count])
        }
        return String(decoding: received, as: UTF8.self)
    }

    private static func isWhole(_ received: Data) -> Bool {
        let answer = parse(received)
        return answer.headers["content-length"].flatMap { Int($0) } == answer.body.count
    }

    func get(_ target: String, _ fields: [String: String] = [:]) throws -> Answer {
        try send("GET", target, fields)
    }

    func json(_ target: String) throws -> JSONValue {
        let answer = try get(target)
        #expect(answer.status == 200, "\(target): \(answer.text)")
        return try answer.json
    }

    func connect() throws -> Int32 {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var patience = timeval(tv_sec: 15, tv_usec: 0)
        setsockopt(
            connection,
            SOL_SOCKET,
            SO_RCVTIMEO,
            &patience,
            socklen_t(MemoryLayout<timeval>.size),
        )
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        return connection
    }

    private static func parse(_ bytes: Data) -> Answer {
        var answer = Answer()
        guard let end = bytes.range(of: Data("\r\n\r\n".utf8)) else { return answer }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            .components(separatedBy: "\r\n")
        answer.status = Int(lines[0].split(separator: " ")[1]) ?? 0
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            answer.headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let rest = bytes[end.upperBound...]
        answer.body =
            answer.headers["transfer-encoding"] == "chunked" ? joined(chunks: rest) : Data(rest)
        return answer
    }

    private static func joined(chunks: Data) -> Data {
        var (rest, body) = (chunks, Data())
        while let end = rest.range(of: Data("\r\n".utf8)),
            let size = Int(String(decoding: rest[..<end.lowerBound], as: UTF8.self), radix: 16),
            size > 0, rest[end.upperBound...].count >= size
        {
            body += rest[end.upperBound...].prefix(size)
            rest = rest[end.upperBound...].dropFirst(size + 2)
        }
        return body
    }
}
