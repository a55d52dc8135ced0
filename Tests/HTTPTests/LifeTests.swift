// How a server starts, and how it stops without cutting off what runs.

import Foundation
import Testing

@testable import HTTP

extension OverASocket {
    @Suite struct LifeTests {
        private let ask = { (path: String) in "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n" }

        @Test func `a port in use is an error that names it, and is free after a drain`() throws {
            let server = try TestServer()
            let second = HTTPServer(
                configuration: HTTPServer.Configuration(port: server.port),
                routes: [],
            )
            let error = #expect(throws: HTTPServerError.self) { try second.start() }
            #expect(error == .addressInUse(host: "127.0.0.1", port: server.port))
            #expect(
                "\(try #require(error))".hasPrefix("127.0.0.1:\(server.port) is already in use")
            )
            server.server.drain(timeout: 1)
            #expect(try second.start() == server.port)
            #expect(throws: HTTPServerError.alreadyStarted) { try second.start() }
            second.drain(timeout: 1)
        }

        @Test(arguments: Wire.allCases)
        func `what can be answered at once is, while every handler is busy`(wire: Wire) throws {
            let server = try TestServer(wire) { $0.handlerQueues = 1 }
            let busy = try server.connect()
            try busy.send(ask("/held"))
            #expect(server.calls.wait(for: 1) == ["held"])
            let client = try server.connect()
            #expect(try client.get("/quick").text == "at once")
            try client.send(ask("/quick?x=1") + ask("/quick"))
            #expect(server.log.wait(for: 1).map(\.target) == ["/quick"])
            server.calls.append("let go")
            #expect(try client.readResponse().text == "handled")
            #expect(try client.readResponse().text == "at once")
            #expect(try busy.readResponse().text == "let go")
        }

        @Test func `a server that is to listen nowhere does not start`() {
            let server = HTTPServer(
                configuration: HTTPServer.Configuration(host: nil),
                routes: [],
            )
            #expect(throws: HTTPServerError.self) { try server.start() }
        }

        @Test(arguments: ["0.0.0.0", "::", "192.168.1.1", "example.com", "", "127.0.0.1.1"])
        func `only loopback addresses are listened on`(host: String) {
            let server = HTTPServer(
                configuration: HTTPServer.Configuration(host: host),
                routes: [],
            )
            #expect(throws: HTTPServerError.notLoopback(host: host)) { try server.start() }
        }

        @Test(arguments: Wire.allCases)
        func `a drain refuses the new, closes the idle and finishes what runs`(wire: Wire) throws {
            let server = try TestServer(wire)
            let idle = try server.connect()
            #expect(try idle.get("/hello").status == 200)
            let running = try server.connect()
            try running.send(ask("/slow"))
            let stream = try server.connect()
            try stream.send(ask("/events"))
            #expect(server.streams.wait(for: 1).count == 1)
            let waiting = try server.connect()
            try waiting.send(ask("/wait"))
            #expect(server.waiting.wait(for: 1).count == 1)
            let half = try server.connect()
            try half.send("GET /hello HTTP/1.1\r\nHost: loc")
            usleep(50_000)
            let drained = Shared<Double>()
            let start = Date()
            Thread.detachNewThread {
                server.server.drain(timeout: 5)
                drained.append(Date().timeIntervalSince(start))
            }
            #expect(try idle.readRest().isEmpty)
            #expect(throws: ClientError.self) { try server.connect() }
            try half.send("alhost\r\n\r\n")
            let last = try half.readResponse()
            #expect(last.text == "hello" && last["connection"] == "close")
            #expect(try running.readResponse().text == "slow")
            #expect(try stream.readResponse().body.isEmpty)
            let refusal = try waiting.readResponse()
            #expect(refusal.status == 503 && refusal.text.contains("stopping"))
            let took = try #require(drained.wait(for: 1).first)
            #expect(took < 2)
            #expect(Set(server.calls.all) == ["stream closed", "waiting closed"])
            #expect(server.log.all.count == 5)
        }

        @Test func `a stream may write a last event when the server stops`() throws {
            let server = try TestServer()
            let client = try server.connect()
            try client.send(ask("/events"))
            let stream = try #require(server.streams.wait(for: 1).first)
            stream.onClose { stream.write(Data("bye".utf8)) }
            server.server.drain(timeout: 2)
            #expect(try client.readResponse().text == "bye")
        }

        @Test(arguments: Wire.allCases)
        func `a drain cuts off what outlasts its time`(wire: Wire) throws {
            let server = try TestServer(wire)
            let client = try server.connect(receiveBuffer: 4096)
            try client.send(ask("/big"))
            _ = try client.readHead()
            let start = Date()
            server.server.drain(timeout: 0.3)
            #expect((0.3..<2).contains(Date().timeIntervalSince(start)))
            #expect(server.log.all.last?.isComplete == false)
        }
    }
}
