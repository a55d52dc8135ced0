// `detnas predict` and the files of a job, as users meet them.

import Foundation
import SearchSpaces
import TestSupport
import Testing

@Suite(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
struct PredictCommandTests {
    private static let pipeline = """
        {"steps": [
          {"name": "tune", "kind": "detector.finetune", "spec": {
            "train": {"dataset": "det_bccd", "annotations": "annotations/instances_train.json"},
            "space": {"name": "tiny", "stem": 8, "lastConv": 32, "stages": [{"width": 16, "blocks": 1},
              {"width": 24, "blocks": 1}, {"width": 32, "blocks": 1}, {"width": 48, "blocks": 1}]},
            "detector": {"channels": 16, "groups": 4, "towerConvolutions": 1, "lastLevel": 5, "scoreThreshold": 0,
              "anchorSizes": [16, 32, 64], "octaveScales": 1, "ratios": [1], "maxDetections": 4},
            "image": {"shortSide": 64, "longSide": 96},
            "training": {"steps": 2, "batch": 4}, "evaluation": {"paths": 0}}},
          {"name": "look", "kind": "architecture.predict", "spec": {
            "checkpoint": {"$from": "tune.outputs.checkpoint"}, "architecture": "0,1,2,3", "recalibrationImages": 8,
            "train": {"dataset": "det_bccd", "annotations": "annotations/instances_train.json"},
            "list": {"dataset": "det_bccd", "annotations": "annotations/instances_val.json"},
            "scoreThreshold": 0, "pictures": {"most": 2, "groundTruth": true}}}]}
        """

    @Test
    func `a prediction's pictures are fetched from the daemon, and the command draws its own`()
        throws
    {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "predict-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let daemon = try Daemon(folder.appending(path: "data"))
        defer { daemon.stop() }
        let made = try daemon.get("/v1/pipelines", ["--json", Self.pipeline])
        let jobs = try #require(made["jobs"] as? [[String: Any]], "\(made)")
        let ids = jobs.compactMap { $0["id"] as? String }
        let job = try daemon.finished(ids[1])
        try #require(job["state"] as? String == "succeeded", "\(job)")
        let list = try daemon.get("/v1/jobs/\(ids[1])/files")
        let files = try #require(list["data"] as? [[String: Any]])
        #expect(
            files.compactMap { $0["type"] as? String }
                == ["application/json", "image/jpeg", "image/jpeg"]
        )
        for file in files {
            let links = try #require(file["links"] as? [String: String])
            let copy = folder.appending(path: "copy")
            let curl = Process()
            curl.executableURL = URL(filePath: "/usr/bin/curl")
            curl.arguments = ["-sSf", "-o", copy.path, daemon.url + (links["content"] ?? "")]
            try curl.run()
            curl.waitUntilExit()
            #expect(try SHA256.digest(file: copy).hex == file["sha256"] as? String)
        }

        let final = try #require(
            try FileManager.default.subpathsOfDirectory(atPath: folder.path)
                .first { $0.hasSuffix("final.safetensors") }
        )
        let process = Process()
        process.becomeDetnas([
            "predict", folder.appending(path: final).path,
            SharedData.url("det_bccd/images/BloodImage_00001.jpg").path, "--architecture",
            "0,1,2,3",
            "--train", SharedData.url("det_bccd/annotations/instances_train.json").path,
            "--recalibration-images", "8", "--score", "0", "--pictures", "png",
            "-o", folder.appending(path: "out").path,
        ])
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(
            decoding: try output.fileHandleForReading.readToEnd() ?? Data(),
            as: UTF8.self,
        )
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(
            text.hasPrefix("1 images (0 skipped), 4 detections of score 0.0 or more\n"),
            "\(text)",
        )
        let names = try FileManager.default.contentsOfDirectory(
            atPath: folder.appending(path: "out").path
        )
        #expect(
            names.sorted() == ["000001-BloodImage_00001.png", "detections.json", "images.json"]
        )
    }
}
