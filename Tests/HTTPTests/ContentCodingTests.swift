// gzip: who gets it, for what, and that nothing else of the answer changes meaning.

import CZlib
import Foundation
import Testing

@testable import HTTP

@Suite struct ContentCodingTests {
    @Test(
        arguments: [
            (nil, false), ("", false), ("gzip", true), ("GZip", true), ("x-gzip", true),
            ("*", true),
            ("identity", false), ("deflate, br", false), ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("gzip;q=0", false), ("gzip;q=0.000", false), ("gzip; q=0.001", true),
            ("gzip ;Q=0.5", true), ("*;q=0", false), ("*;q=0, gzip", true), ("gzip;q=0, *", false),
            ("identity;q=0", false), ("identity;q=0, gzip;q=0.1", true), ("identity;q=0, *", true),
            ("identity, gzip;q=0.5", false), ("identity;q=0.5, gzip;q=0.5", true),
            ("identity;q=0.4, *;q=0.5", true), ("gzip;q=2", false), ("gzip;q=-1", false),
            ("gzip;q=a", false), ("gzip;q=", false), ("gzip;q=1;a=b", false),
            ("gzip;level=9", false),
            (",,gzip,", true), ("gzip2", false),
        ] as [(String?, Bool)]
    )
    func `a client's weights decide`(field: String?, isCompressed: Bool) {
        let fields = field.map { [("Accept-Encoding", $0)] } ?? []
        #expect(ContentCoding.acceptsGzip(HTTPHeaders(fields)) == isCompressed)
    }

    @Test(arguments: [
        ("application/json", true), ("Application/JSON; charset=utf-8", true),
        ("application/problem+json", true), ("application/x-ndjson", true), ("text/plain", true),
        ("text/html; charset=utf-8", true), ("application/yaml", true),
        ("text/event-stream", false), ("application/octet-stream", false), ("image/png", false),
        ("", false),
    ])
    func `text is compressed above 1 KB, and nothing else`(type: String, isCompressed: Bool) {
        for (count, isLong) in [(1024, false), (1025, true)] {
            var headers = HTTPHeaders([("Content-Type", type)])
            var body = Data(count: count)
            ContentCoding.apply(
                to: &body,
                &headers,
                for: HTTPHeaders([("Accept-Encoding", "gzip")]),
            )
            #expect((headers["Content-Encoding"] == "gzip") == (isCompressed && isLong))
            #expect((headers["Vary"] == "Accept-Encoding") == (isCompressed && isLong))
            #expect((body.count < count) == (isCompressed && isLong))
        }
    }

    @Test func `what does not shrink, has a digest or is coded already stays as it is`() {
        var generator = SplitMix(state: 3)
        let noise = Data((0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) })
        for (body, extra) in [
            (noise, [:]), (Data(count: 5000), ["Repr-Digest": "sha-256=:AA==:"]),
            (Data(count: 5000), ["Content-Encoding": "br"]),
            (Data(count: 5000), ["Content-Range": "bytes 0-4999/9000"]),
        ] as [(Data, [String: String])] {
            var headers = HTTPHeaders([("Content-Type", "text/plain")] + extra.map { ($0, $1) })
            var result = body
            ContentCoding.apply(
                to: &result,
                &headers,
                for: HTTPHeaders([("Accept-Encoding", "gzip")]),
            )
            #expect(result == body)
            #expect(headers["Content-Encoding"] == extra["Content-Encoding"])
        }
    }

    @Test func `Vary is said once`() {
        for (given, said) in [
            ([], ["Accept-Encoding"]), (["Accept"], ["Accept", "Accept-Encoding"]),
            (["*"], ["*"]), (["Accept, accept-encoding"], ["Accept, accept-encoding"]),
        ] {
            var headers = HTTPHeaders(given.map { ("Vary", $0) })
            ContentCoding.addVary(to: &headers)
            #expect(headers.values(of: "Vary") == said)
        }
    }
}

extension OverASocket {
    @Suite struct CompressedAnswerTests {
        private let gzip = "Accept-Encoding: gzip\r\n"

        @Test(arguments: Wire.allCases)
        func `compressed content comes back as it was`(wire: Wire) throws {
            let server = try TestServer(wire)
            let client = try server.connect()
            for bytes in [2000, 100_000, 3_000_000] {
                let plain = try client.get("/list?bytes=\(bytes)")
                let compressed = try client.get("/list?bytes=\(bytes)", gzip)
                #expect(plain["content-encoding"] == nil && plain["etag"] == "\"r5\"")
                #expect(compressed["content-encoding"] == "gzip")
                #expect(compressed.body.count < plain.body.count / 10)
                #expect(inflate(compressed.body, count: plain.body.count) == plain.body)
            }
        }

        @Test func `HEAD has the fields of GET, compressed or not`() throws {
            let server = try TestServer()
            let client = try server.connect()
            for coding in ["", gzip] {
                var get = try client.get("/list?bytes=5000", coding)
                try client.send(
                    "HEAD /list?bytes=5000 HTTP/1.1\r\nHost: localhost\r\n\(coding)\r\n"
                )
                var head = try client.readResponse(toHead: true)
                for name in ["date", "x-request-id"] {
                    get.fields[name] = nil
                    head.fields[name] = nil
                }
                #expect(head.fields == get.fields)
                #expect(get["vary"] == "Accept-Encoding")
            }
        }

        @Test func `the tag of compressed content is weak, and asks for it no second time`() throws
        {
            let server = try TestServer()
            let client = try server.connect()
            let first = try client.get("/list?bytes=5000", gzip)
            let tag = try #require(first["etag"])
            #expect(tag == "W/\"r5\"")
            for coding in ["", gzip] {
                let second = try client.get(
                    "/list?bytes=5000",
                    coding + "If-None-Match: \(tag)\r\n",
                )
                #expect(second.status == 304 && second["vary"] == "Accept-Encoding")
            }
        }

        @Test func `a long problem is compressed; a short text, a file and a stream are not`()
            throws
        {
            let file = try SampleFile(bytes: 5000)
            let server = try TestServer(file: file.served)
            let client = try server.connect()
            let problem = try client.get("/" + String(repeating: "a", count: 3000), gzip)
            #expect(problem.status == 404 && problem["content-encoding"] == "gzip")
            #expect(problem["content-type"] == "application/problem+json")
            #expect(inflate(problem.body, count: 10_000)?.contains(Data("/problems".utf8)) == true)
            let short = try client.get("/hello", gzip)
            #expect(short.text == "hello" && short["vary"] == nil)
            let whole = try client.get("/file", gzip)
            #expect(whole.body == file.content && whole["etag"] == "\"sha256-abc\"")
            try client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\(gzip)\r\n")
            let stream = try #require(server.streams.wait(for: 1).first)
            stream.write(Data(repeating: 65, count: 5000))
            #expect(try client.readHead()["content-encoding"] == nil)
            #expect(try client.readChunk() == Data(repeating: 65, count: 5000))
        }
    }
}

/// What a gzip file of at most `count` bytes holds; nil when it is broken or followed by more.
func inflate(_ bytes: Data, count: Int) -> Data? {
    var input = [UInt8](bytes)
    var output = [UInt8](repeating: 0, count: count + 1)
    return input.withUnsafeMutableBufferPointer { input in
        output.withUnsafeMutableBufferPointer { output in
            var stream = z_stream()
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            stream.next_out = output.baseAddress
            stream.avail_out = UInt32(output.count)
            let size = Int32(MemoryLayout<z_stream>.size)
            guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else { return nil }
            defer { inflateEnd(&stream) }
            guard CZlib.inflate(&stream, Z_FINISH) == Z_STREAM_END, stream.avail_in == 0 else {
                return nil
            }
            return Data(output[..<Int(stream.total_out)])
        }
    }
}
