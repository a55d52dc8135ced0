// What must not wear the server down: slow clients, many clients, garbage, busy cores, and being stopped.

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

    @Suite struct LimitTests {
        @Test func `a peer past its connections is told so, until one is free again`() throws {
            let server = try TestServer { $0.limits.connectionsPerPeer = 4 }
            var clients = try (0..<4).map { _ in try server.connect() }
            for client in clients { #expect(try client.get("/hello").status == 200) }
            let fifth = try server.connect()
            let refusal = try fifth.readResponse()
            #expect(refusal.status == 503 && refusal["retry-after"] == "1")
            #expect(try clients[0].get("/hello").status == 200)
            clients.removeLast()
            usleep(50_000)
            #expect(try server.connect().get("/hello").status == 200)
        }

        @Test func `past all connections one waits, and is served when another leaves`() throws {
            let server = try TestServer { $0.limits.connections = 3 }
            var clients = try (0..<3).map { _ in try server.connect() }
            for client in clients { #expect(try client.get("/hello").status == 200) }
            let fourth = try server.connect(patience: 0.3)
            try fourth.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(throws: ClientError.self) { try fourth.readResponse() }
            clients.removeLast()
            #expect(try fourth.readResponse().text == "hello")
        }

        @Test func `5000 mutated requests neither end the server nor keep a descriptor`() throws {
            let server = try TestServer { $0.deadlines.linger = 0.2 }
            let seeds = [
                "GET /hello HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
                "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "5\r\nhello\r\n0\r\nA: b\r\n\r\n",
                "GET http://localhost/jobs/a%2Fb?x=%41+y HTTP/1.1\r\nHost: [::1]:80\r\n"
                    + "Expect: 100-continue\r\nIf-None-Match: \"a\", *\r\n\r\n",
            ].map { Array($0.utf8) }
            var generator = SplitMix(state: 2)
            for round in 0..<5000 {
                let bytes = mutate(seeds[round % seeds.count], &generator)
                let client = try server.connect()
                try? client.send(Data(bytes))
                client.finishSending()
                let answer = try? client.readRest()
                #expect(
                    answer.map { $0.isEmpty || $0.starts(with: Data("HTTP/1.1 ".utf8)) } ?? true
                )
            }
            #expect(try server.connect().get("/hello").text == "hello")
            // Nothing is left but the listener, once the last connections have lingered.
            let end = Date(timeIntervalSinceNow: 3)
            while sockets(on: server.port) > 1, Date() < end { usleep(10_000) }
            #expect(sockets(on: server.port) == 1)
        }

        /// Changes, drops, doubles or inserts bytes at a few places.
        private func mutate(_ seed: [UInt8], _ generator: inout SplitMix) -> [UInt8] {
            var bytes = seed
            let words: [[UInt8]] = [
                [0], [10], [13, 10], [32], [58], [255], Array("9223372036854775808".utf8),
                Array("Host: localhost\r\n".utf8), Array("%".utf8), Array("chunked".utf8),
            ]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<max(1, bytes.count), using: &generator)
                guard place < bytes.count else { continue }
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: bytes[place...].prefix(20), at: place)
                case 3: bytes.removeSubrange(place...)
                default:
                    bytes.insert(
                        contentsOf: words.randomElement(using: &generator) ?? [],
                        at: place,
                    )
                }
            }
            return bytes
        }

        /// How many sockets of this process have the port as their own.
        private func sockets(on port: UInt16) -> Int {
            let names =
                (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
            return names.compactMap { Int32($0) }.count { descriptor in
                var address = sockaddr_in()
                var length = socklen_t(MemoryLayout<sockaddr_in>.size)
                let result = withUnsafeMutableBytes(of: &address) { bytes in
                    bytes.baseAddress.map {
                        getsockname(descriptor, $0.assumingMemoryBound(to: sockaddr.self), &length)
                    }
                }
                return result == 0 && address.sin_family == AF_INET
                    && UInt16(bigEndian: address.sin_port) == port
            }
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
