// What jobs leave behind, fetched as a client would.

import API
import Configs
import Foundation
import SearchSpaces
import Testing

@Suite struct ArtifactTests {
    @Test func `a download is named by its content and goes on where it was cut`() throws {
        let bench = try ServerBench()
        let job = try bench.run("checkpoint final 10 supernet; result")
        let id = try #require(job["outputs"]?["checkpointId"]?.string)
        let place = "/v1/checkpoints/\(id)/content"
        let whole = try bench.client.get(place)
        #expect(whole.text == "weights of final at 10")
        let digest = SHA256.digest(Array(whole.body)).hex
        let etag = "\"sha256-\(digest)\""
        #expect(whole.headers["etag"] == etag)
        #expect(whole.headers["accept-ranges"] == "bytes")
        #expect(whole.headers["content-length"] == "\(whole.body.count)")
        #expect(
            whole.headers["content-disposition"]?.contains("supernet-final.safetensors") == true
        )
        let base64 = Data(SHA256.digest(Array(whole.body)).bytes).base64EncodedString()
        #expect(whole.headers["repr-digest"] == "sha-256=:\(base64):")
        #expect(try bench.client.json("/v1/checkpoints/\(id)")["sha256"]?.string == digest)

        let rest = try bench.client.get(place, ["Range": "bytes=8-", "If-Range": etag])
        #expect(rest.status == 206)
        #expect(rest.text == "of final at 10")
        #expect(try bench.client.get(place, ["Range": "bytes=-2"]).text == "10")
        #expect(try bench.client.get(place, ["Range": "bytes=99-"]).status == 416)
        #expect(try bench.client.get(place, ["If-None-Match": etag]).status == 304)
        let head = try bench.client.send("HEAD", place)
        #expect(head.status == 200)
        #expect(head.headers["content-length"] == "\(whole.body.count)")
        #expect(head.body.isEmpty)

        let path = "\(bench.service.folder)/runs/\(job["id"]?.string ?? "")/epoch-1/checkpoints"
        try FileManager.default.removeItem(atPath: path + "/final.safetensors")
        #expect(try bench.client.get(place).status == 410)
    }

    @Test func `checkpoints are listed by job and kind`() throws {
        let bench = try ServerBench()
        let job = try bench.run("checkpoint a 5 supernet; checkpoint b 10 supernet; result")
        _ = try bench.run("checkpoint c 10 supernet; result", seed: 1)
        let id = job["id"]?.string ?? ""
        let list = try bench.client.json("/v1/checkpoints?job=\(id)")["data"]?.array
        #expect(list?.map { $0["name"] } == ["b", "a"])
        #expect(list?.map { $0["final"] } == [true, false])
        #expect(try bench.client.json("/v1/checkpoints")["data"]?.array?.count == 3)
        #expect(try bench.client.json("/v1/checkpoints?kind=detector")["data"] == [])
    }

    @Test func `candidates come in the order asked for, page by page`() throws {
        let bench = try ServerBench()
        let job = try bench.run(
            #"""
            for i in 0 1 2 3 4 5 6; do
              event candidate.evaluated '{"index":'$i',"generation":'$((i / 4))',"genome":"'$i'","map":0.'$((i * 3 % 7))',"macs":'$((100 - i))',"params":1}'
            done
            result
            """#
        )
        let place = "/v1/jobs/\(job["id"]?.string ?? "")/candidates"
        var seen: [Double] = []
        var target = place + "?sort=-map&limit=3"
        while true {
            let answer = try bench.client.get(target)
            seen += try answer.json["data"]?.array?.compactMap { $0["map"]?.double } ?? []
            guard let link = answer.headers["link"] else { break }
            target = String(link.dropFirst().prefix { $0 != ">" })
        }
        #expect(seen == [0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
        #expect(try bench.client.json(place + "?generation=1")["data"]?.array?.count == 3)
        #expect(try bench.client.get(place + "?sort=best").status == 400)
    }

    @Test func `an architecture outlives its search, spelled out and to keep`() throws {
        let bench = try ServerBench()
        let space = try #require(SearchSpace.named["detnas-mini"])
        let genome = try Genome(parsing: "0,1,2,3,0,1,2,3,0,1,2,3", in: space)
        let architecture = try Architecture(space: space, genome: genome)
        let json = String(decoding: try JSONEncoder().encode(space), as: UTF8.self)
        _ = try bench.run("result_found '\(genome)' '\(json)' '\(architecture.hash)'")
        let list = try #require(try bench.client.json("/v1/architectures")["data"]?.array)
        #expect(list.map { $0["id"]?.string } == [architecture.hash])
        let api = try OpenAPI()
        #expect(api.faults(list[0], api.schema("ArchitectureSummary")) == [])
        let place = "/v1/architectures/\(architecture.hash)"
        let detail = try bench.client.json(place)
        #expect(api.faults(detail, api.schema("ArchitectureDetail")) == [])
        #expect(detail["architecture"]?["blocks"]?.array?.count == 12)
        let layers = try #require(detail["layers"]?.array)
        #expect(layers.count == 13 && layers[0]["name"] == "stem")
        for cost in ["macs", "params"] {
            let sum = layers.compactMap { $0[cost]?.int }.reduce(0, +)
            #expect(sum == detail["architecture"]?["cost"]?[cost]?.int)
        }
        let file = try bench.client.get(place + "/content")
        #expect(try JSONDecoder().decode(Architecture.self, from: file.body) == architecture)
        #expect(file.headers["content-disposition"]?.contains("\(architecture.hash).json") == true)
        let etag = try #require(file.headers["etag"])
        #expect(try bench.client.get(place + "/content", ["If-None-Match": etag]).status == 304)

        // And it can be trained.
        let retrain: JSONValue = [
            "kind": "subnet.retrain",
            "spec": [
                "architecture": .string(architecture.hash),
                "classification": ["data": ["dataset": "photos"], "training": ["steps": 1]],
            ],
        ]
        let job = try bench.run("result", retrain, seed: 1)
        let file2 = "\(bench.service.folder)/runs/\(job["id"]?.string ?? "")/job.json"
        let told = try JSONValue(parsing: Data(contentsOf: URL(filePath: file2)))
        #expect(told["inputs"]?["architecture"]?["genome"]?.string == "\(genome)")
        #expect(told["inputs"]?["architecture"]?["space"]?["name"]?.string == space.name)
        #expect(job["inputs"] == ["architectures": [.string("\(genome)")]])
    }

    @Test func `the system shows which job sits where, and no path`() throws {
        let bench = try ServerBench()
        let id = try bench.submit("until_stopped")
        var system: JSONValue = .null
        for _ in 0..<200 {
            system = try bench.client.json("/v1/system")
            if system["jobs"]?["running"] == 1 { break }
            Thread.sleep(forTimeInterval: 0.01)
        }
        #expect(system["cores"]?.array?.map { $0["job"] } == [.string(id), .null])
        #expect(system["datasetRoots"] == [["name": "datasets", "datasets": ["photos"]]])
        #expect(!system.canonical.contains(bench.service.folder))
    }
}
