import Foundation
import SearchSpaces
import Testing

@testable import NN

/// A folder of its own, gone after `body`.
private func inFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "safetensors-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
}

private func names(in folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
}

private func source(
    _ name: String,
    _ type: ElementType,
    _ shape: [Int],
    _ bytes: [UInt8],
) -> TensorSource {
    TensorSource(name: name, type: type, shape: shape) { write in
        try bytes.withUnsafeBytes(write)
    }
}

/// A header and what follows it.
private func file(_ json: String, data: Int, length: Int? = nil) -> [UInt8] {
    word(UInt64(length ?? json.utf8.count)) + Array(json.utf8) + [UInt8](repeating: 7, count: data)
}

private func complaint(_ bytes: [UInt8]) -> String? {
    bytes.withUnsafeBytes { memory in
        do {
            _ = try SafeTensorsHeader(memory, file: "test.safetensors")
            return nil
        } catch {
            return "\(error)"
        }
    }
}

struct SafeTensorsTests {
    @Test func `a file of the reference implementation reads as PyTorch wrote it`() throws {
        let file = try SafeTensorsFile(Fixtures.url("types.safetensors"))
        #expect(file.metadata == ["kind": "fixture", "a \"quoted\" key": "ä\n😀"])
        let expected = try Fixtures.manifest("types")
        #expect(file.records.count == expected.count)
        for entry in expected {
            let record = try #require(file[entry.name])
            let data = try file.withBytes(of: entry.name) { Data($0) }
            let found = try ManifestEntry(
                TensorEntry(name: record.name, type: record.type, shape: record.shape, data: data)
            )
            #expect(found == entry)
        }
    }

    @Test func `what is written is read back, aligned, in an order that names alone decide`() throws
    {
        try inFolder { folder in
            var numbers = SeededNumbers(3)
            var sources: [TensorSource] = []
            var contents: [String: [UInt8]] = [:]
            for type in ElementType.allCases {
                for (suffix, shape) in [("matrix", [3, 5]), ("scalar", []), ("empty", [0, 4])] {
                    let size = try #require(type.byteCount(of: shape))
                    let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &numbers) }
                    contents["\(type.rawValue) \(suffix)"] = bytes
                    sources.append(source("\(type.rawValue) \(suffix)", type, shape, bytes))
                }
            }
            let metadata = ["kind": "subnet", "quoted \"\\\n\u{1}": "ä😀", "empty": ""]
            let first = folder.appending(path: "first.safetensors")
            let second = folder.appending(path: "second.safetensors")
            let written = try SafeTensorsWriter.write(
                to: first,
                metadata: metadata,
                tensors: sources,
            )
            let again = try SafeTensorsWriter.write(
                to: second,
                metadata: metadata,
                tensors: sources.reversed(),
            )
            #expect(written == again)
            let bytes = try Data(contentsOf: first)
            #expect(bytes == (try Data(contentsOf: second)))
            #expect(written.bytes == bytes.count)
            #expect(written.sha256 == SHA256.digest(bytes).hex)
            let header = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.1) << (8 * $1.0) }
            #expect(header % 8 == 0)

            let file = try SafeTensorsFile(first)
            #expect(file.metadata == metadata)
            #expect(file.records.count == sources.count)
            for record in file.records {
                #expect(record.range.lowerBound % record.type.size == 0)
                let found = try file.withBytes(of: record) { Array($0) }
                #expect(found == contents[record.name])
            }
            #expect(file["nothing"] == nil)
            #expect(throws: CheckpointError.self) { try file.withBytes(of: "nothing") { _ in } }
            #expect(try names(in: folder) == ["first.safetensors", "second.safetensors"])
        }
    }

    private static let headers: [(String, Int, String?)] = [
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8, nil),
        (#"{"a":{"data_offsets":[0,8],"shape":[2,1],"dtype":"F32"}}  "#, 8, nil),
        (" {}", 0, "a JSON object from byte 0"),
        ("{}", 0, nil),
        ("{}", 1, "data: found 1 bytes; allowed: 0"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7, "an end up to 7"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9, "data: found 9 bytes"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "F32 [2] takes: 8"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "a start at 0"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "start <= end"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, 8, "[start, end]"),
        (#"{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}"#, 8, "dtype (at"),
        (#"{"a":{"dtype":"F32","shape":[2]}}"#, 8, "too few keys"),
        (#"{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}"#, 8, "`shape`"),
        (#"{"a":{"dtype":"F32","shape":[2],"stride":[1],"data_offsets":[0,8]}}"#, 8, "`stride`"),
        (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#, 8, "`-` in a number"),
        (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}}"#, 8, "`.` in a number"),
        (#"{"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}"#, 8, "in a number"),
        (
            #"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}"#, 8,
            "in a number",
        ),
        (
            #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0,
            "more than 2^63",
        ),
        (
            #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"#
                + #""b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#, 3, "a start at 2",
        ),
        (
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
                + #""b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#, 3, "a start at 1",
        ),
        (
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
                + #""a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#, 1, "the name twice",
        ),
        (#"{"__metadata__":{"a":1}}"#, 0, "__metadata__, `a`"),
        (#"{"__metadata__":{"a":"1","a":"2"}}"#, 0, "the key twice"),
        (#"{"__metadata__":{},"__metadata__":{}}"#, 0, "the key twice"),
        (#"{"__metadata__":{"\ud83d\ude00":"\u00e4"}}"#, 0, nil),
        (#"{"__metadata__":{"a":"\ud83d"}}"#, 0, "surrogate"),
        (#"{"__metadata__":{"a":"\ud83d\u0041"}}"#, 0, "surrogate"),
        (#"{"__metadata__":{"a":"\x"}}"#, 0, "the escape"),
        (#"{"__metadata__":{"a":"b"#, 0, "the end of the file"),
        (#"{}x"#, 0, "more after the object"),
        (#"{"a":"#, 0, "found the end"),
        ("[[[[[[[[[[[[[[[[", 0, "a JSON object"),
    ]

    @Test(arguments: headers)
    func `a header that lies is an error that says where`(
        json: String,
        data: Int,
        words: String?,
    ) throws {
        let text = complaint(file(json, data: data))
        guard let words else {
            #expect(text == nil)
            return
        }
        #expect(text?.contains(words) == true, "\(text ?? "it was read")")
    }

    @Test func `a header longer than the file or 100 MB is an error`() throws {
        for length in [3, 1 << 40, Int.max, 0, 1] {
            #expect(
                complaint(file("{}", data: 0, length: length))?.contains("allowed: 2 to") == true
            )
        }
        #expect(complaint([1, 2, 3])?.contains("header length") == true)
        #expect(complaint([])?.contains("header length") == true)
        #expect(complaint(word(UInt64.max) + code("{}"))?.contains("\(UInt64.max)") == true)
    }

    @Test func `a file cut anywhere is an error, a flipped byte never more than one`() throws {
        let whole = Array(try Data(contentsOf: Fixtures.url("types.safetensors")))
        for length in 0..<whole.count {
            #expect(complaint(Array(whole[..<length])) != nil, "cut at \(length)")
        }
        var numbers = SeededNumbers(4)
        var refused = 0
        for _ in 0..<2000 {
            var damaged = whole
            let place = Int.random(in: 0..<whole.count, using: &numbers)
            damaged[place] ^= UInt8.random(in: 1...255, using: &numbers)
            if complaint(damaged) != nil { refused += 1 }
        }
        #expect(refused > 1000)
    }

    // MARK: Writing

    private static var wrong: [(words: String, tensors: [TensorSource])] {
        [
            ("allowed: 8, which F32 [2] takes", [source("a", .float32, [2], [1, 2, 3])]),
            ("the name twice", [source("a", .uint8, [1], [1]), source("a", .int8, [1], [1])]),
            ("reserved", [source("__metadata__", .uint8, [1], [1])]),
            ("dimensions from 0", [source("a", .uint8, [-1], [])]),
            ("fewer than 2^63", [source("a", .uint8, [1 << 62, 4], [])]),
        ]
    }

    @Test(arguments: wrong.indices)
    func `a tensor that is not what it says leaves the old file as it was`(index: Int) throws {
        let (words, tensors) = Self.wrong[index]
        try inFolder { folder in
            let url = folder.appending(path: "a.safetensors")
            try Data("old".utf8).write(to: url)
            do {
                _ = try SafeTensorsWriter.write(to: url, tensors: tensors)
                Issue.record("it was written")
            } catch let error as CheckpointError {
                #expect(error.description.contains(words))
            }
            #expect(try Data(contentsOf: url) == Data("old".utf8))
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.path)
                    == ["a.safetensors"]
            )
        }
    }

    @Test func `an error of the tensor's own passes through and leaves nothing behind`() throws {
        struct Broken: Error {}
        try inFolder { folder in
            let tensor = TensorSource(name: "a", type: .uint8, shape: [2]) { write in
                try [UInt8(1)].withUnsafeBytes(write)
                throw Broken()
            }
            #expect(throws: Broken.self) {
                try SafeTensorsWriter.write(
                    to: folder.appending(path: "a.safetensors"),
                    tensors: [tensor],
                )
            }
            let left = try names(in: folder)
            #expect(left.isEmpty)
        }
    }

    @Test func `a full disk is told from every other failure`() throws {
        try inFolder { folder in
            let url = folder.appending(path: "a.safetensors")
            let tensors = [source("a", .uint8, [2], [1, 2])]
            // What is written to /dev/full meets a full disk.
            try FileManager.default.createSymbolicLink(
                atPath: "\(url.path).partial",
                withDestinationPath: "/dev/full",
            )
            #expect(throws: CheckpointError.diskFull(file: url.path)) {
                try SafeTensorsWriter.write(to: url, tensors: tensors)
            }
            let left = try names(in: folder)
            #expect(left.isEmpty)
            let nowhere = folder.appending(path: "missing/a.safetensors")
            #expect(
                throws: CheckpointError.notWritten(
                    file: nowhere.path,
                    reason: "No such file or directory",
                )
            ) {
                try SafeTensorsWriter.write(to: nowhere, tensors: tensors)
            }
        }
    }

    @Test func `an open file outlives its replacement`() throws {
        try inFolder { folder in
            let url = folder.appending(path: "a.safetensors")
            try Data("left over".utf8).write(to: folder.appending(path: "a.safetensors.partial"))
            _ = try SafeTensorsWriter.write(to: url, tensors: [source("a", .uint8, [2], [1, 2])])
            let old = try SafeTensorsFile(url)
            _ = try SafeTensorsWriter.write(to: url, tensors: [source("a", .uint8, [2], [3, 4])])
            #expect(try old.withBytes(of: "a") { Array($0) } == [1, 2])
            #expect(try SafeTensorsFile(url).withBytes(of: "a") { Array($0) } == [3, 4])
        }
    }
}
