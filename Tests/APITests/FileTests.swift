// What jobs leave beside their checkpoints, listed and fetched as a client would.

import API
import Configs
import Foundation
import SearchSpaces
import Testing

@Suite struct FileTests {
    @Test func `files are listed in their order, page by page`() throws {
        let bench = try ServerBench()
        let job = try bench.run("for i in 1 2 3 4 5; do leave $i.png pixels$i; done; result_left")
        #expect(job["outputs"]?["files"] == 5)
        let place = "/v1/jobs/\(job["id"]?.string ?? "")/files"
        #expect(job["links"]?["files"]?.string == place)
        var seen: [String] = []
        var target = place + "?limit=2"
        while true {
            let answer = try bench.client.get(target)
            seen += try answer.json["data"]?.array?.compactMap { $0["name"]?.string } ?? []
            guard let link = answer.headers["link"] else { break }
            target = String(link.dropFirst().prefix { $0 != ">" })
        }
        #expect(seen == ["1.png", "2.png", "3.png", "4.png", "5.png"])
        #expect(try bench.client.get(place + "?after=zzz").status == 400)
        let none = try bench.run("result", seed: 1)
        #expect(try bench.client.json("/v1/jobs/\(none["id"]?.string ?? "")/files")["data"] == [])
    }

    @Test func `a file has its type, is named by its content, and goes on where it was cut`() throws
    {
        let bench = try ServerBench()
        let job = try bench.run("leave detections.json [1,2,3]; leave a.jpg pixels; result_left")
        let place = "/v1/jobs/\(job["id"]?.string ?? "")/files"
        let whole = try bench.client.get(place + "/detections.json")
        #expect(whole.text == "[1,2,3]")
        #expect(whole.headers["content-type"] == "application/json")
        let etag = "\"sha256-\(SHA256.digest(Array(whole.body)).hex)\""
        #expect(whole.headers["etag"] == etag)
        let base64 = Data(SHA256.digest(Array(whole.body)).bytes).base64EncodedString()
        #expect(
            whole.headers["repr-digest"]
                == "sha256=:\(base64):".replacing("sha256", with: "sha-256")
        )
        #expect(try bench.client.get(place + "/a.jpg").headers["content-type"] == "image/jpeg")
        let rest = try bench.client.get(
            place + "/detections.json",
            ["Range": "bytes=3-", "If-Range": etag],
        )
        #expect(rest.status == 206 && rest.text == "2,3]")
        #expect(
            try bench.client.get(place + "/detections.json", ["If-None-Match": etag]).status == 304
        )
        let head = try bench.client.send("HEAD", place + "/a.jpg")
        #expect(head.status == 200 && head.headers["content-length"] == "6" && head.body.isEmpty)
    }

    /// Neither the request nor a result that a worker wrote leads out of the run directory.
    @Test(arguments: [
        "..%2f..%2fjob.json", "%2e%2e", "..", ".", "job.json", "a.png%00", "a.png/..", "A.png",
        "%2fetc%2fpasswd", "a.png%2f", "",
    ])
    func `a name that the list does not have is not found`(name: String) throws {
        let bench = try ServerBench()
        let job = try bench.run("leave a.png pixels; result_left")
        let answer = try bench.client.get("/v1/jobs/\(job["id"]?.string ?? "")/files/\(name)")
        #expect(
            [400, 404].contains(answer.status) || answer.text.contains("hasMore"),
            "\(answer.text)",
        )
        #expect(!answer.text.contains("pixels"))
    }

    @Test(arguments: [
        "../../worker.sh", "/etc/passwd", "epoch-1/../job.json", "epoch-1//files/a.png",
    ])
    func `a path that leads out of the run directory is not followed`(path: String) throws {
        let bench = try ServerBench()
        let job = try bench.run("leave a.png pixels \(path); result_left")
        let answer = try bench.client.get("/v1/jobs/\(job["id"]?.string ?? "")/files/a.png")
        #expect(answer.status == 410, "\(answer.text)")
    }

    @Test func `a file that has changed or gone is said to have`() throws {
        let bench = try ServerBench()
        let job = try bench.run("leave a.png pixels; leave b.png pixels; result_left")
        let id = job["id"]?.string ?? ""
        let folder = "\(bench.service.folder)/runs/\(id)/epoch-1/files"
        try Data("short".utf8).write(to: URL(filePath: "\(folder)/a.png"))
        try FileManager.default.removeItem(atPath: "\(folder)/b.png")
        #expect(try bench.client.get("/v1/jobs/\(id)/files/a.png").status == 500)
        #expect(try bench.client.get("/v1/jobs/\(id)/files/b.png").status == 410)
    }
}
