import Foundation
import SearchSpaces
import Testing

struct SearchSpaceTests {
    @Test(arguments: SearchSpace.named.values.sorted { $0.name < $1.name }, BlockVariant.allCases)
    func `a named space has no problem and survives JSON`(space: SearchSpace, block: BlockVariant)
        throws
    {
        let space = space.with(block: block)
        #expect(space.validate() == [])
        let data = try JSONEncoder().encode(space)
        #expect(try JSONDecoder().decode(SearchSpace.self, from: data) == space)
        #expect(space.positions.count == space.length)
    }

    @Test func `the miniature has twelve blocks, the large ones forty`() {
        #expect(
            SearchSpace.named.mapValues(\.length) == [
                "detnas-300m": 20, "detnas-1.3g": 40, "detnas-3.8g": 40, "detnas-mini": 12,
            ]
        )
        #expect(SearchSpace.named["detnas-mini"]?.size == "16777216")
    }

    @Test func `the first block of a stage widens at stride 2, the others keep width`() {
        let positions = SearchSpace.named["detnas-300m"]?.positions ?? []
        #expect(positions.indices.filter { positions[$0].stride == 2 } == [0, 4, 8, 16])
        #expect(positions.filter { $0.stride == 2 }.map(\.inputs) == [16, 64, 160, 320])
        #expect(positions.filter { $0.stride == 1 }.allSatisfy { $0.inputs == $0.outputs })
    }

    @Test func `what an inline space leaves out has the defaults`() throws {
        let json = #"{"name":"s","stem":8,"stages":[{"width":16,"blocks":1}]}"#
        let space = try JSONDecoder().decode(SearchSpace.self, from: Data(json.utf8))
        #expect(space.operations == SearchSpaces.Operation.allCases)
        #expect(space.lastConv == 1024 && space.block == .official && !space.stemBias)
    }

    @Test func `every problem is reported with its place`() {
        let space = SearchSpace(
            name: "",
            stem: 0,
            stages: [
                .init(width: 30, blocks: 1), .init(width: 28, blocks: 0),
                .init(width: 8192, blocks: 65),
            ],
            lastConv: -1,
            operations: [.xception, .shuffle3x3, .xception],
        )
        #expect(
            space.validate().map(\.place) == [
                "/name", "/stem", "/lastConv", "/stages", "/operations/2", "/stages/0/width",
                "/stages/1/blocks", "/stages/1/width", "/stages/2/blocks", "/stages/2/width",
            ]
        )
        #expect(
            space.validate().first { $0.place == "/stages/1/width" }?.description
                == "/stages/1/width: is 28 channels after 30; allowed: more than 30 with "
                + "\"block\": \"official\", or \"mmrazor\" blocks"
        )
        let empty = SearchSpace(name: "s", stem: 8, stages: [], operations: [])
        #expect(empty.validate().map(\.place) == ["/stages", "/operations"])
    }

    @Test func `only official blocks need growing widths`() {
        let stages = [16, 16, 12, 12].map { SearchSpace.Stage(width: $0, blocks: 1) }
        let space = SearchSpace(name: "s", stem: 16, stages: stages)
        #expect(space.validate().count == 4)
        #expect(space.with(block: .mmrazor).validate().isEmpty)
    }

    @Test func `sizes of spaces are exact decimals`() throws {
        let stages = [1, 2, 3, 4].map { SearchSpace.Stage(width: 8 * $0, blocks: 10) }
        func size(_ count: Int) -> String {
            SearchSpace(
                name: "s",
                stem: 4,
                stages: stages,
                operations: Array(SearchSpaces.Operation.allCases[..<count]),
            ).size
        }
        // Python: 1 ** 40, 3 ** 40, 4 ** 40
        #expect(size(1) == "1")
        #expect(size(3) == "12157665459056928801")
        #expect(size(4) == "1208925819614629174706176")
    }
}
