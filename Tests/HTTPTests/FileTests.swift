// Files: which bytes go out for which conditions, and that a download that was cut can go on.

import Foundation
import Testing

@testable import HTTP

/// A file with seeded content that is removed with the value.
final class SampleFile {
    let path = FileManager.default.temporaryDirectory.appending(
        path: "http-\(UUID().uuidString)"
    ).path
    let content: Data

    init(bytes: Int) throws {
        var generator = SplitMix(state: 7)
        var words = [UInt64](repeating: 0, count: bytes / 8 + 1)
        for index in words.indices { words[index] = generator.next() }
        content = words.withUnsafeBytes { Data($0.prefix(bytes)) }
        try content.write(to: URL(filePath: path))
    }

    deinit { unlink(path) }

    var served: HTTPFile { HTTPFile(path: path, etag: "sha256-abc") }
}

/// SplitMix64 (Steele et al. 2014): the same numbers for the same seed everywhere.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension OverASocket {
    @Suite struct FileTests {
        @Test(arguments: Wire.allCases)
        func `a range gets exactly its bytes`(wire: Wire) throws {
            let file = try SampleFile(bytes: 1000)
            let server = try TestServer(wire, file: file.served)
            let client = try server.connect()
            let expected: [(String, Range<Int>?, Int)] = [
                ("bytes=0-9", 0..<10, 206), ("bytes=990-", 990..<1000, 206),
                ("bytes=-10", 990..<1000, 206), ("bytes=-5000", 0..<1000, 206),
                ("bytes=5-5000", 5..<1000, 206), ("bytes=0-0", 0..<1, 206),
                ("bytes=999-9223372036854775807", 999..<1000, 206),
                ("BYTES=1-2", 1..<3, 206),
                ("bytes=0-99999999999999999999999", 0..<1000, 206),
                ("bytes=-99999999999999999999999", 0..<1000, 206),
                ("bytes=1000-", nil, 416), ("bytes=-0", nil, 416),
                ("bytes=9223372036854775807-", nil, 416),
                ("bytes=9223372036854775808-", nil, 416),
                ("bytes=5-2", 0..<1000, 200), ("bytes=a-b", 0..<1000, 200),
                ("bytes=-", 0..<1000, 200), ("bytes=0-1,5-6", 0..<1000, 200),
                ("lines=0-1", 0..<1000, 200), ("bytes=+1-2", 0..<1000, 200), ("", 0..<1000, 200),
            ]
            for (range, part, status) in expected {
                let response = try client.get("/file", "Range: \(range)\r\n")
                #expect(response.status == status, "\(range)")
                if let part {
                    #expect(response.body == file.content[part], "\(range)")
                    #expect(response["etag"] == "\"sha256-abc\"")
                    #expect(response["accept-ranges"] == "bytes")
                    #expect(
                        response["content-range"]
                            == (status == 206
                                ? "bytes \(part.lowerBound)-\(part.upperBound - 1)/1000" : nil)
                    )
                } else {
                    #expect(response["content-range"] == "bytes */1000")
                }
            }
        }

        @Test func `a stale validator never joins two files`() throws {
            let file = try SampleFile(bytes: 100)
            let server = try TestServer(file: file.served)
            let client = try server.connect()
            for (validator, status) in [
                ("\"sha256-abc\"", 206), ("\"sha256-abd\"", 200), ("W/\"sha256-abc\"", 200),
                ("sha256-abc", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
            ] {
                let response = try client.get(
                    "/file",
                    "Range: bytes=50-\r\nIf-Range: \(validator)\r\n",
                )
                #expect(response.status == status, "\(validator)")
                #expect(response.body == file.content[(status == 206 ? 50 : 0)...])
            }
        }

        @Test func `what the client holds is not sent again`() throws {
            let file = try SampleFile(bytes: 100)
            let server = try TestServer(file: file.served)
            let client = try server.connect()
            for (tags, status) in [
                ("\"sha256-abc\"", 304), ("*", 304), ("\"x\", W/\"sha256-abc\"", 304),
                ("\"x\"", 200), ("sha256-abc", 200),
            ] {
                let response = try client.get("/file", "If-None-Match: \(tags)\r\n")
                #expect(response.status == status, "\(tags)")
                #expect(response["etag"] == "\"sha256-abc\"")
                #expect(response.body.count == (status == 304 ? 0 : 100))
            }
        }

        @Test(arguments: Wire.allCases)
        func `HEAD tells the size and sends nothing, with or without a range`(wire: Wire) throws {
            let file = try SampleFile(bytes: 100)
            let server = try TestServer(wire, file: file.served)
            let client = try server.connect()
            for range in ["", "Range: bytes=0-9\r\n"] {
                try client.send("HEAD /file HTTP/1.1\r\nHost: localhost\r\n\(range)\r\n")
                let response = try client.readResponse(toHead: true)
                #expect(response.status == 200 && response["content-length"] == "100")
            }
            #expect(try client.get("/hello").text == "hello")
        }

        @Test func `an empty file, a missing file and a folder are answered as what they are`()
            throws
        {
            let empty = try SampleFile(bytes: 0)
            for (path, range, status) in [
                (empty.path, "", 200), (empty.path, "Range: bytes=0-\r\n", 416),
                (empty.path, "Range: bytes=-1\r\n", 416), ("/missing/file", "", 404),
                ("/tmp", "", 500),
            ] {
                let server = try TestServer(file: HTTPFile(path: path, etag: "e"))
                #expect(try server.connect().get("/file", range).status == status)
            }
        }

        @Test(arguments: Wire.allCases)
        func `a download of 50 MB that is cut every 9 MB ends with the same bytes`(wire: Wire)
            throws
        {
            let file = try SampleFile(bytes: 50_000_000)
            let server = try TestServer(wire, file: file.served)
            var held = Data()
            while held.count < file.content.count {
                let client = try server.connect()
                let range =
                    held.isEmpty
                    ? "" : "Range: bytes=\(held.count)-\r\nIf-Range: \"sha256-abc\"\r\n"
                try client.send("GET /file HTTP/1.1\r\nHost: localhost\r\n\(range)\r\n")
                #expect(try client.readHead().status == (held.isEmpty ? 200 : 206))
                var got = 0
                while got < 9_000_000, held.count < file.content.count {
                    let some = try client.readSome()
                    held += some
                    got += some.count
                }
            }
            #expect(held == file.content)
        }

        @Test(arguments: Wire.allCases)
        func `a file that lies cold on the disk, and one whose name is gone, come whole`(wire: Wire)
            throws
        {
            let file = try SampleFile(bytes: 6_000_000)
            let descriptor = open(file.path, O_RDWR)
            fsync(descriptor)
            posix_fadvise(descriptor, 0, 0, Int32(POSIX_FADV_DONTNEED))
            close(descriptor)
            let server = try TestServer(wire, file: file.served)
            let client = try server.connect(receiveBuffer: 65_536)
            try client.send("GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try client.readHead().status == 200)
            unlink(file.path)
            var held = Data()
            while held.count < 6_000_000 { held += try client.readSome() }
            #expect(held == file.content)
        }

        @Test(arguments: Wire.allCases)
        func `a file that shrinks while it is sent ends the connection, not the server`(wire: Wire)
            throws
        {
            let file = try SampleFile(bytes: 30_000_000)
            let server = try TestServer(wire, file: file.served)
            let client = try server.connect(receiveBuffer: 65_536)
            try client.send("GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try client.readHead().status == 200)
            truncate(file.path, 1_000_000)
            #expect((try? client.readRest().count) ?? 0 < 30_000_000)
            #expect(try server.connect().get("/hello").text == "hello")
        }
    }
}
