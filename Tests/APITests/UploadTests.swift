// Files that clients send, over a real socket.

import API
import Configs
import Foundation
import JobStore
import SearchSpaces
import TestSupport
import Testing

@Suite struct UploadTests {
    private func digest(_ content: Data) -> (hex: String, field: String) {
        let digest = SHA256.digest(Array(content))
        return (digest.hex, "sha-256=:\(Data(digest.bytes).base64EncodedString()):")
    }

    private func announce(_ bench: ServerBench, _ more: [String: JSONValue] = [:]) throws -> String
    {
        var body: [String: JSONValue] = ["name": "a file"]
        body.merge(more) { $1 }
        let made = try bench.client.send("POST", "/v1/uploads", body: .object(body))
        #expect(made.status == 201, "\(made.text)")
        let id = try #require(made.json["id"]?.string)
        #expect(made.headers["location"] == "/v1/uploads/\(id)")
        return "/v1/uploads/\(id)"
    }

    @Test func `what is announced and put is stored once, with its digest`() throws {
        let bench = try ServerBench()
        let content = Data((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let (hex, field) = digest(content)
        let place = try announce(
            bench,
            ["bytes": .int(Int64(content.count)), "sha256": .string(hex)],
        )
        #expect(try bench.client.json(place)["state"] == "waiting")
        let put = try bench.client.send(
            "PUT",
            place,
            data: content,
            ["Content-Digest": "sha-512=:AAAA:, \(field)", "Repr-Digest": field],
        )
        #expect(put.status == 200, "\(put.text)")
        let view = try put.json
        #expect(view["state"] == "stored" && view["sha256"]?.string == hex)
        #expect(try view == bench.client.json(place))
        let api = try OpenAPI()
        #expect(api.faults(view, api.schema("Upload")) == [])
        let id = String(place.split(separator: "/").last ?? "")
        #expect(bench.files(in: "uploads") == [id])
        let stored = try Data(contentsOf: URL(filePath: "\(bench.service.folder)/uploads/\(id)"))
        #expect(stored == content)

        let again = try bench.client.send("PUT", place, data: content)
        #expect(again.status == 409 && again.text.contains("already_stored"))
        #expect(bench.files(in: "uploads") == [id])
        #expect(try bench.client.send("DELETE", place).status == 204)
        #expect(try bench.client.send("DELETE", place).status == 404)
        #expect(try bench.client.get(place).status == 404)
        #expect(bench.files(in: "uploads") == [])
    }

    @Test func `uploads are listed page by page, the newest first`() throws {
        let bench = try ServerBench()
        let made = try (0..<5).map { _ in try announce(bench) }
        var seen: [String] = []
        var target = "/v1/uploads?limit=2"
        while true {
            let answer = try bench.client.get(target)
            let api = try OpenAPI()
            #expect(try api.faults(answer.json, api.schema("UploadPage")) == [])
            seen +=
                try answer.json["data"]?.array?.compactMap { $0["links"]?["self"]?.string } ?? []
            guard let link = answer.headers["link"] else { break }
            target = String(link.dropFirst().prefix { $0 != ">" })
        }
        #expect(seen == made.reversed())
    }

    @Test func `content that is not what was announced leaves nothing and can be sent again`()
        throws
    {
        let bench = try ServerBench()
        let (content, other) = (Data("one".utf8), Data("two".utf8))
        let plain = try announce(bench)
        let named = try announce(bench, ["sha256": .string(digest(content).hex)])
        let sized = try announce(bench, ["bytes": 3])
        for (place, data, fields, status, code) in [
            (plain, other, ["Content-Digest": digest(content).field], 422, "digest_mismatch"),
            (plain, other, ["Repr-Digest": digest(content).field], 422, "digest_mismatch"),
            (named, other, [:], 422, "digest_mismatch"),
            (named, other, ["Repr-Digest": digest(other).field], 409, "digest_conflict"),
            (sized, Data("four".utf8), [:], 409, "size_conflict"),
            (plain, content, ["Content-Digest": "sha-256=:AAAA:"], 400, "bad_header"),
            (plain, content, ["Content-Digest": "sha-256=x"], 400, "bad_header"),
            (
                plain, content,
                ["Content-Digest": digest(content).field, "Repr-Digest": digest(other).field],
                400, "bad_header",
            ),
            (plain, content, ["Content-Encoding": "gzip"], 400, "bad_header"),
            (plain, content, ["Content-Range": "bytes 0-2/9"], 400, "bad_header"),
            (plain + "?x=1", content, [:], 400, "bad_query"),
            ("/v1/uploads/up_00", content, [:], 404, "not_found"),
            ("/v1/uploads/..%2f..%2fx", content, [:], 404, "not_found"),
        ] {
            let answer = try bench.client.send("PUT", place, data: data, fields)
            #expect(answer.status == status && answer.text.contains(code), "\(answer.text)")
        }
        #expect(try eventually { bench.files(in: "uploads").isEmpty })
        for place in [plain, named, sized] {
            #expect(try bench.client.send("PUT", place, data: content).status == 200)
        }
    }

    /// A chunked body has no length that the head could tell.
    @Test func `a chunked body of another size than announced is refused at its end`() throws {
        let bench = try ServerBench()
        let place = try announce(bench, ["bytes": 3])
        let answer = try bench.client.raw(
            "PUT \(place) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n"
        )
        #expect(answer.hasPrefix("HTTP/1.1 422 ") && answer.contains("size_mismatch"))
        #expect(try eventually { bench.files(in: "uploads").isEmpty })
    }

    @Test func `what cannot be taken is refused by the head alone`() throws {
        let bench = try ServerBench(needsToken: true) { $0.uploadBytes = 1000 }
        let token = try bench.store.makeToken(name: "t", scope: .submit, expiresAt: nil).secret
        let fields = ["Authorization": "Bearer \(token)"]
        let made = try bench.client.send("POST", "/v1/uploads", body: ["name": "a"], fields)
        let place = "/v1/uploads/\(try made.json["id"]?.string ?? "")"
        func head(_ target: String, _ length: Int, _ more: String = "") throws -> String {
            try bench.client.raw(
                "PUT \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(length)\r\n\(more)\r\n"
            )
        }
        let authorized = "Authorization: Bearer \(token)\r\n"
        // No byte of the body is sent, and each is answered.
        #expect(try head(place, 1001, authorized).hasPrefix("HTTP/1.1 413 "))
        #expect(try head(place, 1000).hasPrefix("HTTP/1.1 401 "))
        #expect(try head("/v1/uploads/up_x", 10, authorized).hasPrefix("HTTP/1.1 404 "))
        #expect(
            try head(place, 10, authorized + "Expect: 100-continue\r\nContent-Encoding: br\r\n")
                .hasPrefix("HTTP/1.1 400 ")
        )
        let large = try bench.client.send(
            "POST",
            "/v1/uploads",
            body: ["name": "a", "bytes": 1001],
            fields,
        )
        #expect(large.status == 422 && large.text.contains("0 to 1000"))
        #expect(bench.files(in: "uploads") == [])
        #expect(try bench.client.send("PUT", place, data: Data("a".utf8), fields).status == 200)
        let system = try bench.client.send("GET", "/v1/system", fields)
        #expect(try system.json["limits"]?["uploadBytes"] == 1000)
    }

    @Test func `an upload that would leave too little room is refused`() throws {
        let bench = try ServerBench(settings: { $0.diskReserve = 1 << 60 })
        let answer = try bench.client.send("POST", "/v1/uploads", body: ["name": "a"])
        #expect(answer.status == 507 && answer.text.contains("disk_reserve"))
    }

    @Test func `a body that is cut in the middle leaves nothing`() throws {
        let bench = try ServerBench()
        let place = try announce(bench)
        let connection = try bench.client.connect()
        let head = "PUT \(place) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n"
        let bytes = Array(head.utf8) + [UInt8](repeating: 1, count: 4_000_000)
        #expect(send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        #expect(try eventually { !bench.files(in: "uploads").isEmpty })
        close(connection)
        #expect(try eventually { bench.files(in: "uploads").isEmpty })
        #expect(try bench.client.json(place)["state"] == "waiting")
    }

    @Test func `of two who put at once one is told that it came second`() throws {
        let bench = try ServerBench()
        let place = try announce(bench)
        let client = bench.client
        let statuses = Statuses()
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            let data = Data(repeating: UInt8(number), count: 2_000_000)
            statuses.add((try? client.send("PUT", place, data: data).status) ?? 0)
        }
        #expect(statuses.all.sorted() == [200, 409, 409, 409])
        #expect(try eventually { bench.files(in: "uploads").count == 1 })
        let id = String(place.split(separator: "/").last ?? "")
        let stored = try Data(contentsOf: URL(filePath: "\(bench.service.folder)/uploads/\(id)"))
        #expect(Set(stored).count == 1)
        let digest = try bench.client.json(place)["sha256"]?.string
        #expect(SHA256.digest(Array(stored)).hex == digest)
    }

    @Test(
        arguments: [
            ["name": ""], ["bytes": -1], ["bytes": 1.5], ["sha256": "abc"], ["nme": "x"],
            ["sha256": .string(String(repeating: "g", count: 64))],
            ["sha256": .string(String(repeating: "A", count: 64))], ["name": "a\u{0}b"],
        ] as [[String: JSONValue]]
    )
    func `an announcement that makes no sense is refused`(wrong: [String: JSONValue]) throws {
        let bench = try ServerBench()
        var body: [String: JSONValue] = ["name": "a"]
        body.merge(wrong) { $1 }
        #expect(try !bench.refuse(.object(body), to: "/v1/uploads").isEmpty)
    }

    @Test func `an announcement that is sent again makes one upload`() throws {
        let bench = try ServerBench()
        let key = ["Idempotency-Key": "up-1"]
        let first = try bench.client.send("POST", "/v1/uploads", body: ["name": "a"], key)
        let again = try bench.client.send("POST", "/v1/uploads", body: ["name": "a"], key)
        #expect(first.status == 201 && again.status == 201)
        #expect(try first.json["id"] == again.json["id"])
        #expect(again.headers["idempotency-replayed"] == "true")
    }

    /// As a crash leaves it between the parts of what belongs together.
    @Test func `a start removes what came to nothing and keeps the rest`() throws {
        let bench = try ServerBench()
        let kept = try bench.upload(Data("kept".utf8))
        let lost = try bench.upload(Data("lost".utf8))
        let checkpoint = try bench.imported()["id"]?.string ?? ""
        let folder = bench.service.folder
        try FileManager.default.removeItem(atPath: "\(folder)/uploads/\(lost)")
        for name in [
            "uploads/upload-abc123", "uploads/up_unknown", "checkpoints/ckpt_x.safetensors",
        ] {
            try Data("x".utf8).write(to: URL(filePath: "\(folder)/\(name)"))
        }
        try bench.store.removeLeftovers()
        #expect(bench.files(in: "uploads") == [kept])
        #expect(bench.files(in: "checkpoints") == ["\(checkpoint).safetensors"])
        #expect(try bench.client.get("/v1/uploads/\(lost)").status == 404)
        #expect(try bench.client.json("/v1/uploads/\(kept)")["state"] == "stored")
    }
}

/// Answers of several threads.
///
/// `@unchecked Sendable`: `lock` guards `statuses`.
private final class Statuses: @unchecked Sendable {
    private let lock = NSLock()
    private var statuses: [Int] = []
    var all: [Int] { lock.withLock { statuses } }
    func add(_ status: Int) { lock.withLock { statuses.append(status) } }
}
