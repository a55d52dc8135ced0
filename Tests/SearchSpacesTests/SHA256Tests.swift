import Foundation
import SearchSpaces
import Testing

struct SHA256Tests {
    // The first four are of FIPS 180-4's examples; all by Python's hashlib.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
                + "klmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
    ])
    func `known texts have their known hashes`(text: String, hex: String) {
        #expect(SHA256.digest(Data(text.utf8)).hex == hex)
    }

    // import hashlib
    // b = bytes(i * 7 % 251 for i in range(200))
    // h = hashlib.sha256()
    // for n in range(200): h.update(hashlib.sha256(b[:n]).digest())
    // h.hexdigest()
    @Test func `every length around the block size is padded as the reference pads it`() {
        let bytes = (0..<200).map { UInt8($0 * 7 % 251) }
        var all = SHA256()
        for count in 0..<200 { all.update(SHA256.digest(Array(bytes[..<count])).bytes) }
        #expect(
            all.finalize().hex == "f2eefe7b2cd59138a6af947f3d4e4b5cdedbc2586af178a396b1cd0770bdf290"
        )
    }

    @Test func `pieces hash like the whole, however they are cut`() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let whole = SHA256.digest(bytes)
        var random = CounterRandom(seed: 6)
        for _ in 0..<20 {
            var hash = SHA256()
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + random.below(150))
                hash.update(Array(bytes[start..<end]))
                start = end
            }
            #expect(hash.finalize() == whole)
            #expect(hash.finalize() == whole)
        }
    }

    @Test func `a file hashes like its bytes`() throws {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "sha256-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let bytes = Data((0..<100_001).map { UInt8(truncatingIfNeeded: $0) })
        try bytes.write(to: file)
        #expect(try SHA256.digest(file: file) == SHA256.digest(bytes))
        #expect(throws: (any Error).self) {
            try SHA256.digest(file: file.appendingPathExtension("missing"))
        }
    }
}
