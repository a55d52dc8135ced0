// Checkpoint files as this program writes them, made by hand, and uploads of them.

import Configs
import Foundation
import SearchSpaces
import Testing

/// A safetensors file with what a checkpoint has.
struct CheckpointSample {
    var metadata: [String: String] = [
        "format": "detnas-1", "kind": "supernet", "step": "12", "final": "true", "shuffle": "1",
        "dataDigest": "unknown", "config": "{}", "pixels": #"{"order":"rgb"}"#,
        "classes": #"["cat","dog"]"#, "space": CheckpointSample.space("detnas-mini"),
    ]
    /// The members of the header beside the metadata.
    var tensors =
        #""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I64","shape":[],"data_offsets":[24,32]}"#
    var data = Data(repeating: 7, count: 32)
    /// Nil: what the header has.
    var length: UInt64?

    static func space(_ name: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = try? encoder.encode(SearchSpace.named[name])
        return String(decoding: json ?? Data(), as: UTF8.self)
    }

    var header: String {
        let strings = JSONValue.object(metadata.mapValues { .string($0) }).canonical
        return "{\"__metadata__\":\(strings)\(tensors.isEmpty ? "" : ",")\(tensors)}"
    }

    var file: Data {
        let json = Data(header.utf8)
        let length = (length ?? UInt64(json.count)).littleEndian
        return withUnsafeBytes(of: length) { Data($0) } + json + data
    }
}

extension ServerBench {
    /// An upload with this content.
    func upload(_ content: Data, name: String = "weights.safetensors") throws -> String {
        let made = try client.send("POST", "/v1/uploads", body: ["name": .string(name)])
        try #require(made.status == 201, "\(made.text)")
        let id = try #require(made.json["id"]?.string)
        let put = try client.send("PUT", "/v1/uploads/\(id)", data: content)
        try #require(put.status == 200, "\(put.text)")
        return id
    }

    /// An imported checkpoint.
    func imported(_ sample: CheckpointSample = CheckpointSample()) throws -> JSONValue {
        let upload = try upload(sample.file)
        let made = try client.send("POST", "/v1/checkpoints", body: ["upload": .string(upload)])
        try #require(made.status == 201, "\(made.text)")
        return try made.json
    }

    /// The names of the files in a folder of the data directory.
    func files(in folder: String) -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(
            atPath: "\(service.folder)/\(folder)"
        )
        return (names ?? []).sorted()
    }
}
