// How a daemon is named, and what a request for one of its things looks like.

import Testing

@testable import Client

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("http://127.0.0.1:8080", ServerAddress.tcp(host: "127.0.0.1", port: 8080)),
        ("http://lab:90/", .tcp(host: "lab", port: 90)), ("lab", .tcp(host: "lab", port: 8080)),
        ("http://[::1]:90", .tcp(host: "::1", port: 90)),
        ("[fe80::1]", .tcp(host: "fe80::1", port: 8080)),
        ("https://lab.example:443", .tls(host: "lab.example", port: 443)),
        ("https://lab", .tls(host: "lab", port: 8080)),
        ("https://[::1]:1/", .tls(host: "::1", port: 1)),
        ("unix:/run/detnas.sock", .unix(path: "/run/detnas.sock")),
    ])
    func `an address is read`(text: String, address: ServerAddress) throws {
        #expect(try ServerAddress(text) == address)
    }

    @Test(arguments: [
        "", "https://", "lab:x", "lab:70000", "a:b:c", "::1", "unix:", "http://lab/x", "[::1",
        "[::1]x", "[lab]:1", "http://a b:1", "lab\r\nX: y", "https://http://lab",
    ])
    func `what is no address is refused`(text: String) throws {
        let error = try #require(throws: ClientError.self) { try ServerAddress(text) }
        #expect(ExitStatus.of(error) == 64)
    }

    @Test func `an IPv6 address stands in brackets in messages and in the Host field`() throws {
        let client = Client(try ServerAddress("https://[::1]:90"))
        #expect(client.address.name == "[::1]:90")
        let head = String(decoding: client.requestHead("GET", "/x", [:]), as: UTF8.self)
        #expect(head.contains("\r\nHost: [::1]:90\r\n"))
    }

    @Test func `values are percent-encoded, what is written around them is not`() {
        let (id, label) = ("a b/c?d#e%\r\n", "x=y&z")
        let target: Target = "/v1/jobs/\(id)?label=\(label)&limit=\(5)"
        #expect(target.text == "/v1/jobs/a%20b%2Fc%3Fd%23e%25%0D%0A?label=x%3Dy%26z&limit=5")
        var longer: Target = "\(target)&more=\("ä-._~")"
        longer += "&after=\(1)"
        #expect(longer.text == target.text + "&more=%C3%A4-._~&after=1")
    }
}
