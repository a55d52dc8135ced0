// Bodies that go to a file: the bytes and their hash are right, and nothing is left of what was not kept.

import Foundation
import Testing

@testable import HTTP

extension OverASocket {
    @Suite final class UploadTests {
        private let folder = temporaryPath("uploads")

        init() throws {
            try FileManager.default.createDirectory(
                atPath: folder,
                withIntermediateDirectories: false,
            )
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        private var left: [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        }

        /// Whether the folder is empty, or soon is.
        private func isClean() -> Bool {
            let end = Date(timeIntervalSinceNow: 3)
            while !left.isEmpty, Date() < end { usleep(1000) }
            return left.isEmpty
        }

        private func head(_ target: String, _ fields: String) -> String {
            "POST \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
        }

        @Test(arguments: Wire.allCases)
        func `what was sent is stored and hashed, in one piece or in chunks`(wire: Wire) throws {
            let server = try TestServer(wire, folder: folder)
            let client = try server.connect()
            try client.send(head("/upload", "Content-Length: 3\r\n") + "abc")
            // FIPS 180-2, appendix B.1.
            #expect(
                try client.readResponse().text
                    == "3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            )
            let file = try SampleFile(bytes: 20_000_001)
            let size = file.content.count
            try client.send(head("/upload", "Content-Length: \(size)\r\n"))
            try client.send(file.content)
            let whole = try client.readResponse().text
            #expect(whole.hasPrefix("\(size) "))
            try client.send(head("/upload", "Transfer-Encoding: chunked\r\n"))
            var rest = file.content[...]
            while !rest.isEmpty {
                let part = rest.prefix(777_777)
                try client.send("\(String(part.count, radix: 16))\r\n")
                try client.send(Data(part) + Data("\r\n".utf8))
                rest = rest.dropFirst(part.count)
            }
            try client.send("0\r\n\r\n" + head("/upload", "Content-Length: 0\r\n"))
            #expect(try client.readResponse().text == whole)
            #expect(try client.readResponse().text.hasPrefix("0 e3b0c44298fc1c149afbf4c8996fb924"))
            #expect(isClean())
        }

        @Test func `a body that is kept has the bytes that were sent, and its owner's mode`() throws
        {
            let server = try TestServer(folder: folder)
            let file = try SampleFile(bytes: 3_000_000)
            let client = try server.connect()
            let target = folder + "/kept"
            try client.send(
                head("/upload?to=\(target)", "Expect: 100-continue\r\nContent-Length: 3000000\r\n")
            )
            #expect(try client.readHead().status == 100)
            try client.send(file.content)
            #expect(try client.readResponse().text.hasPrefix("3000000 "))
            #expect(try Data(contentsOf: URL(filePath: target)) == file.content)
            var status = stat()
            #expect(lstat(target, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(left == ["kept"])
            try client.send(head("/upload?to=/missing/kept", "Content-Length: 1\r\n") + "a")
            #expect(try client.readResponse().text.hasPrefix("cannot store at /missing/kept: "))
            unlink(target)
            #expect(isClean())
        }

        @Test func `nothing is left of a body that is cut, too large, slow or malformed`() throws {
            let server = try TestServer(folder: folder) { $0.deadlines.body = 0.3 }
            let half = Data(repeating: 1, count: 5_000_000)
            var client = try server.connect()
            try client.send(head("/upload", "Content-Length: 9000000\r\n"))
            try client.send(half)
            #expect(try client.readResponse().status == 408)
            client = try server.connect()
            try client.send(head("/upload", "Content-Length: 9000000\r\n"))
            try client.send(half)
            client.finishSending()
            #expect(try client.readResponse().status == 400)
            client = try server.connect()
            try client.send(head("/upload", "Content-Length: 30000001\r\n"))
            #expect(try client.readResponse().status == 413)
            for (next, status) in [("1c9c380\r\n", 413), ("x\r\n", 400)] {
                client = try server.connect()
                try client.send(head("/upload", "Transfer-Encoding: chunked\r\n") + "4c4b40\r\n")
                try client.send(half)
                try client.send("\r\n" + next)
                #expect(try client.readResponse().status == status)
            }
            #expect(isClean())
            #expect(try server.connect().get("/hello").text == "hello")
        }

        @Test(arguments: Wire.allCases)
        func `a route is asked before a byte of the body is read`(wire: Wire) throws {
            let server = try TestServer(wire, folder: folder)
            var client = try server.connect()
            try client.send(
                head("/guarded?no=1", "Expect: 100-continue\r\nContent-Length: 30000000\r\n")
            )
            var refusal = try client.readResponse()
            #expect(refusal.status == 403 && refusal["connection"] == "close")
            // The body comes nevertheless.
            client = try server.connect()
            try client.send(head("/guarded?no=1", "Content-Length: 3\r\n") + "abc")
            refusal = try client.readResponse()
            #expect(refusal.status == 403 && refusal["connection"] == "close")
            #expect(isClean())
            client = try server.connect()
            try client.send(head("/guarded", "Expect: 100-continue\r\nContent-Length: 3\r\n"))
            #expect(try client.readHead().status == 100)
            try client.send("abc")
            #expect(try client.readResponse().text.hasPrefix("3 ba7816bf"))
            // Without a body the connection stays good for more.
            try client.send(head("/guarded?no=1", "") + head("/guarded", "Content-Length: 0\r\n"))
            #expect(try client.readResponse().status == 403)
            #expect(try client.readResponse().text.hasPrefix("0 e3b0c442"))
            #expect(server.calls.all == Array(repeating: "asked 0", count: 5))
            // Too large is too large before anybody is asked.
            try client.send(head("/guarded", "Content-Length: 30000001\r\n"))
            #expect(try client.readResponse().status == 413)
            #expect(server.calls.all.count == 5)
            #expect(isClean())
        }

        @Test func `a folder that is not there is a 507, and the server goes on`() throws {
            let server = try TestServer()
            let client = try server.connect()
            try client.send(head("/upload", "Content-Length: 3\r\n") + "abc")
            let response = try client.readResponse()
            #expect(response.status == 507)
            #expect(response.text.contains("No such file or directory"))
            #expect(try server.connect().get("/hello").text == "hello")
        }
    }
}
