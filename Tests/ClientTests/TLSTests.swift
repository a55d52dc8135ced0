// Whom a client speaks to over TLS, against this project's own server.

import COpenSSL
import Configs
import Foundation
import Testing

@testable import Client

@Suite struct TLSTests {
    private func server(_ certificate: Certificate?) throws -> Scripted {
        try Scripted(tls: certificate?.served) { target, _ in
            target.contains("/events") ? .events(Array(1...500)) : .json(["state": "running"])
        }
    }

    private func error(_ client: Client) throws -> ClientError {
        try #require(throws: ClientError.self) { try client.get("/v1/jobs/job_1") }
    }

    @Test(arguments: ["localhost", "127.0.0.1"])
    func `who has a certificate for its name from whom is trusted is spoken to`(host: String)
        throws
    {
        let authority = try Certificate(for: nil)
        let own = try Certificate(
            for: [.host("localhost"), .address([127, 0, 0, 1])],
            issuer: authority,
        )
        let server = try server(own)
        defer { server.stop() }
        // The authority's certificate, or the server's own.
        for trusted in [authority, own] {
            let client = Client(
                .tls(host: host, port: server.port),
                authorities: trusted.file,
            )
            #expect(try client.get("/v1/jobs/job_1")["state"] == "running")
            var count = 0
            try client.lines("/v1/jobs/job_1/events") { _ in
                count += 1
                return true
            }
            #expect(count == 500)
        }
    }

    @Test func `who is not trusted is told from who has another name`() throws {
        let own = try Certificate(for: [.host("elsewhere.example"), .address([127, 0, 0, 9])])
        let other = try Certificate(for: nil)
        let server = try server(own)
        defer { server.stop() }
        for host in ["localhost", "127.0.0.1"] {
            let place = ServerAddress.tls(host: host, port: server.port)
            // Whom this machine trusts, or another authority.
            for trusted in [nil, other.file] {
                let found = try error(Client(place, authorities: trusted))
                #expect(found.description.contains("is not trusted"), "\(found)")
                #expect(found.description.contains("--ca"), "\(found)")
                #expect(ExitStatus.of(found) == 76)
            }
            let found = try error(Client(place, authorities: own.file))
            #expect(found.description.contains("is for another name than \(host)"), "\(found)")
            #expect(ExitStatus.of(found) == 76)
        }
        #expect(server.asked.isEmpty)
    }

    @Test func `a server without TLS, one with it, and a file that is none are told`() throws {
        let own = try Certificate(for: [.host("localhost")])
        let plain = try server(nil)
        defer { plain.stop() }
        let found = try error(
            Client(.tls(host: "localhost", port: plain.port), authorities: own.file)
        )
        #expect(found.description.contains("does not speak TLS"), "\(found)")
        let missing = try error(
            Client(.tls(host: "localhost", port: plain.port), authorities: "/nowhere.pem")
        )
        #expect(missing.description.contains("cannot use /nowhere.pem"), "\(missing)")
        #expect(ExitStatus.of(missing) == 66)
        let nobody = try error(Client(.tls(host: "localhost", port: 1)))
        #expect(nobody.kind == .unreachable)
    }

    /// Without a way of its own to the socket OpenSSL would end the program with SIGPIPE.
    @Test func `a server that leaves is an error that passes`() throws {
        let own = try Certificate(for: [.host("localhost")])
        let server = try server(own)
        let connection = try Connection(
            to: .tls(host: "localhost", port: server.port),
            authorities: own.file,
        )
        server.stop()
        let left = try #require(throws: ClientError.self) {
            for _ in 0..<100 { try connection.send(Data(count: 1_000_000)) }
        }
        #expect(isPassing(left), "\(left)")
    }

    @Test func `nothing older than TLS 1.2 is spoken`() throws {
        var reason = [CChar](repeating: 0, count: Int(COPENSSL_REASON_SIZE))
        let context = try #require(copenssl_client(nil, &reason))
        defer { SSL_CTX_free(context) }
        let least = SSL_CTX_ctrl(context, SSL_CTRL_GET_MIN_PROTO_VERSION, 0, nil)
        #expect(least == Int(TLS1_2_VERSION))
    }
}
