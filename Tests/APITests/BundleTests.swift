// A job in one download.

import API
import Configs
import Foundation
import SearchSpaces
import TestSupport
import Testing

@Suite struct BundleTests {
    @Test func `a bundle is a tar of what a job left, each part with the digest of its manifest`()
        throws
    {
        let bench = try ServerBench()
        let job = try bench.run(
            #"""
            event metric '{"step":1,"loss":2.5}'
            event metric '{"step":2,"loss":1.5}'
            head -c 700000 /dev/zero | tr '\0' 'w' > "$dir/big"
            leave big "$(cat "$dir/big")"; leave empty ""; result_left
            """#
        )
        let id = try #require(job["id"]?.string)
        let answer = try bench.client.get("/v1/jobs/\(id)/bundle.tar")
        #expect(answer.status == 200)
        #expect(answer.headers["content-disposition"]?.contains("\(id).tar") == true)
        let folder = FileManager.default.temporaryDirectory.appending(path: "tar-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try answer.body.write(to: folder.appending(path: "b.tar"))
        // The system's tar is the judge.
        let tar = Process()
        tar.executableURL = URL(filePath: "/usr/bin/env")
        tar.arguments = ["tar", "-xf", "b.tar"]
        tar.currentDirectoryURL = folder
        try tar.run()
        tar.waitUntilExit()
        #expect(tar.terminationStatus == 0)
        let root = folder.appending(path: id)
        let manifest = try JSONValue(
            parsing: Data(contentsOf: root.appending(path: "manifest.json"))
        )
        let names = manifest.array?.compactMap { $0["name"]?.string }
        #expect(names == ["job.json", "metrics.csv", "files/big", "files/empty"])
        for part in manifest.array ?? [] {
            let data = try Data(contentsOf: root.appending(path: part["name"]?.string ?? ""))
            #expect(part["bytes"]?.int == data.count)
            #expect(part["sha256"]?.string == SHA256.digest(Array(data)).hex)
        }
        let table = try String(contentsOf: root.appending(path: "metrics.csv"), encoding: .utf8)
        let rows = table.split(separator: "\n").map { $0.split(separator: ",") }
        #expect(rows.filter { $0[0] == "loss" }.map { $0[3] } == ["2.5", "1.5"])

        // A file that is shorter than it was: the download breaks off, and is not taken for whole.
        let big = "\(bench.service.folder)/runs/\(id)/epoch-1/files/big"
        try Data("short".utf8).write(to: URL(filePath: big))
        let cut = try bench.client.get("/v1/jobs/\(id)/bundle.tar")
        #expect(cut.body.count < answer.body.count)
    }
}
