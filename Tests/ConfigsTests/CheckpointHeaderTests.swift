// Headers of checkpoint files, right ones and those that lie.

import SearchSpaces
import Testing

@testable import Configs

@Suite struct CheckpointHeaderTests {
    private static let space =
        #"{\"name\":\"tiny\",\"stem\":8,\"stages\":[{\"width\":16,\"blocks\":1},{\"width\":24,\"blocks\":1},{\"width\":32,\"blocks\":1},{\"width\":48,\"blocks\":1}]}"#
    private static let metadata =
        #""format":"detnas-1","kind":"supernet","step":"12","final":"true","shuffle":"1","dataDigest":"d","config":"{}","pixels":"{}","classes":"[\"a\"]","space":"\#(space)""#
    private static let tensor = #""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#

    private func header(
        _ metadata: String = CheckpointHeaderTests.metadata,
        _ tensors: String = CheckpointHeaderTests.tensor,
        data: Int = 24,
    ) throws(CheckpointHeader.Fault) -> CheckpointHeader {
        try CheckpointHeader(
            parsing: "{\"__metadata__\":{\(metadata)},\(tensors)}".utf8,
            data: data,
        )
    }

    private func fault(_ body: () throws(CheckpointHeader.Fault) -> Void) -> String {
        do throws(CheckpointHeader.Fault) {
            try body()
            return ""
        } catch {
            return error.description
        }
    }

    @Test func `a header tells kind, step, space and shuffle method`() throws {
        let found = try header()
        #expect(found.kind == .supernet && found.step == 12 && found.isFinal)
        #expect(found.shuffle == 1 && found.tensors == 1)
        #expect(found.space.name == "tiny" && found.space.stem == 8)
        let subnet = Self.metadata.replacing(
            "\"supernet\"",
            with: "\"subnet\",\"genome\":\"3,2,1,0\"",
        )
        #expect(try header(subnet).kind == .subnet)
    }

    @Test(arguments: [
        ("detnas-1", "other-1", "format"), ("\"supernet\"", "\"head\"", "kind"),
        ("\"12\"", "\"-1\"", "step"), ("\"12\"", "\"99999999999999999999\"", "step"),
        ("\"12\"", "12", "step"), ("\"shuffle\":\"1\"", "\"shuffle\":\"3\"", "shuffle"),
        ("\"shuffle\":\"1\"", "\"x\":\"1\"", "shuffle"), ("stem\\\":8", "stem\\\":-8", "space"),
        ("stem\\\":8", "stem\\\":9e99", "space"), ("[\\\"a\\\"]", "[]", "classes"),
        ("\"config\":\"{}\"", "\"config\":\"{\"", "config"),
        ("\"supernet\"", "\"subnet\"", "genome"),
        ("\"supernet\"", "\"subnet\",\"genome\":\"9,2,1,0\"", "genome"),
        ("\"supernet\"", "\"detector-supernet\"", "detector"),
        ("\"final\":\"true\"", "\"final\":\"true\",\"final\":\"true\"", "twice"),
    ])
    func `metadata that is not this program's is refused`(old: String, new: String, told: String) {
        let changed = Self.metadata.replacing(old, with: new)
        #expect(changed != Self.metadata)
        let found = fault { () throws(CheckpointHeader.Fault) in _ = try header(changed) }
        #expect(found.contains(told), "\(found)")
    }

    @Test(arguments: [
        (#""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}"#, 20),
        (#""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#, 23),
        (#""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#, 25),
        (#""a":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]}"#, 28),
        (#""a":{"dtype":"F32","shape":[2,3],"data_offsets":[-24,0]}"#, 0),
        (#""a":{"dtype":"F32","shape":[-2,-3],"data_offsets":[0,24]}"#, 24),
        (#""a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,10]}"#, 10),
        (
            #""a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,9223372036854775807]}"#,
            24,
        ),
        (#""a":{"dtype":"F32","shape":[],"data_offsets":[0,9223372036854775808]}"#, 24),
        (#""a":{"dtype":"C64","shape":[],"data_offsets":[0,8]}"#, 8),
        (#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}"#, 4),
        (#""a":{"dtype":"F32","shape":[1]}"#, 4),
        (#""a":[]"#, 4),
        (
            #""a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}"#,
            3,
        ),
        (
            #""a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}"#,
            4,
        ),
    ])
    func `tensors that are not where the header says are refused`(tensors: String, data: Int) {
        let found = fault { () throws(CheckpointHeader.Fault) in
            _ = try header(Self.metadata, tensors, data: data)
        }
        #expect(!found.isEmpty)
    }

    @Test func `a length past the file, or of a lie, is refused`() throws {
        for (bytes, size) in [
            ([], 0), ([1, 0, 0], 3), ([2, 0, 0, 0, 0, 0, 0, 0], 9),
            ([1, 0, 0, 0, 0, 0, 0, 0], 100), ([0, 0, 0, 0, 0, 0, 0, 0x80], 100),
            ([255, 255, 255, 255, 255, 255, 255, 255], 100),
            ([0, 0, 0, 1, 0, 0, 0, 0], 1 << 40),
        ] as [([UInt8], Int)] {
            let found = fault { () throws(CheckpointHeader.Fault) in
                _ = try CheckpointHeader.length(bytes, ofFile: size)
            }
            #expect(!found.isEmpty, "\(bytes)")
        }
        // No pickle: so long may a header be.
        let length = try CheckpointHeader.length([0x80, 2, 0, 0, 0, 0, 0, 0], ofFile: 10_000)
        #expect(length == 640)
    }

    @Test func `no header that was cut short or has a byte changed is more than refused`() throws {
        let text = Array("{\"__metadata__\":{\(Self.metadata)},\(Self.tensor)}".utf8)
        for count in 0..<text.count {
            let found = fault { () throws(CheckpointHeader.Fault) in
                _ = try CheckpointHeader(parsing: text.prefix(count), data: 24)
            }
            #expect(!found.isEmpty)
        }
        var random = SplitMix64(state: 7)
        for _ in 0..<2000 {
            var changed = text
            changed[Int(random.next() % UInt64(text.count))] = UInt8(
                truncatingIfNeeded: random.next()
            )
            _ = try? CheckpointHeader(parsing: changed, data: 24)
        }
    }
}

private struct SplitMix64 {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
