// Data sets over a real socket: registered, uploaded, checked, deleted.

import API
import Configs
import Foundation
import HTTP
import JobStore
import TestSupport
import Testing

extension ServerBench {
    /// Registers a data set and returns its place.
    fileprivate func add(_ body: [String: JSONValue]) throws -> String {
        let made = try client.send("POST", "/v1/datasets", body: .object(body))
        try #require(made.status == 201, "\(made.text)")
        let place = try #require(made.headers["location"])
        #expect(try "/v1/datasets/\(made.json["id"]?.string ?? "")" == place)
        let api = try OpenAPI()
        #expect(try api.faults(made.json, api.schema("Dataset")) == [])
        return place
    }

    /// The data set when it is neither unpacked nor checked any more.
    fileprivate func settled(_ place: String) throws -> JSONValue {
        var view: JSONValue = .null
        let isSettled = try eventually {
            view = try client.json(place)
            return !["unpacking", "checking"].contains(view["state"]?.string ?? "")
        }
        #expect(isSettled, "\(view.canonical)")
        let api = try OpenAPI()
        #expect(api.faults(view, api.schema("Dataset")) == [])
        #expect(Set((view.object ?? [:]).keys) == api.names(api.schema("Dataset")))
        #expect(!view.canonical.contains(service.folder))
        return view
    }

    fileprivate func listed() throws -> [String: JSONValue] {
        let page = try client.json("/v1/datasets?limit=500")
        let api = try OpenAPI()
        #expect(api.faults(page, api.schema("DatasetPage")) == [])
        let rows = (page["data"]?.array ?? []).map { ($0["folder"]?.string ?? "", $0) }
        #expect(rows.map(\.0) == rows.map(\.0).sorted())
        return Dictionary(rows) { first, _ in first }
    }

    fileprivate func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(service.folder)/\(path)")
    }

    /// A small archive, in gzip.
    fileprivate func archive(_ names: [String]) throws -> Data {
        var archive = TestArchive()
        for name in names { archive.add(name, text: name) }
        let path = "\(service.folder)/\(UUID().uuidString)"
        try archive.whole.write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try runProgram("gzip", ["-c", path])
    }
}

@Suite struct DatasetTests {
    private static let found: JSONValue = [
        "form": "imagenet", "images": 7, "boxes": nil, "classes": 2, "splits": [], "problems": 3,
        "failures": [], "digest": nil,
    ]

    /// What a fake check does.
    private static func finding(_ problems: [String], _ more: [String: JSONValue] = [:]) -> String {
        let found = (found.object ?? [:]).merging(more) { $1 }
        let list = JSONValue.array(problems.map { .string($0) })
        let quoted = list.canonical.replacing("'", with: #"'\''"#)
        return "result_checked '\(JSONValue.object(found).canonical)' '\(quoted)'"
    }

    @Test func `a folder that is registered is checked, and shows what was found`() throws {
        let bench = try ServerBench()
        #expect(try bench.listed().mapValues { $0["state"] } == ["photos": "unregistered"])
        try bench.service.behaveChecking("until_told; \(Self.finding([]))")
        let place = try bench.add(["name": "Photos of May", "folder": "photos", "decode": false])
        let before = try bench.client.json(place)
        #expect(before["state"] == "checking" && before["found"] == .null)
        #expect(before["root"] == "datasets" && before["folder"] == "photos")
        let job = try #require(before["job"]?.string)
        let submitted = try bench.client.json("/v1/jobs/\(job)")
        #expect(submitted["kind"] == "dataset.check" && submitted["name"] == "check of photos")
        #expect(
            submitted["spec"] == ["dataset": "photos", "decode": false, "maxBadImages": 0.05]
        )
        try bench.service.tell(job)
        let after = try bench.settled(place)
        #expect(after["state"] == "ready" && after["found"] == Self.found)
        #expect(after["failures"] == [] && after["checkedAt"]?.string != nil)
        #expect(try bench.listed() == ["photos": after])
        #expect(try bench.client.json("/v1/jobs/\(job)")["outputs"]?["metrics"] == Self.found)
    }

    @Test func `its problems come page by page, and are told to be gone with their job`() throws {
        let bench = try ServerBench()
        let problems = ["a.jpg: is empty", "it's \"b\".jpg: \u{e9}", "c.jpg: does not exist"]
        try bench.service.behaveChecking("until_told; \(Self.finding(problems))")
        let place = try bench.add(["name": "photos"])
        let api = try OpenAPI()
        let none = try bench.client.json(place + "/problems")
        #expect(none["data"] == [] && none["checkedAt"] == .null && none["problems"] == .null)
        let job = try #require(bench.client.json(place)["job"]?.string)
        try bench.service.tell(job)
        _ = try bench.settled(place)
        var seen: [String] = []
        var target = place + "/problems?limit=2"
        while true {
            let answer = try bench.client.get(target)
            let page = try answer.json
            #expect(api.faults(page, api.schema("DatasetProblemPage")) == [])
            #expect(page["problems"] == 3)
            seen += page["data"]?.array?.compactMap(\.string) ?? []
            guard let link = answer.headers["link"] else { break }
            target = String(link.dropFirst().prefix { $0 != ">" })
        }
        #expect(seen == problems)
        #expect(try bench.client.send("DELETE", "/v1/jobs/\(job)").status == 204)
        let gone = try bench.client.get(place + "/problems")
        #expect(gone.status == 410 && !gone.text.contains(bench.service.folder))
        // What was found is known all the same.
        let view = try bench.settled(place)
        #expect(view["state"] == "ready" && view["found"] == Self.found && view["job"] == .null)
    }

    @Test func `what would fail a job fails the data set, and another check may clear it`() throws {
        let bench = try ServerBench()
        try bench.service.behaveChecking(Self.finding(["x"], ["failures": ["2 of 7 are broken"]]))
        let place = try bench.add(["name": "photos"])
        let view = try bench.settled(place)
        #expect(view["state"] == "failed" && view["failures"] == ["2 of 7 are broken"])
        try bench.service.behaveChecking("fail bad_data false")
        let again = try bench.client.send("POST", place + "/check", body: ["decode": false])
        #expect(again.status == 201, "\(again.text)")
        let job = try #require(again.json["id"]?.string)
        #expect(again.headers["location"] == "/v1/jobs/\(job)")
        #expect(try again.json["spec"]?["decode"] == false)
        let failed = try bench.settled(place)
        #expect(failed["state"] == "failed" && failed["failures"] == ["as told"])
        #expect(failed["job"]?.string == job && failed["found"] == view["found"])
        // A job that somebody submits counts as well.
        try bench.service.behaveChecking(Self.finding([]))
        let direct: JSONValue = ["kind": "dataset.check", "spec": ["dataset": "photos"]]
        let ended = try bench.run("", direct)
        let cleared = try bench.settled(place)
        #expect(cleared["state"] == "ready" && cleared["job"] == ended["id"])
        for wrong in [["decode": 1], ["decod": true]] as [JSONValue] {
            #expect(try !bench.refuse(wrong, to: place + "/check").isEmpty)
        }
    }

    @Test func `a dry run of a check is not measured`() throws {
        let bench = try ServerBench()
        let answer = try bench.client.send(
            "POST",
            "/v1/jobs?dryRun=true",
            body: ["kind": "dataset.check", "spec": ["dataset": "photos"]],
        )
        #expect(try answer.status == 200 && answer.json["estimate"]?["measured"] == nil)
    }

    @Test func `what cannot be registered is refused with its place`() throws {
        let bench = try ServerBench()
        func places(_ body: JSONValue) throws -> [String] {
            try bench.refuse(body, to: "/v1/datasets").keys.sorted()
        }
        #expect(try places(["name": "nothing"]) == ["/name"])
        #expect(try places(["name": "x", "folder": "../photos"]) == ["/folder"])
        #expect(try places(["name": "x", "folder": "photos/train"]) == ["/folder"])
        #expect(try places(["name": "x", "folder": "a\\b"]) == ["/folder"])
        #expect(try places(["name": "x", "upload": "up_x"]) == ["/upload"])
        #expect(try places(["name": "..", "upload": "up_x"]) == ["/name"])
        #expect(try places(["nmae": "photos"]) == ["/name", "/nmae"])
        let waiting = try bench.client.send("POST", "/v1/uploads", body: ["name": "a.tar"])
        #expect(try places(["name": "x", "upload": waiting.json["id"] ?? nil]) == ["/upload"])
        #expect(try bench.store.datasets() == [])

        _ = try bench.add(["name": "photos"])
        let upload = JSONValue.string(try bench.upload(Data("x".utf8)))
        for body in [
            ["name": "photos"], ["name": "other", "folder": "photos"],
            ["name": "new", "folder": "photos", "upload": upload],
        ] as [[String: JSONValue]] {
            let answer = try bench.client.send("POST", "/v1/datasets", body: .object(body))
            #expect(
                answer.status == 409 && answer.text.contains("dataset_exists"),
                "\(answer.text)",
            )
        }
        #expect(try bench.client.get("/v1/datasets/ds_x").status == 404)
        #expect(try bench.client.get("/v1/datasets?x=1").status == 400)
    }

    @Test func `a request that is sent again makes one data set and one check`() throws {
        let bench = try ServerBench()
        let key = ["Idempotency-Key": "set-1"]
        let body: JSONValue = ["name": "photos"]
        let first = try bench.client.send("POST", "/v1/datasets", body: body, key)
        let again = try bench.client.send("POST", "/v1/datasets", body: body, key)
        #expect(first.status == 201 && again.status == 201)
        #expect(again.headers["idempotency-replayed"] == "true")
        #expect(try first.json["id"] == again.json["id"])
        let place = try #require(again.headers["location"])
        _ = try bench.settled(place)
        let check = ["Idempotency-Key": "check-1"]
        let jobs = try (0..<2).map { _ in
            try bench.client.send("POST", place + "/check", check).json["id"]
        }
        #expect(jobs[0]?.string != nil && jobs[0] == jobs[1])
        #expect(try bench.client.json("/v1/jobs")["data"]?.array?.count == 2)
        let other = try bench.client.send("POST", "/v1/datasets", body: ["name": "x"], key)
        #expect(other.status == 422 && other.text.contains("idempotency_mismatch"))
    }

    @Test func `a data set is not deleted while a job reads it, and a user's folder never`() throws
    {
        let bench = try ServerBench()
        let place = try bench.add(["name": "photos"])
        _ = try bench.settled(place)
        let job = try bench.submit("until_told; result")
        let refused = try bench.client.send("DELETE", place)
        #expect(refused.status == 409)
        #expect(try refused.json["by"] == [.string(job)])
        try bench.service.tell(job)
        _ = try bench.end(job)
        #expect(try bench.client.send("DELETE", place).status == 204)
        #expect(try bench.client.send("DELETE", place).status == 404)
        #expect(bench.exists("datasets/photos/train"))
        #expect(try bench.listed().mapValues { $0["state"] } == ["photos": "unregistered"])
        _ = try bench.add(["name": "photos"])
    }

    @Test func `an upload becomes a data set that jobs can name, and goes with it`() throws {
        let bench = try ServerBench()
        let content = try bench.archive(["cells/train/a/1.jpg", "cells/val/a/2.jpg"])
        let upload = try bench.upload(content, name: "cells.tar.gz")
        let place = try bench.add(["name": "cells", "upload": .string(upload)])
        let view = try bench.settled(place)
        #expect(view["state"] == "ready" && view["root"] == "unpacked", "\(view.canonical)")
        #expect(bench.exists("unpacked/cells/train/a/1.jpg"))
        #expect(try bench.client.get("/v1/uploads/\(upload)").status == 404)
        #expect(bench.files(in: "uploads") == [])
        let roots = try bench.client.json("/v1/system")["datasetRoots"]
        #expect(roots?.array?.first == ["name": "unpacked", "datasets": ["cells"]])
        let job: JSONValue = [
            "kind": "supernet.pretrain",
            "spec": [
                "data": ["dataset": "cells"], "space": "detnas-mini", "training": ["steps": 1],
            ],
        ]
        let ended = try bench.run("result", job)
        let told = "\(bench.service.folder)/runs/\(ended["id"]?.string ?? "")/job.json"
        #expect(
            try JSONValue(parsing: Data(contentsOf: URL(filePath: told)))["datasetRoots"]?.array?
                .contains(.string("\(bench.service.folder)/unpacked")) == true
        )
        #expect(try bench.client.send("DELETE", place).status == 204)
        #expect(eventually { bench.files(in: "unpacked").isEmpty })
        #expect(try !bench.refuse(job).isEmpty)
    }

    @Test func `an archive that cannot be unpacked says why, and leaves its upload`() throws {
        let bench = try ServerBench()
        let upload = try bench.upload(Data(repeating: 65, count: 5000), name: "cells.zip")
        let place = try bench.add(["name": "cells", "upload": .string(upload)])
        let view = try bench.settled(place)
        #expect(view["state"] == "failed" && view["job"] == .null)
        let reason = view["failures"]?.array?.first?.string ?? ""
        #expect(reason.hasPrefix("\(upload) cannot be unpacked: entry 1: "), "\(reason)")
        #expect(bench.files(in: "unpacked") == [] && bench.files(in: "uploads") == [upload])
        let refused = try bench.client.send("POST", place + "/check")
        #expect(refused.status == 409 && refused.text.contains("no_files"))
        #expect(try bench.client.send("DELETE", place).status == 204)
        let again = try bench.add(["name": "cells", "upload": .string(upload)])
        #expect(try bench.settled(again)["state"] == "failed")
    }

    @Test func `what a server was unpacking the next one unpacks anew`() throws {
        let bench = try ServerBench()
        let upload = try bench.upload(bench.archive(["train/a/1.jpg"]))
        for name in ["cells", ".making-ds_1"] {
            let folder = "\(bench.service.folder)/unpacked/\(name)/half"
            try FileManager.default.createDirectory(
                atPath: folder,
                withIntermediateDirectories: true,
            )
        }
        _ = try bench.store.makeDataset(
            id: "ds_1",
            name: "cells",
            folder: "cells",
            decode: true,
            files: .upload(upload),
        )
        #expect(try bench.client.json("/v1/datasets/ds_1")["state"] == "unpacking")
        // As a start does.
        try bench.store.removeLeftovers()
        let next = Service(scheduler: bench.scheduler, version: "next")
        let view = try bench.settled("/v1/datasets/ds_1")
        #expect(view["state"] == "ready", "\(view.canonical)")
        #expect(bench.files(in: "unpacked/cells") == ["train"] && !next.routes.isEmpty)
    }

    @Test func `a data set whose folder was removed is missing until it is back`() throws {
        let bench = try ServerBench()
        let place = try bench.add(["name": "photos"])
        _ = try bench.settled(place)
        let (here, away) = ("\(bench.service.datasets)/photos", "\(bench.service.folder)/away")
        try FileManager.default.moveItem(atPath: here, toPath: away)
        let view = try bench.settled(place)
        #expect(view["state"] == "missing" && view["root"] == .null)
        #expect(try bench.listed()["photos"] == view)
        #expect(try bench.client.send("POST", place + "/check").status == 409)
        try FileManager.default.moveItem(atPath: away, toPath: here)
        #expect(try bench.settled(place)["state"] == "ready")
    }

    @Test func `the list comes page by page`() throws {
        let bench = try ServerBench()
        for name in ["a", "m", "z"] {
            try FileManager.default.createDirectory(
                atPath: "\(bench.service.datasets)/\(name)",
                withIntermediateDirectories: true,
            )
        }
        _ = try bench.add(["name": "the m", "folder": "m"])
        var seen: [String] = []
        var target = "/v1/datasets?limit=1"
        while true {
            let answer = try bench.client.get(target)
            seen += try answer.json["data"]?.array?.compactMap { $0["folder"]?.string } ?? []
            guard let link = answer.headers["link"] else { break }
            target = String(link.dropFirst().prefix { $0 != ">" })
        }
        #expect(seen == ["a", "m", "photos", "z"])
    }
}
