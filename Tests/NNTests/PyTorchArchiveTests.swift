import Foundation
import TestSupport
import Testing

@testable import NN

/// Reads a file that lies in memory.
private func read(_ bytes: [UInt8]) throws(CheckpointError) -> [TensorEntry] {
    let result = bytes.withUnsafeBytes { memory in
        Result { () throws(CheckpointError) in try PyTorchArchive.read(memory, file: "test.pth") }
    }
    return try result.get()
}

/// What reading `bytes` says is wrong; nil where nothing is.
private func complaint(_ bytes: [UInt8]) -> String? {
    do {
        _ = try read(bytes)
        return nil
    } catch {
        return "\(error)"
    }
}

private func contents(of url: URL) throws -> [UInt8] { Array(try Data(contentsOf: url)) }

struct PyTorchArchiveTests {
    // MARK: What PyTorch wrote

    @Test(
        .enabled(if: SharedData.isPresent, "needs the shared data folder"),
        arguments: [
            ("shufflenetv2_backbone", "pth"), ("fastestdet_coco", "pth"),
            ("mtcnn_pnet_legacy", "pt"),
        ],
    )
    func `published checkpoints read as PyTorch reads them`(name: String, ending: String) throws {
        struct Manifest: Decodable { let entries: [ManifestEntry] }
        let url = SharedData.url("weights/\(name).\(ending)")
        let manifest = try JSONDecoder().decode(
            Manifest.self,
            from: Data(contentsOf: SharedData.url("weights/\(name).manifest.json")),
        )
        let entries = try PyTorchArchive.read(url)
        #expect(entries.map(\.name) == manifest.entries.map(\.name))
        for (entry, expected) in zip(entries, manifest.entries) {
            var found = try ManifestEntry(entry)
            let sum = entry.data.withUnsafeBytes { bytes in
                entry.type == .int64
                    ? bytes.bindMemory(to: Int64.self).reduce(0) { $0 + Double($1) }
                    : bytes.bindMemory(to: Float.self).reduce(0) { $0 + Double($1) }
            }
            let expectedSum = try #require(expected.sum)
            #expect(abs(sum - expectedSum) <= 1e-9 * max(1, abs(expectedSum)))
            found.sum = expected.sum
            #expect(found == expected)
        }
    }

    @Test(arguments: ["views", "views_legacy", "types", "types_legacy", "training", "nested"])
    func `views, types and nested dicts of either container read as saved`(name: String) throws {
        let found = try PyTorchArchive.read(Fixtures.url("\(name).pth")).map(ManifestEntry.init)
        #expect(found == (try Fixtures.manifest(name)))
    }

    // MARK: Damage

    @Test(arguments: ["views", "views_legacy", "training", "nested", "types_legacy"])
    func `a checkpoint cut short is an error wherever it is cut`(name: String) throws {
        let whole = try contents(of: Fixtures.url("\(name).pth"))
        var numbers = SeededNumbers(1)
        for _ in 0..<40 {
            let length = Int.random(in: 0..<whole.count, using: &numbers)
            #expect(complaint(Array(whole[..<length])) != nil, "cut at \(length)")
        }
    }

    @Test(arguments: ["views", "views_legacy", "training", "nested", "types_legacy"])
    func `a flipped byte gives an error or tensors of the size they claim`(name: String) throws {
        let whole = try contents(of: Fixtures.url("\(name).pth"))
        var numbers = SeededNumbers(2)
        for _ in 0..<400 {
            var damaged = whole
            let place = Int.random(in: 0..<whole.count, using: &numbers)
            damaged[place] ^= UInt8.random(in: 1...255, using: &numbers)
            guard let entries = try? read(damaged) else { continue }
            #expect(
                entries.allSatisfy { $0.type.byteCount(of: $0.shape) == $0.data.count },
                "byte \(place)",
            )
        }
    }

    @Test(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
    func `published checkpoints survive cuts and flipped bytes`() throws {
        var numbers = SeededNumbers(5)
        for (name, cuts, flips) in [
            ("mtcnn_pnet_legacy.pt", 100, 2000), ("shufflenetv2_backbone.pth", 50, 20),
            ("fastestdet_coco.pth", 50, 20),
        ] {
            let whole = try contents(of: SharedData.url("weights/\(name)"))
            for _ in 0..<cuts {
                let length = Int.random(in: 0..<whole.count, using: &numbers)
                #expect(complaint(Array(whole[..<length])) != nil, "\(name) cut at \(length)")
            }
            for _ in 0..<flips {
                var damaged = whole
                let place = Int.random(in: 0..<whole.count, using: &numbers)
                damaged[place] ^= UInt8.random(in: 1...255, using: &numbers)
                guard let entries = try? read(damaged) else { continue }
                #expect(
                    entries.allSatisfy { $0.type.byteCount(of: $0.shape) == $0.data.count },
                    "\(name) byte \(place)",
                )
            }
        }
    }

    // MARK: Malice

    private static let attacks: [(String, [UInt8])] = [
        ("os.system", joined(global("os", "system"), text("true"), [0x85], code("R"))),
        (
            "posix.system",
            joined(text("posix"), text("system"), [0x93], text("true"), [0x85], code("R")),
        ),
        ("os.system", joined(code("("), text("true"), code("ios\nsystem\n"))),
        ("builtins.eval", joined(global("builtins", "eval"), text("1"), [0x85], code("R"))),
        ("torch.load", joined(global("torch", "load"), text("x"), [0x85], code("R"))),
        ("torch.nn.modules.linear.Linear", global("torch.nn.modules.linear", "Linear")),
    ]

    @Test(arguments: attacks)
    func `a pickle that names code is refused by that name`(name: String, attack: [UInt8]) throws {
        for code in [attack, dictionary([("a", tensor()), ("b", attack)])] {
            let pickle = program(code)
            for file in [checkpoint(pickle), pickle] {
                guard let message = complaint(file) else {
                    Issue.record("\(name) was read")
                    continue
                }
                #expect(message.contains("`\(name)`"))
                #expect(message.contains("no pickled code is ever run"))
            }
        }
    }

    private static let lies: [(String, [UInt8])] = [
        ("512 open marks", [UInt8](repeating: UInt8(ascii: "("), count: 100_000)),
        ("a length of", joined([0x8D], word(UInt64.max))),
        ("a length of", joined([0x8E], word(UInt64(1) << 62))),
        ("a length of", joined(code("X"), word(UInt32.max))),
        ("a length of -1", joined([0x8B], word(Int32(-1)))),
        ("values", [UInt8](repeating: UInt8(ascii: "N"), count: PickleReader.maximumValues + 9)),
        ("nothing remembered as 7", code("h\u{7}")),
        ("an empty stack", code("0")),
        ("no mark", code("Nt")),
        ("instruction 0xff", [0xFF]),
        ("instruction 0x50", code("P1\n")),
        ("a call of None", code("N)R")),
        ("a key without a value", code("}(Nu")),
        ("in a dict", code("](NNu")),
        ("pickle protocol 5", [0x80, 5]),
        ("found None; allowed: a dict of tensors", code("N")),
        ("no tensors", code("}")),
        ("found no tensors", dictionary([("a", number(1))])),
    ]

    @Test(arguments: lies)
    func `a pickle that lies about its sizes or its stack is refused`(
        words: String,
        attack: [UInt8],
    ) throws {
        let message = try #require(complaint(checkpoint(program(attack))))
        #expect(message.contains(words))
    }

    @Test func `two hundred thousand tuples in one another cost no stack`() throws {
        let deep = joined(code(")"), [UInt8](repeating: 0x85, count: 200_000))
        let pickle = program(dictionary([("a", deep), ("b", tensor())]))
        #expect(try read(checkpoint(pickle)).map(\.name) == ["b"])
    }

    @Test func `dicts in one another are refused past a depth`() throws {
        var nest = tensor()
        for _ in 0..<StateDictionary.maximumDepth { nest = dictionary([("a", nest)]) }
        #expect(try read(checkpoint(program(nest))).count == 1)
        nest = dictionary([("a", nest)])
        let message = try #require(complaint(checkpoint(program(nest))))
        #expect(message.contains("32 deep"))
        let itself = joined(code("}q\u{0}"), text("a"), code("h\u{0}s"))
        let circle = try #require(complaint(checkpoint(program(itself))))
        #expect(circle.contains("32 deep"))
    }

    @Test func `a dict that doubles thirty times through the memo is refused`() throws {
        var bomb = joined(dictionary([("a", tensor())]), code("q\u{0}"))
        for _ in 0..<30 {
            bomb += joined(
                code("0}("),
                text("a"),
                code("h\u{0}"),
                text("b"),
                code("h\u{0}uq\u{0}"),
            )
        }
        let message = try #require(complaint(checkpoint(program(bomb))))
        #expect(message.contains("shared dicts counted each time"))
    }

    // MARK: Tensors that cannot be

    private static let impossible: [(String, [UInt8])] = [
        ("views within its storage", tensor(offset: 1)),
        ("views within its storage", tensor(shape: [2, 3], strides: [2, 1])),
        ("views within its storage", tensor(shape: [3], strides: [Int.max])),
        ("views within its storage", tensor(offset: Int.max, shape: [2], strides: [1])),
        ("four times the file", tensor(shape: [1 << 40], strides: [0])),
        ("four times the file", tensor(shape: [1 << 62, 1 << 62], strides: [0, 0])),
        ("2 strides", tensor(shape: [4], strides: [1, 1])),
        ("whole numbers from 0", tensor(shape: [-1], strides: [1])),
        ("whole numbers from 0", tensor(shape: [4], strides: [-1])),
        ("65 dimensions", tensor(shape: [Int](repeating: 1, count: 65), strides: [1])),
        ("at most the 16 bytes", tensor(count: 5)),
        ("at most the 16 bytes", tensor(count: Int.max)),
        ("at most the 16 bytes", tensor(storage: "DoubleStorage")),
        ("no storage `1`", tensor(key: "1")),
        ("`torch.ComplexFloatStorage`", tensor(storage: "ComplexFloatStorage")),
    ]

    @Test(arguments: impossible)
    func `a tensor that is not in the file is refused`(words: String, tensor: [UInt8]) throws {
        let pickle = program(dictionary([("w", tensor)]))
        let message = try #require(complaint(checkpoint(pickle)))
        #expect(message.contains(words))
    }

    @Test func `the stride of a dimension of one element means nothing`() throws {
        let strange = tensor(shape: [1, 2, 1, 2], strides: [Int.max, 1, Int.max, 2])
        let entries = try read(
            checkpoint(program(dictionary([("w", strange)])))
        )
        #expect(Array(entries[0].data) == [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15])
        #expect(entries[0].shape == [1, 2, 1, 2])
    }

    @Test func `a name that comes up twice is refused`() throws {
        let twice = dictionary([("a.b", tensor()), ("a", dictionary([("b", tensor())]))])
        let message = try #require(complaint(checkpoint(program(twice))))
        #expect(message.contains("tensor `a.b`: found the name twice"))
    }

    // MARK: Containers

    @Test func `what is no state dict of PyTorch's is refused with its reason`() throws {
        let pickle = program(dictionary([("w", tensor())]))
        #expect(try read(checkpoint(pickle)).count == 1)
        let data: [UInt8] = Array(0..<16)
        let cases: [(String, [UInt8])] = [
            ("an empty file", []),
            ("50 4b 5 6", archive([])),
            ("a plain pickle", pickle),
            ("`big`; allowed: little", checkpoint(pickle, byteorder: "big")),
            ("compressed entry (method 8)", archive([("archive/data.pkl", pickle)], method: 8)),
            ("the name twice", archive([("a/data.pkl", pickle), ("a/data.pkl", pickle)])),
            (
                "2 entries NAME/data.pkl",
                archive([("a/data.pkl", pickle), ("b/data.pkl", pickle)]),
            ),
            ("0 entries NAME/data.pkl", archive([("a/data/0", data)])),
            (
                "a TorchScript program",
                archive([("a/data.pkl", pickle), ("a/constants.pkl", []), ("a/data/0", data)]),
            ),
        ]
        for (words, file) in cases {
            #expect(complaint(file)?.contains(words) == true, "\(words)")
        }
    }

    @Test func `a legacy file of another byte order, version or length is refused`() throws {
        let legacy = try contents(of: Fixtures.url("types_legacy.pth"))
        // {"protocol_version": 1001, "little_endian": True, ...}: the 0x88 (NEWTRUE) after that text.
        let words = Array("little_endian".utf8)
        let start = try #require(
            legacy.indices.first { legacy[$0...].starts(with: words) }
        )
        let flag = try #require(legacy[start...].firstIndex(of: 0x88))
        var big = legacy
        big[flag] = 0x89
        #expect(complaint(big)?.contains("little_endian: found False; allowed: True") == true)
        // M e9 03: the version 1001, after the magic number's 15 bytes and PROTO.
        var version = legacy
        version[18] = 0xEA
        #expect(complaint(version)?.contains("found 1002; allowed: 1001") == true)
    }

    @Test func `a missing file, a folder and a pipe are errors with a reason`() throws {
        let folder = FileManager.default.temporaryDirectory
        #expect(throws: CheckpointError.self) {
            try PyTorchArchive.read(folder.appending(path: "no-such-\(UUID()).pth"))
        }
        #expect(throws: CheckpointError.self) { try PyTorchArchive.read(folder) }
        let pipe = folder.appending(path: "pipe-\(UUID())")
        #expect(mkfifo(pipe.path, 0o600) == 0)
        defer { unlink(pipe.path) }
        #expect(
            throws: CheckpointError.unreadable(file: pipe.path, reason: "not a regular file")
        ) {
            try PyTorchArchive.read(pipe)
        }
    }
}
