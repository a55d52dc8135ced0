// The Unix socket: who may come, what is replaced, and what is left behind.

import Foundation
import Testing

@testable import HTTP

extension OverASocket {
    @Suite struct SocketFileTests {
        @Test func `it answers beside TCP, is its owner's alone, and is gone after a drain`() throws
        {
            let path = temporaryPath("http.sock")
            let server = try TestServer { $0.unixSocket = HTTPServer.UnixSocket(path: path) }
            #expect(try RawClient(.unix(path)).get("/hello").text == "hello")
            #expect(try server.connect().get("/hello").text == "hello")
            #expect(server.log.wait(for: 2).map(\.peer) == ["unix", "127.0.0.1"])
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode == S_IFSOCK | 0o600)
            server.server.drain(timeout: 1)
            #expect(lstat(path, &status) != 0)
        }

        @Test func `the mode is the one that was asked for`() throws {
            let path = temporaryPath("http.sock")
            let server = try TestServer {
                $0.unixSocket = HTTPServer.UnixSocket(path: path, mode: 0o666)
            }
            var status = stat()
            #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o666)
            server.server.drain(timeout: 1)
        }

        @Test func `with TLS on TCP it stays as it is`() throws {
            let path = temporaryPath("http.sock")
            let server = try TestServer(.tls) { $0.unixSocket = HTTPServer.UnixSocket(path: path) }
            #expect(try RawClient(.unix(path)).get("/hello").text == "hello")
            #expect(try server.connect().get("/hello").text == "hello")
        }

        @Test func `what a dead server left is replaced, a live one is left alone`() throws {
            let first = try TestServer(.unix)
            let place = HTTPServer.UnixSocket(path: first.path)
            let error = #expect(throws: HTTPServerError.self) {
                try TestServer { $0.unixSocket = place }
            }
            #expect(error == .socketInUse(path: first.path))
            #expect("\(try #require(error))".contains("another server listens at \(first.path)"))
            #expect(try first.connect().get("/hello").text == "hello")

            // The name of a socket that nobody listens on any more.
            let left = temporaryPath("left.sock")
            var listener: Listener? = try Listener(HTTPServer.UnixSocket(path: left))
            let other = left + "2"
            #expect(link(left, other) == 0)
            listener = nil
            #expect(listener == nil && access(left, F_OK) != 0 && access(other, F_OK) == 0)
            let second = try TestServer { $0.unixSocket = HTTPServer.UnixSocket(path: other) }
            #expect(try RawClient(.unix(other)).get("/hello").text == "hello")
            second.server.drain(timeout: 1)
            #expect(access(other, F_OK) != 0)
        }

        @Test func `a file, a folder that is not there and a long path are errors that say so`()
            throws
        {
            let file = try SampleFile(bytes: 10)
            for (path, reason) in [
                (file.path, "no socket"), ("/missing/http.sock", "No such file or directory"),
                ("/tmp/" + String(repeating: "a", count: 103), "the path has 108 bytes"),
            ] {
                let error = #expect(throws: HTTPServerError.self) {
                    try TestServer { $0.unixSocket = HTTPServer.UnixSocket(path: path) }
                }
                #expect("\(try #require(error))".contains(reason))
                #expect("\(try #require(error))".contains(path))
            }
            #expect(try Data(contentsOf: URL(filePath: file.path)) == file.content)
        }

        @Test func `what another put in its place is not removed`() throws {
            let server = try TestServer(.unix)
            unlink(server.path)
            try Data().write(to: URL(filePath: server.path))
            server.server.drain(timeout: 1)
            #expect(unlink(server.path) == 0)
        }

        @Test func `all who come this way are one peer`() throws {
            let server = try TestServer(.unix) { $0.limits.connectionsPerPeer = 2 }
            let clients = try (0..<2).map { _ in try server.connect() }
            for client in clients { #expect(try client.get("/hello").status == 200) }
            #expect(try server.connect().readResponse().status == 503)
        }
    }
}
