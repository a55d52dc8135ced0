// What a request's way through the server looks like from outside, where a status is not enough.

import Foundation
import Testing

@testable import HTTP

extension OverASocket {
    @Suite struct RequestTests {
        @Test func `a response carries its length, a date, the request's id and no surprise`()
            throws
        {
            let server = try TestServer()
            let response = try server.connect().get("/hello", "X-Request-Id: abc-1\r\n")
            #expect(response.text == "hello")
            #expect(
                Set(response.fields.keys) == [
                    "content-type", "content-length", "date", "x-request-id",
                ]
            )
            #expect(response["content-length"] == "5")
            #expect(response["x-request-id"] == "abc-1")
            #expect(httpDate(secondsSince1970: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        }

        @Test func `an id that could break a log line is replaced`() throws {
            let server = try TestServer()
            for id in ["a b", "<x>", String(repeating: "a", count: 129)] {
                let response = try server.connect().get("/hello", "X-Request-Id: \(id)\r\n")
                #expect(response["x-request-id"]?.hasPrefix("req_") == true)
            }
        }

        @Test func `a refusal is a problem that names the request`() throws {
            let server = try TestServer()
            let response = try server.connect().get("/nothing", "X-Request-Id: abc-2\r\n")
            let problem = try #require(
                JSONSerialization.jsonObject(with: response.body) as? [String: Any]
            )
            #expect(problem["type"] as? String == "/problems/not-found")
            #expect(problem["title"] as? String == "Not Found")
            #expect(problem["status"] as? Int == 404)
            #expect(problem["detail"] as? String == "there is nothing at /nothing")
            #expect(problem["instance"] as? String == "abc-2")
        }

        @Test func `a wrong method is told which are right`() throws {
            let server = try TestServer()
            let client = try server.connect()
            try client.send("DELETE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try client.readResponse()["allow"] == "GET, HEAD, OPTIONS")
            try client.send("GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try client.readResponse()["allow"] == "OPTIONS, POST")
        }

        @Test func `HEAD has the fields of GET and no body`() throws {
            let server = try TestServer()
            let client = try server.connect()
            try client.send("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let head = try client.readResponse(toHead: true)
            #expect(head.status == 200)
            #expect(head["content-length"] == "5")
            #expect(try client.get("/hello").text == "hello")
            try client.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try client.readResponse(toHead: true)["content-type"] == "text/event-stream")
            #expect(try client.get("/hello").text == "hello")
            #expect(server.calls.wait(for: 1) == ["stream closed"])
        }

        @Test func `parameters and query come decoded, and a literal wins over a parameter`() throws
        {
            let server = try TestServer()
            let client = try server.connect()
            #expect(try client.get("/jobs/a%2Fb%20c").text == "job a/b c")
            #expect(try client.get("/jobs/latest").text == "the latest")
            #expect(try client.get("/query?a=1%262&b&a=x+y%2B").text == "a=1&2|b=|a=x y+")
        }

        @Test(arguments: Wire.allCases)
        func `100 requests sent at once are answered in order`(wire: Wire) throws {
            let server = try TestServer(wire)
            let client = try server.connect()
            try client.send(
                (0..<100).map { "GET /jobs/\($0) HTTP/1.1\r\nHost: localhost\r\n\r\n" }.joined()
            )
            for number in 0..<100 {
                #expect(try client.readResponse().text == "job \(number)")
            }
        }

        @Test(arguments: Wire.allCases)
        func `a client that closes its side after asking is answered`(wire: Wire) throws {
            let server = try TestServer(wire)
            let client = try server.connect()
            try client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.finishSending()
            #expect(try client.readResponse().text == "slow")
            #expect(try client.readRest().isEmpty)
        }

        @Test(arguments: Wire.allCases)
        func `100 Continue is sent when the body is wanted, and only then`(wire: Wire) throws {
            let server = try TestServer(wire)
            let post = { (path: String, length: Int) in
                "POST \(path) HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                    + "Content-Length: \(length)\r\n\r\n"
            }
            let client = try server.connect()
            try client.send(post("/echo", 5))
            #expect(try client.readHead().status == 100)
            try client.send("hello")
            #expect(try client.readResponse().text == "hello")
            for (path, length, status) in [
                ("/echo", 1001, 413), ("/nothing", 5, 404), ("/hello", 5, 405), ("/plain", 5, 413),
            ] {
                let client = try server.connect()
                try client.send(post(path, length))
                #expect(try client.readResponse().status == status)
                #expect(try client.readRest().isEmpty)
            }
        }

        @Test(arguments: Wire.allCases)
        func `requests inside a refused body are never answered`(wire: Wire) throws {
            let server = try TestServer(wire)
            let client = try server.connect()
            let hidden = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let body = String(repeating: hidden, count: 3_000_000 / hidden.utf8.count)
            try client.send(
                "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
            )
            try? client.send(body)
            #expect(try client.readResponse().status == 413)
            #expect(try client.readRest().isEmpty)
        }

        @Test func `a handler cannot end the header early`() throws {
            let server = try TestServer()
            let client = try server.connect()
            let response = try client.get("/injected?a=x%0D%0ASet-Cookie:%20a=b")
            #expect(response.status == 200)
            #expect(response["set-cookie"] == nil && response["x-echo"] == nil)
            #expect(try client.get("/injected?a=fine")["x-echo"] == "fine")
        }

        @Test func `a handler that forgets to answer answers 500`() throws {
            let server = try TestServer()
            let response = try server.connect().get("/forgotten")
            #expect(response.status == 500)
            #expect(response.text.contains("gave no answer"))
        }

        @Test func `whoever waits is answered later, by another thread`() throws {
            let server = try TestServer()
            let clients = try (0..<8).map { _ in try server.connect() }
            for client in clients {
                try client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            }
            let waiting = server.waiting.wait(for: 8)
            #expect(waiting.count == 8)
            // Eight wait, two handler queues, and others are still served.
            #expect(try server.connect().get("/hello").text == "hello")
            for responder in waiting { responder.respond(.text("now")) }
            waiting[0].respond(.text("twice"))
            for client in clients {
                #expect(try client.readResponse().text == "now")
                #expect(try client.get("/hello").text == "hello")
            }
        }

        @Test(arguments: Wire.allCases)
        func `a client that gives up waiting is noticed at once`(wire: Wire) throws {
            let server = try TestServer(wire)
            var client: RawClient? = try server.connect()
            try client?.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(server.waiting.wait(for: 1).count == 1)
            client = nil
            #expect(server.calls.wait(for: 1, seconds: 1) == ["waiting closed"])
        }

        @Test func `the access log has a line for each request`() throws {
            let server = try TestServer()
            let client = try server.connect()
            _ = try client.get("/jobs/a%20b?x=1", "X-Request-Id: abc-3\r\n")
            _ = try client.get("/nothing")
            let log = server.log.wait(for: 2)
            try #require(log.count == 2)
            #expect(log[0].requestID == "abc-3")
            #expect(log[0].target == "/jobs/a%20b?x=1")
            #expect(log[0].route == "/jobs/{id}")
            #expect(log[0].status == 200 && log[0].isComplete)
            #expect(log[0].bytesSent > 100 && log[0].seconds < 1)
            #expect(log[0].peer == "127.0.0.1" && log[0].method == "GET")
            #expect(log[1].status == 404 && log[1].route == nil)
        }
    }
}
