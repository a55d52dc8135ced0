// Batches: that they depend on nothing but the step, and that boxes follow their pixels.

import Annotations
import Foundation
import SearchSpaces
import TestSupport
import Testing

@testable import Datasets

@Suite struct BatchTests {
    static let small = ClassificationTransform(size: 8)

    @Test func `each epoch holds every image once, in an order of its own`() {
        let order = SampleOrder(count: 10, seed: 5)
        let epochs = (0..<4).map { order.samples(at: ($0 * 10)..<($0 * 10 + 10)) }
        #expect(epochs.allSatisfy { $0.sorted() == Array(0..<10) })
        #expect(Set(epochs).count == 4)
        #expect(SampleOrder(count: 10, seed: 5).samples(at: 15..<25) == order.samples(at: 15..<25))
        #expect(SampleOrder(count: 10, seed: 6).samples(at: 0..<10) != epochs[0])
    }

    @Test func `grouped batches are of one group each, and an epoch still holds every image`() {
        let groups: [UInt8] = (0..<23).map { $0 % 3 == 0 ? 1 : 0 }
        let grouping = SampleOrder.Grouping(groups: groups, batch: 4)
        let order = SampleOrder(count: 23, seed: 5, grouping: grouping)
        // 15 wide images make four batches, 8 tall ones two.
        var firsts: Set<[UInt8]> = []
        for epoch in 0..<5 {
            let batches = (0..<6).map { batch in
                order.samples(at: (epoch * 24 + batch * 4)..<(epoch * 24 + batch * 4 + 4))
            }
            for batch in batches { #expect(Set(batch.map { groups[$0] }).count == 1) }
            #expect(Set(batches.joined()) == Set(0..<23))
            firsts.insert(batches.map { groups[$0[0]] })
        }
        #expect(firsts.count > 1, "groups come in an order of their own in each epoch")
    }

    @Test func `a set of one group is read as if it were not grouped`() {
        let grouping = SampleOrder.Grouping(groups: [UInt8](repeating: 1, count: 10), batch: 4)
        let grouped = SampleOrder(count: 10, seed: 5, grouping: grouping)
        #expect(grouped.samples(at: 0..<40) == SampleOrder(count: 10, seed: 5).samples(at: 0..<40))
    }

    @Test func `neither threads, nor the first step, nor the cache change a byte`() throws {
        try Fixtures.withFolder { root in
            try Fixtures.makeClasses(root, classes: 3, each: 3)
            let folder = try ImageFolder(root: root)
            func source(cache: Int) -> ClassificationSource {
                ClassificationSource(
                    folder,
                    transform: Self.small,
                    batch: 4,
                    reading: .training(seed: 3),
                    cacheBytes: cache,
                )
            }
            let plain = source(cache: 0)
            let expected = (0..<8).map { plain.batch(at: $0).batch }
            for (threads, first, cache) in [(0, 0, 0), (1, 3, 2000), (3, 0, 1 << 20)] {
                let loader = BatchLoader(source(cache: cache), from: first, threads: threads)
                for step in first..<8 {
                    let batch = try loader.next()
                    #expect(batch?.pixels == expected[step]?.pixels)
                    #expect(batch?.labels == expected[step]?.labels)
                    #expect(batch?.names == expected[step]?.names)
                }
                loader.close()
            }
            #expect(expected[0]?.pixels != expected[1]?.pixels)
        }
    }

    @Test func `evaluation reads every image once and ends with what is left`() throws {
        try Fixtures.withFolder { root in
            try Fixtures.makeClasses(root, classes: 2, each: 3)
            let folder = try ImageFolder(root: root)
            let source = ClassificationSource(
                folder,
                transform: Self.small,
                batch: 4,
                reading: .evaluation,
            )
            let loader = BatchLoader(source, threads: 2)
            var (names, counts) = ([String](), [Int]())
            while let batch = try loader.next() {
                names += batch.names
                counts.append(batch.count)
            }
            #expect(counts == [4, 2])
            #expect(names == (0..<6).map { folder.name(of: $0) })
            let some = ClassificationSource(
                folder,
                transform: Self.small,
                batch: 9,
                reading: .evaluation,
                limit: 2,
            )
            #expect(some.batch(at: 0).batch?.labels == [0, 1])
        }
    }

    @Test func `a broken image is named once and replaced by the next in order`() throws {
        try Fixtures.withFolder { root in
            try Fixtures.makeClasses(root, classes: 2, each: 4)
            try Fixtures.write([0xFF, 0xD8, 0xFF], to: root.appending(path: "a/1.png"))
            let folder = try ImageFolder(root: root)
            let source = ClassificationSource(
                folder,
                transform: Self.small,
                batch: 4,
                reading: .training(seed: 1),
            )
            var warnings: [String] = []
            let loader = BatchLoader(source, threads: 2, maxBroken: 0.2) {
                warnings.append($0.file)
            }
            let order = SampleOrder(count: 8, seed: 1)
            for step in 0..<6 {
                let batch = try #require(try loader.next())
                let expected = (0..<4).map { index in
                    let position = 4 * step + index
                    let sample = order.sample(at: position)
                    return folder.name(of: sample == 1 ? order.sample(at: position + 1) : sample)
                }
                #expect(batch.names == expected)
            }
            #expect(warnings == [folder.path(of: 1)])
            let evaluation = ClassificationSource(
                folder,
                transform: Self.small,
                batch: 4,
                reading: .evaluation,
            )
            #expect(evaluation.batch(at: 0).batch?.names == ["a/0.png", "a/2.png", "a/3.png"])
        }
    }

    @Test(arguments: [0, 2])
    func `too many broken images end the reading with their names`(threads: Int) throws {
        try Fixtures.withFolder { root in
            for number in 0..<9 {
                try Fixtures.write([1], to: root.appending(path: "a/\(number).png"))
            }
            let source = ClassificationSource(
                try ImageFolder(root: root),
                transform: Self.small,
                batch: 3,
                reading: .training(seed: 1),
            )
            let loader = BatchLoader(source, threads: threads, maxBroken: 1)
            let error = #expect(throws: DatasetError.self) { try loader.next() }
            #expect(error?.code == .tooManyBrokenImages)
            #expect(error?.description.contains("9 of 9 images") == true)
            #expect(error?.description.hasSuffix("; ...") == true)
        }
    }

    /// One image with a white rectangle, and its box.
    static func withRectangle<T>(
        file: ImageSize = ImageSize(height: 60, width: 80),
        annotated: ImageSize = ImageSize(height: 60, width: 80),
        _ body: (DetectionSet) throws -> T,
    ) throws -> T {
        try Fixtures.withFolder { root in
            var image = Image(
                height: file.height,
                width: file.width,
                pixels: [UInt8](repeating: 0, count: file.height * file.width * 3),
            )
            for y in 20..<40 {
                for x in 8..<24 {
                    for c in 0..<3 { image.pixels[(y * file.width + x) * 3 + c] = 255 }
                }
            }
            try Fixtures.write(image.png(), to: root.appending(path: "r.png"))
            let dataset = CocoDataset(
                images: [
                    CocoImage(
                        id: 5,
                        fileName: "r.png",
                        width: annotated.width,
                        height: annotated.height,
                    )
                ],
                categories: [CocoCategory(id: 2, name: "rectangle")],
                annotations: [
                    CocoAnnotation(
                        id: 1,
                        imageID: 5,
                        categoryID: 2,
                        box: Box(x: 8, y: 20, width: 16, height: 20),
                    )
                ],
            )
            return try body(
                DetectionSet(dataset: dataset, imageRoot: root, purpose: .training)
            )
        }
    }

    @Test(arguments: [0.0, 1.0])
    func `a box follows its pixels through resize, flip and padding`(flip: Double) throws {
        try Self.withRectangle { set in
            let transform = DetectionTransform(
                shortSide: 30,
                longSide: 1000,
                pixels: PixelFormat(mean: [0, 0, 0], deviation: [255, 255, 255]),
                flip: flip,
            )
            let source = DetectionSource(
                set,
                transform: transform,
                batch: 2,
                reading: .training(seed: 0),
                cacheBytes: 1 << 20,
            )
            let batch = try #require(source.batch(at: 0).batch)
            #expect((batch.count, batch.height, batch.width) == (2, 32, 64))
            let image = batch.images[1]
            #expect(image.size == ImageSize(height: 30, width: 40))
            #expect(image.isFlipped == (flip == 1))
            let box = try #require(image.boxes.first)
            #expect(box == (flip == 1 ? [28, 10, 36, 20] : [4, 10, 12, 20]))
            var (inside, total) = (Float(0), Float(0))
            for y in 0..<32 {
                for x in 0..<64 {
                    let value = batch.pixels[((32 + y) * 64 + x) * 3]
                    total += value
                    let within =
                        Float(x) >= box[0] && Float(x) < box[2] && Float(y) >= box[1]
                        && Float(y) < box[3]
                    if within { inside += value }
                }
            }
            #expect(inside > 0.9 * total && inside > 70)
            #expect(image.original(box) == Box(x: 8, y: 20, width: 16, height: 20))
        }
    }

    @Test func `a file of another size than annotated is broken, and said so`() throws {
        try Self.withRectangle(annotated: ImageSize(height: 30, width: 80)) { set in
            let source = DetectionSource(
                set,
                transform: DetectionTransform(),
                batch: 1,
                reading: .evaluation,
            )
            let read = source.batch(at: 0)
            #expect(read.batch == nil)
            #expect(
                read.broken.first?.reason
                    == "is 80 x 60 pixels, but the annotations say 80 x 30"
            )
        }
    }

    @Test func `boxes drawn before a photograph was turned are read on it unturned`() throws {
        try Fixtures.withFolder { root in
            try Fixtures.write(
                Fixtures.bytes("exif6.jpg"),
                to: root.appending(path: "turned.jpg"),
            )
            func size(annotated width: Int, _ height: Int) throws -> ImageSize? {
                let dataset = CocoDataset(
                    images: [
                        CocoImage(id: 1, fileName: "turned.jpg", width: width, height: height)
                    ],
                    categories: [CocoCategory(id: 1, name: "a")],
                    annotations: [],
                )
                let set = try DetectionSet(
                    dataset: dataset,
                    imageRoot: root,
                    purpose: .evaluation,
                )
                let source = DetectionSource(
                    set,
                    transform: DetectionTransform(shortSide: 24),
                    batch: 1,
                    reading: .evaluation,
                )
                return source.batch(at: 0).batch?.images[0].size
            }
            #expect(try size(annotated: 32, 24) == ImageSize(height: 24, width: 32))
            #expect(try size(annotated: 24, 32) == ImageSize(height: 32, width: 24))
            #expect(try size(annotated: 0, 0) == ImageSize(height: 24, width: 32))
        }
    }

    @Test func `a cache keeps what comes first and never more than its bytes`() throws {
        let cache = ImageCache(maxBytes: 100)
        var made = 0
        for key in [0, 1, 0, 1, 2] {
            _ = try cache.image(key) {
                made += 1
                return DecodedImage(
                    image: Fixtures.gradient(height: 4, width: 4),
                    originalSize: ImageSize(height: 4, width: 4),
                )
            }
        }
        #expect(made == 3)
        #expect(cache.bytes == 96)
    }
}
