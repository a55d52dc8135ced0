// SHA-256 (FIPS 180-4), for the identity of architectures, checkpoints and data; not for secrets.

package import Foundation

/// An incremental SHA-256.
package struct SHA256: Sendable {
    /// The 32 bytes of a finished hash.
    package struct Digest: Hashable, Sendable, CustomStringConvertible {
        package let bytes: [UInt8]

        /// 64 lowercase hexadecimal digits.
        package var hex: String {
            let digits = Array("0123456789abcdef".utf8)
            return String(
                decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
                as: UTF8.self,
            )
        }

        package var description: String { hex }
    }

    private var state: [UInt32] = [
        0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A,
        0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19,
    ]
    /// Bytes that do not fill a block yet: fewer than 64.
    private var pending: [UInt8] = []
    private var length: UInt64 = 0

    package init() {}

    /// Adds bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        length &+= UInt64(bytes.count)
        var rest = bytes
        if !pending.isEmpty {
            let missing = min(64 - pending.count, rest.count)
            pending.append(contentsOf: rest.prefix(missing))
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(missing))
            if pending.count == 64 {
                pending.withUnsafeBytes { SHA256.compress(&state, $0) }
                pending.removeAll(keepingCapacity: true)
            }
        }
        let whole = rest.count & ~63
        if whole > 0 { SHA256.compress(&state, UnsafeRawBufferPointer(rebasing: rest[..<whole])) }
        pending.append(contentsOf: rest[whole...])
    }

    /// Adds bytes.
    package mutating func update(_ bytes: some ContiguousBytes) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The hash of all bytes so far; more may be added after.
    package func finalize() -> Digest {
        var copy = self
        var padding: [UInt8] = [0x80]
        padding += [UInt8](repeating: 0, count: (119 - pending.count) % 64)
        withUnsafeBytes(of: (length &* 8).bigEndian) { padding += $0 }
        copy.update(padding)
        return Digest(
            bytes: copy.state.flatMap { word in withUnsafeBytes(of: word.bigEndian, Array.init) }
        )
    }

    /// The hash of `bytes`.
    package static func digest(_ bytes: some ContiguousBytes) -> Digest {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finalize()
    }

    /// The hash of a file, read in pieces.
    package static func digest(file: URL) throws -> Digest {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        var hash = SHA256()
        while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
            hash.update(piece)
        }
        return hash.finalize()
    }

    // MARK: One block

    private static let constants: [UInt32] = [
        0x428A_2F98, 0x7137_4491, 0xB5C0_FBCF, 0xE9B5_DBA5, 0x3956_C25B, 0x59F1_11F1, 0x923F_82A4,
        0xAB1C_5ED5, 0xD807_AA98, 0x1283_5B01, 0x2431_85BE, 0x550C_7DC3, 0x72BE_5D74, 0x80DE_B1FE,
        0x9BDC_06A7, 0xC19B_F174, 0xE49B_69C1, 0xEFBE_4786, 0x0FC1_9DC6, 0x240C_A1CC, 0x2DE9_2C6F,
        0x4A74_84AA, 0x5CB0_A9DC, 0x76F9_88DA, 0x983E_5152, 0xA831_C66D, 0xB003_27C8, 0xBF59_7FC7,
        0xC6E0_0BF3, 0xD5A7_9147, 0x06CA_6351, 0x1429_2967, 0x27B7_0A85, 0x2E1B_2138, 0x4D2C_6DFC,
        0x5338_0D13, 0x650A_7354, 0x766A_0ABB, 0x81C2_C92E, 0x9272_2C85, 0xA2BF_E8A1, 0xA81A_664B,
        0xC24B_8B70, 0xC76C_51A3, 0xD192_E819, 0xD699_0624, 0xF40E_3585, 0x106A_A070, 0x19A4_C116,
        0x1E37_6C08, 0x2748_774C, 0x34B0_BCB5, 0x391C_0CB3, 0x4ED8_AA4A, 0x5B9C_CA4F, 0x682E_6FF3,
        0x748F_82EE, 0x78A5_636F, 0x84C8_7814, 0x8CC7_0208, 0x90BE_FFFA, 0xA450_6CEB, 0xBEF9_A3F7,
        0xC671_78F2,
    ]

    @inline(__always)
    private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 {
        (word &>> count) | (word &<< (32 &- count))
    }

    /// One round, with the words in their places: only `d` and `h` change.
    @inline(__always)
    private static func round(
        _ a: UInt32,
        _ b: UInt32,
        _ c: UInt32,
        _ d: inout UInt32,
        _ e: UInt32,
        _ f: UInt32,
        _ g: UInt32,
        _ h: inout UInt32,
        _ input: UInt32,
    ) {
        let first =
            h &+ (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) &+ (g ^ (e & (f ^ g))) &+ input
        d = d &+ first
        h =
            first &+ (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22))
            &+ ((a & b) | (c & (a | b)))
    }

    /// Adds whole blocks of 64 bytes to `state`.
    private static func compress(_ state: inout [UInt32], _ blocks: UnsafeRawBufferPointer) {
        guard let bytes = blocks.baseAddress else { return }
        constants.withUnsafeBufferPointer { constants in
            state.withUnsafeMutableBufferPointer { state in
                withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
                    guard let k = constants.baseAddress, let s = state.baseAddress,
                        let w = schedule.baseAddress
                    else { return }
                    for block in 0..<(blocks.count / 64) {
                        compress(s, bytes + block &* 64, w, k)
                    }
                }
            }
        }
    }

    /// Adds one block; `w` is room for 64 words, `k` the 64 constants.
    @inline(__always)
    private static func compress(
        _ s: UnsafeMutablePointer<UInt32>,
        _ block: UnsafeRawPointer,
        _ w: UnsafeMutablePointer<UInt32>,
        _ k: UnsafePointer<UInt32>,
    ) {
        var i = 0
        while i < 16 {
            w[i] = UInt32(
                bigEndian: block.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self)
            )
            i &+= 1
        }
        while i < 64 {
            let (x, y) = (w[i &- 15], w[i &- 2])
            w[i] =
                w[i &- 16] &+ (rotated(x, 7) ^ rotated(x, 18) ^ (x &>> 3)) &+ w[i &- 7]
                &+ (rotated(y, 17) ^ rotated(y, 19) ^ (y &>> 10))
            i &+= 1
        }
        var (a, b, c, d) = (s[0], s[1], s[2], s[3])
        var (e, f, g, h) = (s[4], s[5], s[6], s[7])
        i = 0
        while i < 64 {
            round(a, b, c, &d, e, f, g, &h, k[i] &+ w[i])
            round(h, a, b, &c, d, e, f, &g, k[i &+ 1] &+ w[i &+ 1])
            round(g, h, a, &b, c, d, e, &f, k[i &+ 2] &+ w[i &+ 2])
            round(f, g, h, &a, b, c, d, &e, k[i &+ 3] &+ w[i &+ 3])
            round(e, f, g, &h, a, b, c, &d, k[i &+ 4] &+ w[i &+ 4])
            round(d, e, f, &g, h, a, b, &c, k[i &+ 5] &+ w[i &+ 5])
            round(c, d, e, &f, g, h, a, &b, k[i &+ 6] &+ w[i &+ 6])
            round(b, c, d, &e, f, g, h, &a, k[i &+ 7] &+ w[i &+ 7])
            i &+= 8
        }
        s[0] = s[0] &+ a
        s[1] = s[1] &+ b
        s[2] = s[2] &+ c
        s[3] = s[3] &+ d
        s[4] = s[4] &+ e
        s[5] = s[5] &+ f
        s[6] = s[6] &+ g
        s[7] = s[7] &+ h
    }
}
