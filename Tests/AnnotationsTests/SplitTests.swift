import Annotations
import Testing

private func dataset(_ names: [String]) -> CocoDataset {
    CocoDataset(
        images: names.enumerated().map {
            CocoImage(id: Int64($0 + 1), fileName: $1, width: 10, height: 10)
        },
        categories: [CocoCategory(id: 1, name: "a")],
        annotations: names.indices.map {
            CocoAnnotation(
                id: Int64($0 + 1),
                imageID: Int64($0 + 1),
                categoryID: 1,
                box: Box(x: 0, y: 0, width: 1, height: 1),
            )
        },
    )
}

struct SplitTests {
    private let hundred = dataset((0..<100).map { "image-\($0).jpg" })

    @Test(arguments: [0, 0.004, 0.2, 0.333, 0.5, 1])
    func `a split has the share that was asked for and loses nothing`(share: Double) {
        let (weights, architecture) = hundred.split(architectureShare: share, seed: 3)
        #expect(architecture.images.count == Int((share * 100).rounded()))
        #expect(weights.images.count + architecture.images.count == 100)
        #expect(weights.annotations.count == weights.images.count)
        #expect(architecture.annotations.map(\.imageID) == architecture.images.map(\.id))
        #expect(weights.overlap(with: architecture).isEmpty)
        #expect(architecture.categories == hundred.categories)
    }

    @Test func `a split is the same each time and another with another seed`() {
        let (_, one) = hundred.split(architectureShare: 0.2, seed: 3)
        #expect(one == hundred.split(architectureShare: 0.2, seed: 3).architecture)
        #expect(one != hundred.split(architectureShare: 0.2, seed: 4).architecture)
        #expect(one.images.map(\.id) == one.images.map(\.id).sorted())
    }

    @Test func `the side of an image depends on its name, not on ids or order`() {
        let names = hundred.images.map(\.fileName)
        let (_, one) = hundred.split(architectureShare: 0.3, seed: 9)
        let (_, other) = dataset(names.reversed()).split(architectureShare: 0.3, seed: 9)
        #expect(Set(one.images.map(\.fileName)) == Set(other.images.map(\.fileName)))
    }

    @Test func `a larger share holds the smaller one`() {
        let (_, small) = hundred.split(architectureShare: 0.2, seed: 1)
        let (_, large) = hundred.split(architectureShare: 0.4, seed: 1)
        #expect(Set(small.images).isSubset(of: Set(large.images)))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `images that share a file stay together`(seed: UInt64) {
        let twins = dataset((0..<20).map { "\($0 / 2).jpg" })
        let (weights, architecture) = twins.split(architectureShare: 0.25, seed: seed)
        #expect(weights.overlap(with: architecture).isEmpty)
        #expect(architecture.images.count == 6)
    }

    @Test func `images without names are told apart by id`() {
        let (weights, architecture) = dataset(Array(repeating: "", count: 10))
            .split(architectureShare: 0.5, seed: 0)
        #expect(weights.images.count == 5)
        #expect(architecture.images.count == 5)
        #expect(weights.overlap(with: architecture).isEmpty)
    }

    @Test func `an overlap names the files that two sets share`() {
        #expect(
            dataset(["c", "b", "a"]).overlap(with: dataset(["x", "a", "c"])) == ["a", "c"]
        )
    }

    @Test func `a share that is no share is taken as the nearest one`() {
        #expect(hundred.split(architectureShare: .nan, seed: 0).architecture.images.isEmpty)
        #expect(hundred.split(architectureShare: -1, seed: 0).architecture.images.isEmpty)
        #expect(hundred.split(architectureShare: 7, seed: 0).weights.images.isEmpty)
    }

    @Test func `random bits are splitmix64's, text hashes FNV-1a's`() {
        // The first five outputs for seed 1234567, as in https://rosettacode.org/wiki/
        // Pseudo-random_numbers/Splitmix64; the FNV values are those of its authors' test vectors.
        #expect(
            (0..<5).map { CounterHash.bits(seed: 1_234_567, counter: $0) } == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ]
        )
        #expect(CounterHash.bits(of: "") == 0xcbf2_9ce4_8422_2325)
        #expect(CounterHash.bits(of: "foobar") == 0x8594_4171_f739_67e8)
        #expect(
            (0..<8).map { CounterHash.index(below: 10, seed: 7, counter: $0) }
                == [3, 0, 9, 5, 4, 2, 4, 3]
        )
    }
}
