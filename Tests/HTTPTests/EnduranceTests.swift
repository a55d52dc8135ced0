// What must not wear the server down: slow clients and busy cores. What it may run out of: LimitTests.swift.

import Foundation
import Synchronization
import Testing

@testable import HTTP

extension OverASocket {
    @Suite struct DeadlineTests {
        @Test(arguments: Wire.allCases)
        func `a head that trickles is cut at its deadline, however it trickles`(wire: Wire) throws {
            let server = try TestServer(wire) { $0.deadlines.head = 0.3 }
            let client = try server.connect()
            let start = Date()
            for byte in "GET /hello HTTP/1.1\r\nHost: loc".utf8 {
                guard (try? client.send(Data([byte]))) != nil else { break }
                usleep(20_000)
            }
            #expect(try client.readResponse().status == 408)
            #expect(try client.readRest().isEmpty)
            #expect((0.3..<2).contains(Date().timeIntervalSince(start)))
        }

        @Test(arguments: Wire.allCases)
        func `a body that stops coming is cut, one that goes on is not`(wire: Wire) throws {
            let server = try TestServer(wire) { $0.deadlines.body = 0.3 }
            let head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
            let stopped = try server.connect()
            try stopped.send(head + "12345")
            #expect(try stopped.readResponse().status == 408)
            let steady = try server.connect()
            try steady.send(head)
            for _ in 0..<10 {
                try steady.send("x")
                usleep(60_000)
            }
            #expect(try steady.readResponse().status == 200)
        }

        @Test(arguments: Wire.allCases)
        func `an idle connection is closed without a word`(wire: Wire) throws {
            let server = try TestServer(wire) { $0.deadlines.idle = 0.2 }
            let client = try server.connect()
            #expect(try client.get("/hello").text == "hello")
            #expect(try client.readRest().isEmpty)
            #expect(try server.connect().readRest().isEmpty)
        }

        @Test(arguments: Wire.allCases)
        func `a client that takes nothing is cut, one that takes little is not`(wire: Wire) throws {
            let server = try TestServer(wire) { $0.deadlines.write = 0.3 }
            let stalled = try server.connect(receiveBuffer: 4096)
            try stalled.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let cut = server.log.wait(for: 1)
            #expect(cut.first?.isComplete == false)
            let slow = try server.connect(receiveBuffer: 65_536)
            try slow.send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
            var taken = 0
            for _ in 0..<10 {
                for _ in 0..<64 { taken += try slow.readSome().count }
                usleep(80_000)
            }
            while taken < 64 << 20 { taken += try slow.readSome().count }
            #expect(server.log.wait(for: 2).last?.isComplete == true)
        }

        @Test(arguments: Wire.allCases)
        func `a stream may be silent for longer than any deadline`(wire: Wire) throws {
            let server = try TestServer(wire) {
                $0.deadlines.head = 0.1
                $0.deadlines.body = 0.1
                $0.deadlines.idle = 0.1
                $0.deadlines.write = 0.1
            }
            let client = try server.connect()
            try client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let stream = try #require(server.streams.wait(for: 1).first)
            usleep(400_000)
            #expect(stream.write(Data("still here".utf8)))
            _ = try client.readHead()
            #expect(try client.readChunk() == Data("still here".utf8))
        }
    }

    @Suite struct SaturationTests {
        /// Two busy blocks on the default concurrent queue, or in tasks, would leave no thread to either a
        /// concurrent handler queue or Swift's executor; the server has to answer all the same.
        @Test func `with every core busy a request is answered within 250 ms for 2 s`() throws {
            let server = try TestServer()
            let group = DispatchGroup()
            let stop = Flag()
            for index in 0..<2 {
                DispatchQueue(label: "busy.\(index)").async(group: group) {
                    setpriority(Int32(PRIO_PROCESS.rawValue), 0, 10)
                    var number = 1.0
                    while !stop.isSet { for _ in 0..<1000 { number = number * 1.000_1 + 1 } }
                    #expect(number > 0)
                }
            }
            var slowest = 0.0
            let end = Date(timeIntervalSinceNow: 2)
            while Date() < end {
                let start = Date()
                #expect(try server.connect().get("/hello").status == 200)
                slowest = max(slowest, Date().timeIntervalSince(start))
                usleep(20_000)
            }
            stop.set()
            group.wait()
            #expect(slowest < 0.25)
        }

        private final class Flag: Sendable {
            private let value = Atomic(false)
            var isSet: Bool { value.load(ordering: .relaxed) }
            func set() { value.store(true, ordering: .relaxed) }
        }
    }
}
