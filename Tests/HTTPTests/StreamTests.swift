// Streams: every subscriber sees every write, the slow and the gone are let go, and the end is clean.

import Foundation
import Testing

@testable import HTTP

extension OverASocket {
    @Suite struct StreamTests {
        private let ask = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"

        @Test(arguments: Wire.allCases)
        func `200 subscribers each see every event in order`(wire: Wire) throws {
            let server = try TestServer(wire)
            let clients = try (0..<200).map { _ in try server.connect() }
            for client in clients { try client.send(ask) }
            let streams = server.streams.wait(for: 200)
            #expect(streams.count == 200)
            let writer = Thread {
                for number in 0..<50 {
                    for stream in streams { stream.write(Data("data: \(number)\n\n".utf8)) }
                }
                for stream in streams { stream.end() }
            }
            writer.start()
            let expected = (0..<50).map { "data: \($0)\n\n" }.joined()
            for client in clients {
                let response = try client.readResponse()
                #expect(response["transfer-encoding"] == "chunked")
                #expect(response.text == expected)
                #expect(try client.get("/hello").text == "hello")
            }
            #expect(server.calls.all.isEmpty)
        }

        @Test func `an event arrives at once, in a chunk of its own`() throws {
            let server = try TestServer()
            let client = try server.connect()
            try client.send(ask)
            _ = try client.readHead()
            let stream = try #require(server.streams.wait(for: 1).first)
            for event in ["one", "two"] {
                let start = Date()
                #expect(stream.write(Data(event.utf8)))
                #expect(stream.write(Data()))
                #expect(try client.readChunk() == Data(event.utf8))
                #expect(Date().timeIntervalSince(start) < 0.5)
            }
        }

        @Test(arguments: Wire.allCases)
        func `a subscriber that leaves is noticed without a write`(wire: Wire) throws {
            let server = try TestServer(wire)
            var client: RawClient? = try server.connect()
            try client?.send(ask)
            let stream = try #require(server.streams.wait(for: 1).first)
            #expect(stream.isOpen)
            client = nil
            #expect(server.calls.wait(for: 1, seconds: 1) == ["stream closed"])
            #expect(!stream.isOpen)
            #expect(!stream.write(Data("late".utf8)))
        }

        @Test(arguments: Wire.allCases)
        func `a subscriber that reads too slowly is cut off, and others are not`(wire: Wire) throws
        {
            let server = try TestServer(wire)
            let slow = try server.connect(receiveBuffer: 4096)
            try slow.send(ask)
            let stream = try #require(server.streams.wait(for: 1).first)
            let quick = try server.connect()
            try quick.send(ask)
            let other = try #require(server.streams.wait(for: 2).last)
            var taken = 0
            while taken < 10_000, stream.write(Data(count: 4096)) {
                taken += 1
                usleep(100)
            }
            // The kernel's buffers and 256 KB of the stream's own.
            #expect(taken > 64 && taken < 10_000)
            #expect(!stream.isOpen)
            #expect(server.calls.wait(for: 1) == ["stream closed"])
            #expect(other.write(Data("on".utf8)))
            _ = try quick.readHead()
            #expect(try quick.readChunk() == Data("on".utf8))
            // The cut is visible: there is no last chunk.
            #expect((try? slow.readResponse()) == nil)
        }

        @Test(arguments: Wire.allCases)
        func `a long history is written piece by piece as it is taken`(wire: Wire) throws {
            let server = try TestServer(wire)
            let client = try server.connect()
            try client.send(ask)
            let stream = try #require(server.streams.wait(for: 1).first)
            let total = 200
            let piece = Data(repeating: 7, count: 100_000)
            @Sendable func next(_ number: Int) {
                guard number < total else { return stream.end() }
                stream.write(piece)
                stream.whenSent { next(number + 1) }
            }
            next(0)
            #expect(try client.readResponse().body.count == total * piece.count)
        }

        @Test(arguments: Wire.allCases)
        func `one piece larger than the limit passes when nothing else is queued`(wire: Wire) throws
        {
            let server = try TestServer(wire)
            let client = try server.connect()
            try client.send(ask)
            let stream = try #require(server.streams.wait(for: 1).first)
            #expect(stream.write(Data(count: 5_000_000)))
            stream.end()
            #expect(try client.readResponse().body.count == 5_000_000)
        }

        @Test(arguments: Wire.allCases)
        func `on HTTP 1.0 a stream ends with its connection`(wire: Wire) throws {
            let server = try TestServer(wire)
            let client = try server.connect()
            try client.send("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let stream = try #require(server.streams.wait(for: 1).first)
            stream.write(Data("one".utf8))
            stream.write(Data("two".utf8))
            stream.end()
            let response = try client.readResponse()
            #expect(response["transfer-encoding"] == nil && response["connection"] == "close")
            #expect(response.text == "onetwo")
        }
    }
}
