import Foundation
import SearchSpaces
import Testing

struct ArchitectureTests {
    private func architecture() throws -> Architecture {
        let network = try #require(Published.networks.first)
        return try Architecture(space: Fixture.space(network.space), genome: network.genome)
    }

    @Test func `an export reads back as itself, to the byte`() throws {
        let original = try architecture()
        let data = try original.json()
        let read = try JSONDecoder().decode(Architecture.self, from: data)
        #expect(read == original)
        #expect(try read.json() == data)
    }

    @Test func `blocks are readable and the cost says what it counts`() throws {
        let architecture = try architecture()
        #expect(architecture.blocks.count == 20)
        let block = architecture.blocks[8]
        #expect(block.stage == 2 && block.index == 0 && block.stride == 2)
        #expect(block.operation == .xception && block.kernel == 3)
        #expect(block.inputs == 160 && block.outputs == 320)
        #expect(architecture.cost.macs == 288_082_368)
        #expect(architecture.cost.conventions["macs"]?.hasPrefix("A: ") == true)
        let text = String(decoding: try architecture.json(), as: UTF8.self)
        #expect(text.contains(#""genome" : "2,1,2,0,2,1,1,2,3,3,1,3,0,0,3,1,3,1,3,2""#))
        #expect(text.contains(#""operation" : "shuffle_7x7""#))
    }

    // import hashlib, json
    // s = {"genome": "2,1,2,0,2,1,1,2,3,3,1,3,0,0,3,1,3,1,3,2", "space": {"stem": 16,
    //   "lastConv": 1024, "block": "official", "stemBias": False,
    //   "operations": ["shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "shuffle_xception"],
    //   "stages": [{"width": w, "blocks": b} for w, b in zip([64, 160, 320, 640], [4, 4, 8, 4])]}}
    // hashlib.sha256(json.dumps(s, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
    @Test func `the hash is that of the canonical JSON, whatever the space is called`() throws {
        let architecture = try architecture()
        #expect(architecture.hash == "arch_9d0373b78cc16130")
        let space = architecture.space
        let renamed = SearchSpace(name: "other", stem: space.stem, stages: space.stages)
        #expect(
            try Architecture(space: renamed, genome: architecture.genome).hash == architecture.hash
        )
        #expect(
            try Architecture(space: space.with(block: .mmrazor), genome: architecture.genome).hash
                != architecture.hash
        )
    }

    @Test(arguments: [
        (#""macs" : 288082368"#, #""macs" : 288082369"#, "cost does not follow"),
        (#""hash" : "arch_"#, #""hash" : "arch_0"#, "hash does not follow"),
        (#""kernel" : 7"#, #""kernel" : 5"#, "blocks does not follow"),
        (#""genome" : "2,1,2,0,2"#, #""genome" : "2,1,2,0,4"#, "position 4 (stage 1) has \"4\""),
        (#""width" : 320"#, #""width" : 322"#, "space/stages/2/width: is 322 channels"),
        (#""height" : 224"#, #""height" : 0"#, "allowed: 1 to 65536"),
    ])
    func `an export that contradicts itself is refused with the place`(
        original: String,
        changed: String,
        message: String,
    ) throws {
        let text = String(decoding: try architecture().json(), as: UTF8.self)
        #expect(text.contains(original))
        let wrong = text.replacingOccurrences(of: original, with: changed)
        do {
            _ = try JSONDecoder().decode(Architecture.self, from: Data(wrong.utf8))
            Issue.record("was accepted")
        } catch {
            #expect("\(error)".contains(message), "\(error)")
        }
    }

    @Test func `space and genome alone are enough to read`() throws {
        let json = """
            {"space": {"name": "s", "stem": 8, "stages": [{"width": 16, "blocks": 1},
            {"width": 24, "blocks": 1}, {"width": 32, "blocks": 1}, {"width": 40, "blocks": 2}]},
            "genome": [0, 1, 2, 3, 0]}
            """
        let read = try JSONDecoder().decode(Architecture.self, from: Data(json.utf8))
        #expect(read.blocks.map(\.kernel) == [3, 5, 7, 3, 3])
        #expect(read.cost.height == 224)
    }
}
