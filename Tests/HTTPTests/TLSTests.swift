// TLS: who gets in, what they are shown, and that nothing of HTTP changes by it.

import COpenSSL
import Foundation
import Testing

@testable import HTTP

extension OverASocket {
    @Suite struct TLSTests {
        @Test func `TLS 1.2 and 1.3 are spoken, and 1.1 is refused`() throws {
            let server = try TestServer(.tls)
            for (version, name) in [(TLS1_3_VERSION, "TLSv1.3"), (TLS1_2_VERSION, "TLSv1.2")] {
                let client = try connect(server, TLSOffer(version: version))
                #expect(client.tls?.version == name)
                #expect(try client.get("/hello").text == "hello")
            }
            let refusal = #expect(throws: CertificateError.self) {
                try connect(server, TLSOffer(version: TLS1_1_VERSION))
            }
            #expect("\(try #require(refusal))".contains("protocol version"))
        }

        @Test func `http/1.1 is agreed on, and a client that wants only another is refused`() throws
        {
            let server = try TestServer(.tls)
            let client = try connect(server, TLSOffer(applicationProtocol: "http/1.1"))
            #expect(client.tls?.applicationProtocol == "http/1.1")
            let refusal = #expect(throws: CertificateError.self) {
                try connect(server, TLSOffer(applicationProtocol: "h2"))
            }
            #expect("\(try #require(refusal))".contains("no application protocol"))
        }

        @Test func `a client may change its keys, but not shake hands again`() throws {
            let server = try TestServer(.tls)
            let modern = try connect(server)
            for _ in 0..<10 {
                modern.tls?.changeKeys()
                #expect(try modern.get("/hello").text == "hello")
            }
            let old = try connect(server, TLSOffer(version: TLS1_2_VERSION))
            #expect(try old.get("/hello").text == "hello")
            #expect(old.tls?.renegotiate() == false)
        }

        @Test
        func
            `new connections get a new certificate, open ones go on, a broken file changes nothing`()
            throws
        {
            let first = try Certificate("first")
            let second = try Certificate("second")
            let files = try Certificate("files")
            try first.write(to: files.file, keyTo: files.keyFile)
            let server = try TestServer { $0.tls = files.served }
            let early = try connect(server)
            #expect(early.tls?.peerName == "/CN=first")
            try second.write(to: files.file, keyTo: files.keyFile)
            #expect(try connect(server).tls?.peerName == "/CN=first")
            try server.server.reloadCertificate()
            #expect(try connect(server).tls?.peerName == "/CN=second")
            #expect(try early.get("/hello").text == "hello")

            try Data("no certificate".utf8).write(to: URL(filePath: files.file))
            expectFault(in: files.file, "no start line") { try server.server.reloadCertificate() }
            try second.write(to: files.file, keyTo: files.keyFile)
            try Data(contentsOf: URL(filePath: first.keyFile)).write(
                to: URL(filePath: files.keyFile)
            )
            expectFault(in: files.keyFile, "key values mismatch") {
                try server.server.reloadCertificate()
            }
            unlink(files.file)
            expectFault(in: files.file, "No such file or directory") {
                try server.server.reloadCertificate()
            }
            #expect(try connect(server).tls?.peerName == "/CN=second")
            #expect(try early.get("/hello").text == "hello")
        }

        @Test
        func `a server without a usable certificate does not start, and asks for no passphrase`()
            throws
        {
            let locked = try Certificate("locked")
            try locked.write(to: locked.file, keyTo: locked.keyFile, passphrase: "secret")
            expectFault(in: locked.keyFile, "") { _ = try TestServer { $0.tls = locked.served } }
            let good = try Certificate("good")
            expectFault(in: "/missing/ca.pem", "No such file or directory") {
                _ = try TestServer {
                    $0.tls = good.served
                    $0.tls?.clientAuthorities = "/missing/ca.pem"
                }
            }
        }

        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
        func `with an authority for clients, only whom it signed gets in`(version: Int32) throws {
            let authority = try Certificate("authority")
            let own = try Certificate("localhost")
            let server = try TestServer {
                $0.tls = own.served
                $0.tls?.clientAuthorities = authority.file
            }
            let known = try Certificate("known", issuer: authority)
            let offer = TLSOffer(trusts: own.file, version: version, shows: known)
            #expect(try connect(server, offer).get("/hello").text == "hello")
            // With TLS 1.3 a client only hears of it when it reads.
            for stranger in [nil, try Certificate("known")] {
                let offer = TLSOffer(version: version, shows: stranger)
                #expect(throws: (any Error).self) {
                    try connect(server, offer).get("/hello")
                }
            }
            #expect(server.log.all.count == 1)
        }

        @Test
        func `a handshake that stops is cut at its deadline, and others are served meanwhile`()
            throws
        {
            let server = try TestServer(.tls) { $0.deadlines.handshake = 0.3 }
            let start = Date()
            let silent = try RawClient(port: server.port)
            // The head of a ClientHello of 512 bytes, and its first bytes.
            let half = try (0..<200).map { _ in
                let client = try RawClient(port: server.port)
                try client.send(Data([0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]))
                return client
            }
            #expect(try server.connect().get("/hello").text == "hello")
            for client in half + [silent] { #expect(try client.readRest().isEmpty) }
            #expect((0.3..<2).contains(Date().timeIntervalSince(start)))
        }

        @Test func `a request without TLS is told so, other bytes end the connection`() throws {
            let server = try TestServer(.tls)
            let refusal = try RawClient(port: server.port).get("/hello")
            #expect(refusal.status == 400 && refusal.text.contains("speaks TLS"))
            #expect(refusal["connection"] == "close")
            let noise = try RawClient(port: server.port)
            try noise.send(Data(repeating: 7, count: 100))
            let answer = try noise.readRest()
            // An alert of TLS at the most.
            #expect(answer.isEmpty || answer.first == 0x15)
        }

        @Test func `past its connections a peer is closed without a handshake`() throws {
            let server = try TestServer(.tls) { $0.limits.connectionsPerPeer = 2 }
            let clients = try (0..<2).map { _ in try server.connect() }
            #expect(throws: CertificateError.self) { try server.connect() }
            #expect(try clients[1].get("/hello").text == "hello")
        }

        @Test(.enabled(if: access("/usr/bin/curl", X_OK) == 0, "there is no /usr/bin/curl"))
        func `curl goes on with a download over TLS where it was cut`() throws {
            let file = try SampleFile(bytes: 20_000_000)
            let server = try TestServer(.tls, file: file.served)
            let target = temporaryPath("download")
            defer { unlink(target) }
            try file.content.prefix(7_654_321).write(to: URL(filePath: target))
            let curl = Process()
            curl.executableURL = URL(filePath: "/usr/bin/curl")
            curl.arguments = [
                "--silent", "--show-error", "--fail", "--cacert", try #require(server.trusted),
                "--continue-at", "-", "--output", target,
                "https://localhost:\(server.port)/file",
            ]
            try curl.run()
            curl.waitUntilExit()
            #expect(curl.terminationStatus == 0)
            #expect(try Data(contentsOf: URL(filePath: target)) == file.content)
            #expect(server.log.wait(for: 1).first?.status == 206)
        }

        private func connect(
            _ server: TestServer,
            _ offer: TLSOffer = TLSOffer(),
        ) throws -> RawClient {
            try RawClient(.tls(server.port, offer))
        }

        private func expectFault(in file: String, _ reason: String, of action: () throws -> Void) {
            let error = #expect(throws: HTTPServerError.self, performing: action)
            guard case .certificate(file, let text) = error else {
                Issue.record("\(String(describing: error)) is no fault in \(file)")
                return
            }
            #expect(reason.isEmpty || text == reason)
        }
    }
}
