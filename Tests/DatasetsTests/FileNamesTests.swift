import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct FileNamesTests {
    @Test func `names come back in their order, of any bytes`() throws {
        let names: [[UInt8]] = [[0x61], [], [0xFF, 0x00], Array("ä".utf8)]
        let packed = try #require(FileNames(names))
        #expect((0..<packed.count).map { Array(packed[$0]) } == names)
        #expect(FileNames([])?.count == 0)
    }

    @Test func `a folder is listed by bytes, without hidden names`() throws {
        try Fixtures.withFolder { root in
            for name in ["b", "B", "a10", "a9", ".x", "é"] {
                try Fixtures.write([], to: root.appending(path: name))
            }
            let names = try #require(FileNames.list(root.path) { $0 != Array("a9".utf8) })
            #expect(names.map { String(decoding: $0, as: UTF8.self) } == ["B", "a10", "b", "é"])
            #expect(FileNames.list(root.appending(path: "none").path) { _ in true } == nil)
        }
    }

    /// "a-b/1" sorts before "a/1", though "a" does before "a-b".
    @Test func `the digest of folders takes files in the order of their whole names`() throws {
        try Fixtures.withFolder { root in
            for name in ["a/2.png", "a/10.png", "a-b/1.JPG", "a0/1.jpeg"] {
                try Fixtures.write(Array(name.utf8), to: root.appending(path: name))
            }
            var expected = DataDigest()
            for name in ["a-b/1.JPG", "a/10.png", "a/2.png", "a0/1.jpeg"] {
                expected.add(name: name.utf8, path: root.appending(path: name).path)
            }
            let folder = try ImageFolder(root: root)
            #expect(folder.digest() == expected.finish())
            #expect(folder.classes == ["a", "a-b", "a0"])
            #expect(folder.name(of: 2) == "a-b/1.JPG")
        }
    }
}
