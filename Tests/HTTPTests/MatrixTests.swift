// What the server makes of requests byte by byte: one table of what is sent and what must come back.

import Foundation
import Testing

@testable import HTTP

/// Bytes in, status out, and whether the server closes the connection after it.
struct Case: CustomTestStringConvertible {
    var testDescription: String
    var bytes: String
    var status: Int
    var closes: Bool

    init(_ name: String, _ bytes: String, _ status: Int, closes: Bool) {
        testDescription = name
        self.bytes = bytes
        self.status = status
        self.closes = closes
    }

    /// The bytes to send over `wire`: an absolute target names TLS where TLS is spoken.
    func bytes(over wire: Wire) -> String {
        guard wire == .tls else { return bytes }
        return bytes.replacing(/(?i)(GET http)(s?):/) { match in
            match.1 + (match.2.isEmpty ? "s" : "") + ":"
        }
    }

    /// A GET with more lines in its head.
    static func get(_ name: String, _ lines: String, _ status: Int, closes: Bool = true) -> Case {
        Case(
            name,
            "GET /hello HTTP/1.1\r\nHost: localhost\r\n\(lines)\r\n",
            status,
            closes: closes,
        )
    }

    static func target(_ target: String, _ status: Int, closes: Bool = false) -> Case {
        Case(target, "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n", status, closes: closes)
    }

    /// A POST to a route that takes 1000 bytes.
    static func post(
        _ name: String,
        _ lines: String,
        _ body: String,
        _ status: Int,
        closes: Bool = true,
    ) -> Case {
        Case(
            name,
            "POST /echo HTTP/1.1\r\nHost: localhost\r\n\(lines)\r\n\(body)",
            status,
            closes: closes,
        )
    }

    static func chunks(_ name: String, _ body: String, _ status: Int, closes: Bool = true) -> Case {
        post(name, "Transfer-Encoding: chunked\r\n", body, status, closes: closes)
    }
}

private func long(_ count: Int) -> String { String(repeating: "a", count: count) }

private let heads: [Case] = [
    .get("a plain GET", "", 200, closes: false),
    .get("Connection: close", "Connection: close\r\n", 200),
    .get("Connection with a list", "Connection: keep-alive, Close\r\n", 200),
    Case("HTTP/1.0", "GET /hello HTTP/1.0\r\n\r\n", 200, closes: true),
    Case(
        "HTTP/1.0 kept alive",
        "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        200,
        closes: false,
    ),
    Case("no Host", "GET /hello HTTP/1.1\r\n\r\n", 400, closes: true),
    .get("two Hosts", "Host: localhost\r\n", 400),
    Case("a foreign Host", "GET /hello HTTP/1.1\r\nHost: evil.test\r\n\r\n", 421, closes: true),
    Case("a foreign Host on 1.0", "GET / HTTP/1.0\r\nHost: evil.test\r\n\r\n", 421, closes: true),
    Case(
        "a Host with a port",
        "GET /hello HTTP/1.1\r\nhOsT: LocalHost:80\r\n\r\n",
        200,
        closes: false,
    ),
    Case("an IPv6 Host", "GET /hello HTTP/1.1\r\nHost: [::1]:9\r\n\r\n", 200, closes: false),
    Case("an empty Host", "GET /hello HTTP/1.1\r\nHost:\r\n\r\n", 400, closes: true),
    Case("a Host with a user", "GET / HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400, closes: true),
    Case(
        "a Host with a bad port",
        "GET / HTTP/1.1\r\nHost: localhost:x\r\n\r\n",
        400,
        closes: true,
    ),
    Case("bare LF everywhere", "GET /hello HTTP/1.1\nHost: localhost\n\n", 400, closes: true),
    Case("bare LF once", "GET /hello HTTP/1.1\r\nHost: localhost\n\r\n", 400, closes: true),
    .get("NUL in a value", "A: b\0c\r\n", 400),
    .get("bare CR in a value", "A: b\rc\r\n", 400),
    .get("DEL in a value", "A: b\u{7F}c\r\n", 400),
    .get("a tab in a value", "A: b\tc\r\n", 200, closes: false),
    .get("UTF-8 in a value", "A: ü\r\n", 200, closes: false),
    .get("a folded line", "A: b\r\n c\r\n", 400),
    Case(
        "a first line with a blank",
        "GET /hello HTTP/1.1\r\n Host: localhost\r\n\r\n",
        400,
        closes: true,
    ),
    .get("a line without colon", "Abc\r\n", 400),
    .get("a blank before the colon", "A : b\r\n", 400),
    .get("an empty name", ": b\r\n", 400),
    .get("a name with a parenthesis", "A(: b\r\n", 400),
    .get("a line of 20 KB", "A: \(long(20_000))\r\n", 431),
    .get("a line of 1 MB", "A: \(long(1_000_000))\r\n", 431),
    .get("100 fields", String(repeating: "A: b\r\n", count: 99), 200, closes: false),
    .get("101 fields", String(repeating: "A: b\r\n", count: 100), 431),
    .get("2000 fields", String(repeating: "A: b\r\n", count: 2000), 431),
    Case(
        "leading blank lines",
        "\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
        200,
        closes: false,
    ),
    Case("blank lines without end", String(repeating: "\r\n", count: 9000), 431, closes: true),
    Case("HTTP/9.9", "GET /hello HTTP/9.9\r\nHost: localhost\r\n\r\n", 505, closes: true),
    Case("HTTP/2 at once", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, closes: true),
    Case("HTTP/1.10", "GET /hello HTTP/1.10\r\nHost: localhost\r\n\r\n", 400, closes: true),
    Case("version FOO", "GET /hello FOO\r\nHost: localhost\r\n\r\n", 400, closes: true),
    Case("no version", "GET /hello\r\nHost: localhost\r\n\r\n", 400, closes: true),
    Case("two blanks", "GET  /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, closes: true),
    Case("method G(T", "G(T /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, closes: true),
    Case(
        "an unknown method",
        "BREW /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
        501,
        closes: true,
    ),
    Case("CONNECT", "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, closes: true),
    Case("TLS", "\u{16}\u{3}\u{1}\u{2}\0\r\n\r\n", 400, closes: true),
    .get("an unknown expectation", "Expect: magic\r\n", 417),
]

private let targets: [Case] = [
    .target("/nothing", 404),
    .target("/hello/", 404),
    .target("/jobs/", 404),
    .target("/jobs/a%2Fb", 200),
    .target("/jobs/%zz", 400, closes: true),
    .target("/jobs/%a", 400, closes: true),
    .target("/jobs/a%00", 400, closes: true),
    .target("/query?a=%00", 400, closes: true),
    .target("/jobs/%ff", 400, closes: true),
    .target("/jobs/ü", 400, closes: true),
    .target("/hello#there", 400, closes: true),
    .target("hello", 400, closes: true),
    .target("*", 400, closes: true),
    .target("http://localhost/hello", 200),
    .target("HTTP://127.0.0.1:80/hello", 200),
    .target("http://evil.test/hello", 421, closes: true),
    .target("http:///hello", 400, closes: true),
    .target("https://localhost/hello", 400, closes: true),
    .target("http://localhost", 404),
    .target("/\(long(10_000))", 414, closes: true),
    .target("/\(long(100_000))", 431, closes: true),
    Case(
        "a wrong method",
        "DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
        405,
        closes: false,
    ),
    Case(
        "a method that no route takes",
        "TRACE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
        405,
        closes: false,
    ),
    Case(
        "a wrong method with a body",
        "PUT /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 36\r\n\r\n"
            + "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
        405,
        closes: true,
    ),
    Case("OPTIONS", "OPTIONS /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 204, closes: false),
    Case("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 204, closes: false),
]

private let lengths: [Case] = [
    .post("five bytes", "Content-Length: 5\r\n", "hello", 200, closes: false),
    .post("no bytes", "Content-Length: 0\r\n", "", 200, closes: false),
    .post("a blank before the colon", "Content-Length : 5\r\n", "hello", 400),
    .post("+5", "Content-Length: +5\r\n", "hello", 400),
    .post("-5", "Content-Length: -5\r\n", "hello", 400),
    .post("0x5", "Content-Length: 0x5\r\n", "hello", 400),
    .post("5, 5", "Content-Length: 5, 5\r\n", "hello", 400),
    .post("empty", "Content-Length:\r\n", "hello", 400),
    .post("twice the same", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", 400),
    .post("5 then 3", "Content-Length: 5\r\nContent-Length: 3\r\n", "hello", 400),
    .post("with chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 400),
    .post("1000 bytes", "Content-Length: 1000\r\n", long(1000), 200, closes: false),
    .post("1001 bytes", "Content-Length: 1001\r\n", long(1001), 413),
    .post("by the head alone", "Content-Length: 3000000\r\n", "", 413),
    .post("20 digits", "Content-Length: 99999999999999999999\r\n", "", 413),
    Case(
        "a body where none is taken",
        "POST /plain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na",
        413,
        closes: true,
    ),
    .post("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", 501),
    .post(
        "identity and chunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
        501,
    ),
    .post("xchunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", 501),
    Case(
        "chunks on 1.0",
        "POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        closes: true,
    ),
]

private let chunked: [Case] = [
    .chunks("two chunks", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 200, closes: false),
    .chunks("hexadecimal", "A\r\nhellohello\r\n0\r\n\r\n", 200, closes: false),
    .chunks("an extension", "5;a=\"b c\"\r\nhello\r\n0\r\n\r\n", 200, closes: false),
    .chunks("a trailer", "0\r\nA: b\r\n\r\n", 200, closes: false),
    .chunks("a trailer without colon", "0\r\nA\r\n\r\n", 400),
    .chunks("+5", "+5\r\nhello\r\n0\r\n\r\n", 400),
    .chunks("0x5", "0x5\r\nhello\r\n0\r\n\r\n", 400),
    .chunks("a blank after the size", "5 \r\nhello\r\n0\r\n\r\n", 400),
    .chunks("no size", "\r\nhello\r\n0\r\n\r\n", 400),
    .chunks("data too long", "5\r\nhelloXX0\r\n\r\n", 400),
    .chunks("LF after the size", "5\nhello\r\n0\r\n\r\n", 400),
    .chunks("LF after the data", "5\r\nhello\n0\r\n\r\n", 400),
    .chunks("17 digits", "0000000000000000A\r\n", 413),
    .chunks("7fffffffffffffff", "7fffffffffffffff\r\n", 413),
    .chunks("ffffffffffffffff", "ffffffffffffffff\r\n", 413),
    .chunks("more than the route takes", "3E8\r\n\(long(1000))\r\n1\r\na\r\n0\r\n\r\n", 413),
    .chunks("an extension of 100 KB", "5;\(long(100_000))\r\nhello\r\n0\r\n\r\n", 400),
    .chunks(
        "an extension of 254 bytes",
        "5;\(long(254))\r\nhello\r\n0\r\n\r\n",
        200,
        closes: false,
    ),
    .chunks("an extension of 255 bytes", "5;\(long(255))\r\nhello\r\n0\r\n\r\n", 400),
    .chunks(
        "trailers of 1 MB",
        "0\r\n" + String(repeating: "A: \(long(95))\r\n", count: 10_000),
        431,
    ),
    .chunks("one endless trailer", "0\r\nA: \(long(20_000))", 431),
]

/// Cases of one sort.
struct Table: CustomTestStringConvertible {
    var testDescription: String
    var cases: [Case]

    static let all = [
        Table(testDescription: "heads", cases: heads),
        Table(testDescription: "targets", cases: targets),
        Table(testDescription: "lengths", cases: lengths),
        Table(testDescription: "chunks", cases: chunked),
    ]
}

extension OverASocket {
    @Suite struct MatrixTests {
        @Test(arguments: Table.all, Wire.allCases)
        func `each request gets its status, and the connection stays or goes as it must`(
            table: Table,
            wire: Wire,
        ) throws {
            let server = try TestServer(wire)
            for sent in table.cases {
                let client = try server.connect()
                // A refusal may come, and the connection go, before all is sent.
                try? client.send(sent.bytes(over: wire))
                let response = try client.readResponse()
                #expect(response.status == sent.status, "\(sent.testDescription)")
                let saysClose = response["connection"] == "close"
                #expect(saysClose == sent.closes, "\(sent.testDescription)")
                if response.status >= 400 {
                    #expect(response["content-type"] == "application/problem+json")
                }
                if sent.closes {
                    #expect(try client.readRest().isEmpty, "\(sent.testDescription)")
                } else {
                    #expect(try client.get("/hello").text == "hello", "\(sent.testDescription)")
                }
            }
        }

        @Test(arguments: Wire.allCases)
        func `byte by byte every request is read as in one piece`(wire: Wire) throws {
            let server = try TestServer(wire)
            for sent in heads + chunked where sent.bytes.utf8.count < 300 {
                let client = try server.connect()
                for byte in sent.bytes.utf8 {
                    guard (try? client.send(Data([byte]))) != nil else { break }
                }
                #expect(try client.readResponse().status == sent.status, "\(sent.testDescription)")
            }
        }

        @Test(arguments: Wire.allCases)
        func `a request cut short gets 400`(wire: Wire) throws {
            let server = try TestServer(wire)
            for bytes in [
                "GET /hel", "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe",
            ] {
                let client = try server.connect()
                try client.send(bytes)
                client.finishSending()
                #expect(try client.readResponse().status == 400)
            }
        }
    }
}
