// Archives become folders, whole or not at all, and never a file elsewhere.

import Foundation
import Jobs
import SearchSpaces
import TestSupport
import Testing

@testable import Scheduling

/// A folder with an archive, removed afterwards.
private final class Desk {
    let folder: String
    var archive: String { folder + "/archive" }
    var target: String { folder + "/made/set" }

    init(_ data: Data = Data()) throws {
        folder = NSTemporaryDirectory() + "detnas-unpack-\(UUID().uuidString)"
        try Files.makeFolder(folder + "/made")
        try data.write(to: URL(filePath: archive))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    @discardableResult
    func unpack(
        room: @escaping (Int) throws -> Void = { _ in },
        isWanted: @escaping () -> Bool = { true },
    ) throws -> Bool {
        try Unpacking(
            archive: archive,
            target: target,
            aside: folder + "/made/.aside",
            requireRoom: room,
            isWanted: isWanted,
        ).run()
    }

    /// Everything below `made`, files with their text.
    var made: [String: String] {
        var found: [String: String] = [:]
        let root = folder + "/made"
        for case let path as String in FileManager.default.enumerator(atPath: root) ?? .init() {
            let data = FileManager.default.contents(atPath: "\(root)/\(path)")
            found[path] = data.map { String(decoding: $0, as: UTF8.self) } ?? "/"
        }
        return found
    }
}

@Suite struct UnpackingTests {
    private static let deep =
        "\(String(repeating: "long-", count: 30))/\(String(repeating: "ü", count: 60)).txt"

    /// A folder as the system's tar writes it.
    @Test(arguments: ["gnu", "pax", "ustar", "v7"], [false, true])
    func `what tar writes comes out as it went in`(format: String, isGzip: Bool) throws {
        let desk = try Desk()
        let source = desk.folder + "/source"
        let long = ["gnu", "pax"].contains(format) ? Self.deep : "b/c.txt"
        let large = String(repeating: "0123456789", count: 100_000)
        for (path, text) in [("a.txt", "one"), (long, "two"), ("empty", ""), ("large", large)] {
            let file = "\(source)/\(path)"
            try Files.makeFolder((file as NSString).deletingLastPathComponent)
            try Data(text.utf8).write(to: URL(filePath: file))
        }
        try Files.makeFolder(source + "/nothing")
        try runProgram(
            "tar",
            ["--format", format, isGzip ? "-czf" : "-cf", desk.archive, "-C", source, "."],
        )
        #expect(try desk.unpack())
        let made = desk.made
        #expect(made["set/a.txt"] == "one" && made["set/\(long)"] == "two")
        #expect(made["set/empty"] == "" && made["set/nothing"] == "/")
        #expect(made["set/large"] == large && made["set/.aside"] == nil)
    }

    @Test func `a single top folder is left out when it bears the name, and no other`() throws {
        for (top, place) in [("set", "set/train/x"), ("train", "set/train/train/x")] {
            var archive = TestArchive()
            archive.add("\(top)/", type: "5")
            archive.add("\(top)/train/x", text: "x")
            let desk = try Desk(archive.whole)
            try desk.unpack()
            #expect(desk.made[place] == "x", "\(desk.made)")
            #expect(desk.made[".aside"] == nil)
        }
    }

    @Test func `several members of gzip are one file, and padding after them is none`() throws {
        var archive = TestArchive()
        archive.add("a", text: String(repeating: "a", count: 3000))
        let desk = try Desk()
        var parts = Data()
        for part in [archive.whole.prefix(1000), archive.whole.dropFirst(1000)] {
            try Data(part).write(to: URL(filePath: desk.archive))
            parts += try runProgram("gzip", ["-c", desk.archive])
        }
        try (parts + Data(count: 700)).write(to: URL(filePath: desk.archive))
        try desk.unpack()
        #expect(desk.made["set/a"]?.count == 3000)
    }

    private static func one(
        _ name: String = "a",
        _ content: Data = Data("x".utf8),
        type: Character = "0",
        size: Int? = nil,
        spoil: (inout [UInt8]) -> Void = { _ in },
    ) -> Data {
        var archive = TestArchive()
        archive.add("before", text: "fine")
        archive.add(name, content, type: type, size: size, spoil: spoil)
        return archive.whole
    }

    private static func told(_ records: [(String, String)]) -> Data {
        var archive = TestArchive()
        archive.tell(records)
        archive.add("a", text: "x")
        return archive.whole
    }

    private static var twice: Data {
        var archive = TestArchive()
        archive.add("a", text: "1")
        archive.add("./a", text: "2")
        return archive.whole
    }

    private static func inFile(_ type: Character) -> Data {
        var archive = TestArchive()
        archive.add("a", text: "1")
        archive.add("a/b", type: type)
        return archive.whole
    }

    @Test func `what would lead out, or is no plain file, is refused and leaves nothing`() throws {
        let wrong: [(String, Data, String)] = [
            ("absolute", Self.one("/tmp/x"), "an absolute path"),
            ("up", Self.one("a/../../x"), "may lead elsewhere"),
            ("up at once", Self.one(".."), "may lead elsewhere"),
            ("up by an accent", Self.one("a/../../\u{301}x"), "may lead elsewhere"),
            ("up at once by an accent", Self.one("../\u{301}x"), "may lead elsewhere"),
            ("absolute by an accent", Self.one("/\u{301}x"), "an absolute path"),
            ("told path up", Self.told([("path", "../x")]), "may lead elsewhere"),
            ("told absolute path", Self.told([("path", "/etc/x")]), "an absolute path"),
            ("symbolic link", Self.one(type: "2"), "a symbolic link; allowed: files and folders"),
            ("hard link", Self.one(type: "1"), "a hard link"),
            ("device", Self.one(type: "3"), "a device"), ("pipe", Self.one(type: "6"), "a pipe"),
            ("sparse", Self.one(type: "S"), "a sparse file"),
            ("told sparse", Self.told([("GNU.sparse.major", "1")]), "a sparse file"),
            ("unknown type", Self.one(type: "Z"), "of type 90"),
            ("twice", Self.twice, "\"a\" is in it twice"),
            ("file in a file", Self.inFile("0"), "what is a file"),
            ("folder in a file", Self.inFile("5"), "what is a file"),
            ("no name", Self.one("."), "allowed: a file's"),
            ("folder with content", Self.one("d/"), "a folder of 1 bytes"),
            ("name of a zero byte", Self.told([("path", "a\0b")]), "none of them 0"),
            (
                "long part", Self.told([("path", String(repeating: "a", count: 300))]), "255 bytes",
            ),
            (
                "deep", Self.told([("path", String(repeating: "a/", count: 40) + "b")]),
                "32 folders",
            ),
            ("told size", Self.told([("size", "-1")]), "its size is \"-1\""),
            ("negative size", Self.one { $0[124] = 0xff }, "its size is no number"),
            (
                "vast size", Self.one { for i in 124..<136 { $0[i] = i == 124 ? 0x80 : 0xff } },
                "no number",
            ),
            ("letters as a size", Self.one { $0[125] = 0x39 }, "its size is no number"),
            ("large size", Self.one(size: 0o77777777777), "the archive ends within it"),
            (
                "metadata without end", Self.one("x", type: "x", size: 1 << 30),
                "bytes of metadata",
            ),
            ("malformed metadata", Self.one("x", Data("9 a=b\n".utf8), type: "x"), "malformed"),
            (
                "metadata of its own length", Self.one("x", Data("999999 a=b\n".utf8), type: "x"),
                "malformed",
            ),
            ("name in Latin 1", Self.one { $0[0] = 0xe4 }, "no UTF-8"),
            (
                "no sum",
                {
                    var data = Self.one()
                    data[1030] ^= 1
                    return data
                }(), "checksum is wrong",
            ),
            ("no end mark", Data(Self.one().dropLast(1024)), "without its end mark"),
            (
                "cut in content", Data(Self.one("a", Data(count: 5000)).prefix(3000)),
                "ends within it",
            ),
            ("cut in a header", Data(Self.one().prefix(1200)), "without its end mark"),
            ("empty", Data(), "without its end mark"),
            ("end alone", Data(count: 1024), "nothing in it"),
            ("no archive", Data(repeating: 0x41, count: 4096), "no tar archive"),
            ("gzip cut", Data([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), "ends early"),
            (
                "gzip damaged", Data([0x1f, 0x8b] + [UInt8](repeating: 0xff, count: 99)),
                "is damaged",
            ),
        ]
        for (name, data, words) in wrong {
            let desk = try Desk(data)
            do {
                try desk.unpack()
                Issue.record("\(name) was taken: \(desk.made)")
            } catch let error as ArchiveError {
                #expect(error.description.contains(words), "\(name): \(error)")
            }
            #expect(desk.made == [:], "\(name)")
            let names = try FileManager.default.contentsOfDirectory(atPath: desk.folder)
            #expect(names.sorted() == ["archive", "made"], "\(name)")
        }
    }

    /// A bomb: a thousand times what was sent.
    @Test func `nothing is written beyond the room that there is`() throws {
        var archive = TestArchive()
        archive.add("zeros", Data(count: 30 << 20))
        let desk = try Desk(archive.whole)
        try runProgram("gzip", [desk.archive])
        try FileManager.default.moveItem(atPath: desk.archive + ".gz", toPath: desk.archive)
        var written = 0
        #expect(throws: ArchiveError("full")) {
            try desk.unpack(room: { bytes in
                if written + bytes > 10 << 20 { throw ArchiveError("full") }
                written += bytes
            })
        }
        #expect(written > 5 << 20 && desk.made == [:])
    }

    @Test func `a folder that is there stays as it is`() throws {
        let desk = try Desk(Self.one())
        try Files.makeFolder(desk.target)
        try Data("mine".utf8).write(to: URL(filePath: desk.target + "/a"))
        #expect(throws: FileError.self) { try desk.unpack() }
        #expect(desk.made == ["set": "/", "set/a": "mine"])
    }

    @Test func `what is not wanted any more is left`() throws {
        var archive = TestArchive()
        for number in 0..<1000 { archive.add("\(number)", text: "x") }
        let desk = try Desk(archive.whole)
        var asked = 0
        let isDone = try desk.unpack(isWanted: {
            asked += 1
            return asked < 3
        })
        #expect(!isDone && asked == 3 && desk.made == [:])
    }

    /// Any bytes may come: each ends in a folder or an error.
    @Test func `archives with spoilt bytes do not stop the server`() throws {
        var archive = TestArchive()
        archive.tell([("path", "told"), ("size", "3")])
        archive.add("a", text: "abc")
        archive.add("d/", type: "5")
        archive.add("d/b", Data(repeating: 7, count: 600))
        let whole = Array(archive.whole)
        var random = CounterRandom(seed: 1, stream: "archives")
        for round in 0..<200 {
            var bytes = whole
            for _ in 0...(round % 4) {
                bytes[Int.random(in: 0..<bytes.count - 1024, using: &random)] = .random(in: 0...255)
            }
            let desk = try Desk(Data(bytes))
            do {
                try desk.unpack()
            } catch is ArchiveError {
                #expect(desk.made == [:])
            }
        }
    }
}
