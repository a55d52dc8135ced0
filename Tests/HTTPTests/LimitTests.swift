// What must not wear the server down: many clients, garbage, and too few descriptors.

import Foundation
import Testing

@testable import HTTP

extension OverASocket {
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

        @Test func `a trusted proxy says who is calling, and nobody else can`() throws {
            let server = try TestServer {
                $0.trustedProxies = ["127.0.0.1", "10.0.0.9"]
                $0.limits.connectionsPerPeer = 1
            }
            func peer(_ forwarded: String, _ server: TestServer) throws -> String? {
                let count = server.log.wait(for: 0).count
                let client = try server.connect()
                try client.send(
                    "GET /hello HTTP/1.1\r\nHost: localhost\r\n\(forwarded)\r\n"
                )
                #expect(try client.readResponse().status == 200)
                return server.log.wait(for: count + 1).last?.peer
            }
            for (forwarded, expected) in [
                ("X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
                ("X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.0.0.9\r\n", "192.0.2.7"),
                ("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"),
                ("X-Forwarded-For: unix\r\n", "127.0.0.1"), ("", "127.0.0.1"),
            ] {
                #expect(try peer(forwarded, server) == expected, "\(forwarded)")
            }
            let open = try (0..<3).map { _ in try server.connect() }
            for client in open { #expect(try client.get("/hello").status == 200) }

            let plain = try TestServer()
            #expect(try peer("X-Forwarded-For: 192.0.2.7\r\n", plain) == "127.0.0.1")
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

        /// Over the Unix socket: so many TCP connections would use up the ports.
        @Test
        func `100,000 mutated requests neither end the server nor keep a descriptor or memory`()
            throws
        {
            let server = try TestServer(.unix) {
                $0.deadlines.linger = 0.2
                $0.accessLog = nil
            }
            let seeds = [
                "GET /hello HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
                "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "5\r\nhello\r\n0\r\nA: b\r\n\r\n",
                "GET http://localhost/jobs/a%2Fb?x=%41+y HTTP/1.1\r\nHost: [::1]:80\r\n"
                    + "Expect: 100-continue\r\nIf-None-Match: \"a\", *\r\n"
                    + "Accept-Encoding: gzip;q=0.5, identity\r\n\r\n",
            ].map { Array($0.utf8) }
            var generator = SplitMix(state: 2)
            let before = Process.descriptors
            var settled = 0
            var strange = 0
            // Some at once, or most of the time goes into waking one another.
            for round in stride(from: 0, to: 100_000, by: 50) {
                let clients = try (0..<50).map { number in
                    let client = try server.connect()
                    let seed = seeds[(round + number) % seeds.count]
                    try? client.send(Data(mutate(seed, &generator)))
                    client.finishSending()
                    return client
                }
                for client in clients {
                    guard let answer = try? client.readRest(), !answer.isEmpty else { continue }
                    if !answer.starts(with: Data("HTTP/1.1 ".utf8)) { strange += 1 }
                }
                if round == 20_000 { settled = Process.residentBytes }
            }
            #expect(strange == 0)
            #expect(!isAlone || Process.residentBytes - settled < 16 << 20)
            #expect(try server.connect().get("/hello").text == "hello")
            // Nothing is left, once the last connections have lingered.
            let end = Date(timeIntervalSinceNow: 3)
            while Process.descriptors > before, Date() < end { usleep(10_000) }
            #expect(Process.descriptors <= before)
        }

        @Test func `5000 mutated handshakes neither end the server nor keep a descriptor`() throws {
            let server = try TestServer(.tls) { $0.deadlines.handshake = 1 }
            // What a client sends first, as the server side of a pair of sockets reads it.
            var pair: [Int32] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            _ = fcntl(pair[0], F_SETFL, O_NONBLOCK)
            #expect(throws: CertificateError.self) { try TLSClient(pair[0], TLSOffer()) }
            var hello = [UInt8](repeating: 0, count: 4096)
            hello.removeLast(4096 - read(pair[1], &hello, 4096))
            close(pair[0])
            close(pair[1])
            var generator = SplitMix(state: 5)
            let before = Process.descriptors
            for _ in 0..<5000 {
                let client = try RawClient(port: server.port)
                try? client.send(Data(mutate(hello, &generator)))
                client.finishSending()
                _ = try? client.readRest()
            }
            #expect(try server.connect().get("/hello").text == "hello")
            let end = Date(timeIntervalSinceNow: 3)
            while Process.descriptors > before, Date() < end { usleep(10_000) }
            #expect(Process.descriptors <= before)
        }

        @Test(.enabled(if: isAlone, "needs the process for itself: DETNAS_TEST_ALONE=1"))
        func `with no descriptor left one is told, some wait, and all go on`() throws {
            let server = try TestServer()
            let clients = try (0..<12).map { _ in
                try RawClient(.tcp(server.port), isConnected: false)
            }
            // The clients have theirs already; four are left for the server's side.
            let former = try Process.limitDescriptors(to: nil)
            defer { _ = try? Process.limitDescriptors(to: former) }
            let spare = (0..<4).map { _ in open("/dev/null", O_RDONLY) }
            try Process.limitDescriptors(to: rlim_t((spare.max() ?? 0) + 1))
            var holes: [Int32] = []
            while case let hole = open("/dev/null", O_RDONLY), hole >= 0 { holes.append(hole) }
            for descriptor in spare { close(descriptor) }
            for client in clients {
                try client.connect()
                try client.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            }
            for client in clients[..<4] { #expect(try client.readResponse().text == "hello") }
            let refusal = try clients[4].readResponse()
            #expect(refusal.status == 503 && refusal.text.contains("no descriptor left"))
            for client in clients[..<4] { #expect(try client.get("/hello").status == 200) }
            try Process.limitDescriptors(to: former)
            // One more may have been told meanwhile.
            let late = try clients[5...].map { try $0.readResponse().status }
            #expect(late.count { $0 == 200 } >= 5 && late.allSatisfy { $0 == 200 || $0 == 503 })
            for descriptor in holes { close(descriptor) }
            #expect(try server.connect().get("/hello").status == 200)
        }

        @Test func `1000 heads that trickle are cut, and GETs beside them take less than 100 ms`()
            throws
        {
            let former = try Process.limitDescriptors(to: 4096)
            defer { _ = try? Process.limitDescriptors(to: former) }
            let server = try TestServer {
                $0.deadlines.head = 2
                $0.deadlines.linger = 0.5
            }
            let start = Date()
            let clients = try (0..<1000).map { _ in
                let client = try server.connect()
                try client.send("G")
                return client
            }
            var times: [Double] = []
            var open = clients
            while !open.isEmpty, Date().timeIntervalSince(start) < 6 {
                open = open.filter { (try? $0.send("E")) != nil }
                let asked = Date()
                #expect(try server.connect().get("/hello").status == 200)
                times.append(Date().timeIntervalSince(asked))
                usleep(50_000)
            }
            #expect(open.isEmpty)
            #expect((2..<6).contains(Date().timeIntervalSince(start)))
            // One in ten may meet something else that this machine does.
            #expect(times.sorted()[times.count * 9 / 10] < 0.1)
            let cut = server.log.all.filter { $0.status == 408 }
            #expect(cut.count == 1000)
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
    }
}

extension Process {
    /// How many descriptors this process has open.
    fileprivate static var descriptors: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count ?? 0
    }

    /// Changes how many descriptors there may be; nil changes nothing.
    ///
    /// - Returns: how many there might be before.
    @discardableResult
    fileprivate static func limitDescriptors(to count: rlim_t?) throws -> rlim_t {
        var limit = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        try #require(getrlimit(kind, &limit) == 0)
        let former = limit.rlim_cur
        limit.rlim_cur = count ?? former
        try #require(
            setrlimit(kind, &limit) == 0,
            "\(limit.rlim_cur) descriptors are not allowed",
        )
        return former
    }

    /// How much of this process's memory is real.
    fileprivate static var residentBytes: Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?
            .split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return (pages ?? 0) * Int(getpagesize())
    }
}

/// Whether no other suite runs in this process, which would feel what is taken from all of it.
private let isAlone = ProcessInfo.processInfo.environment["DETNAS_TEST_ALONE"] != nil
