// The demo's pictures: that a cut-out is laid cleanly, and that the sets are as promised.

import Annotations
import Foundation
import SearchSpaces
import Testing

@testable import Datasets

@Suite struct DemoTests {
    static let sources = try? DemoSources()
    static let areInstalled = sources != nil
    static let needs: Comment = """
        needs the Debian packages tuxpaint-stamps-default and lomiri-wallpapers-16.04
        """

    /// A red square of 40 pixels in a frame of transparent green.
    static func square() throws -> Cutout {
        var pixels: [UInt8] = []
        for y in 0..<60 {
            for x in 0..<60 {
                let inside = (10..<50).contains(x) && (10..<50).contains(y)
                pixels += inside ? [200, 0, 0, 255] : [0, 255, 0, 0]
            }
        }
        return try #require(Cutout(pixels: pixels, size: ImageSize(height: 60, width: 60)))
    }

    @Test func `a cut-out is cropped to what is seen, and small or thin ones are passed over`()
        throws
    {
        #expect(try Self.square().size == ImageSize(height: 40, width: 40))
        func cutout(_ isSeen: (Int, Int) -> Bool) -> Cutout? {
            var pixels: [UInt8] = []
            for y in 0..<50 {
                for x in 0..<50 { pixels += [9, 9, 9, isSeen(x, y) ? 255 : 64] }
            }
            return Cutout(pixels: pixels, size: ImageSize(height: 50, width: 50))
        }
        #expect(cutout { x, y in x < 29 && y < 50 } == nil)
        #expect(cutout { x, y in x < 30 && y < 50 } != nil)
        #expect(cutout { x, y in x == y } == nil)
        #expect(cutout { _, _ in false } == nil)
    }

    @Test(arguments: [0.0, 0.2, -0.26])
    func `scaling and turning bring in no colour from behind the mask`(angle: Double) throws {
        let layer = try Self.square().rendered(.init(longerSide: 23.4, angle: angle))
        for pixel in layer.pixels {
            #expect(pixel[1] == 0 && pixel[2] == 0)
            #expect(pixel[3] <= 255.01 && pixel[0] <= pixel[3] * 200 / 255 + 0.01)
        }
        let area = layer.pixels.map { $0[3] / 255 }.reduce(0, +)
        #expect(abs(area - 23 * 23) < 2)
    }

    @Test func `a positive angle turns counter-clockwise`() {
        var layer = Layer(size: ImageSize(height: 1, width: 21))
        layer.pixels[20] = SIMD4(repeating: 255)
        let turned = layer.turned(by: .pi / 2)
        #expect(turned.size == ImageSize(height: 22, width: 2 + 1))
        let top = turned.pixels.prefix(9).map { $0[3] }.reduce(0, +)
        #expect(abs(top - 255) < 1)
    }

    @Test func `a box holds exactly the pixels that changed`() throws {
        let layer = try Self.square().rendered(.init(longerSide: 20))
        var image = Fixtures.gradient(height: 50, width: 50, blue: 255)
        let before = image
        let (box, area) = try #require(layer.seen(atX: 35, y: -4, in: image.size))
        #expect(box == Box(x: 35, y: 0, width: 15, height: 16))
        #expect(area == 240)
        layer.lay(on: &image, atX: 35, y: -4)
        for y in 0..<50 {
            for x in 0..<50 {
                let inside = x >= 35 && y < 16
                #expect(image[y, x] == (inside ? [200, 0, 0] : before[y, x]))
            }
        }
        #expect(layer.seen(atX: 60, y: 0, in: image.size) == nil)
    }

    // sha1sum; the second is longer than one block.
    @Test func `SHA-1 of known texts`() {
        #expect(SHA1.hex(of: "abc") == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(
            SHA1.hex(of: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
                == "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        )
    }

    @Test func `an unknown class is answered with the known ones`() throws {
        #expect(try DemoClass.named(["fruit", "coin"]).map(\.name) == ["fruit", "coin"])
        #expect(try DemoClass.named(["all"]).count == 8)
        let error = #expect(throws: DatasetError.self) { try DemoClass.named(["dog"]) }
        #expect(error?.description.contains("bird, mammal, fruit") == true)
    }

    @Test func `missing packages are answered with what to run`() throws {
        let error = #expect(throws: DatasetError.self) {
            try DemoSources(root: URL(filePath: "/no/such"))
        }
        #expect(error?.code == .missingSources)
        #expect(error?.description.contains("apt-get install --no-install-recommends") == true)
        #expect(error?.description.contains("dpkg-deb -x") == true)
    }

    @Test(
        .enabled(if: areInstalled, needs),
        arguments: [
            ("fruit", 26), ("flower", 24), ("coin", 20), ("roadsign", 20), ("vegetable", 17),
        ],
    )
    func `each class has the cut-outs that it should`(name: String, count: Int) throws {
        let kind = try #require(DemoClass.named([name]).first)
        let split = try #require(Self.sources).cutouts(of: kind)
        #expect(split.train.count + split.val.count == count)
        #expect(split.val.count == count / 4)
    }

    @Test(.enabled(if: areInstalled, needs))
    func `a set has the promised files, the same every time, and is never overwritten`() throws {
        let sources = try #require(Self.sources)
        var demo = DemoDataset(classes: try DemoClass.named(["coin", "roadsign"]))
        demo.size = 96
        demo.detection = (6, 2)
        demo.classification = (4, 2)
        try Fixtures.withFolder { root in
            let (one, two) = (root.appending(path: "one"), root.appending(path: "two"))
            try FileManager.default.createDirectory(at: one, withIntermediateDirectories: true)
            #expect(try demo.write(to: one, from: sources) == .made)
            #expect(try demo.write(to: two, from: sources) == .made)
            #expect(try demo.write(to: one, from: sources) == .present)
            let files = try FileManager.default.subpathsOfDirectory(atPath: one.path).sorted()
            #expect(
                try FileManager.default.subpathsOfDirectory(atPath: two.path).sorted() == files
            )
            for file in files where file.contains(".") {
                #expect(
                    try Data(contentsOf: one.appending(path: file))
                        == Data(contentsOf: two.appending(path: file))
                )
            }
            #expect(files.contains("detection/images/train_000006.jpg"))
            #expect(files.contains("classification/val/roadsign/000002.jpg"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: root.path).count == 2)

            let detection = one.appending(path: "detection")
            let (dataset, problems) = try CocoDataset.read(
                contentsOf: detection.appending(path: "annotations/instances_train.json")
            )
            #expect(problems.isEmpty)
            #expect(dataset.categoryIDs == [6, 7])
            #expect(dataset.annotations.allSatisfy { $0.box.width >= 8 && $0.box.height >= 8 })
            #expect(dataset.annotations.allSatisfy { $0.area <= $0.box.area && $0.area > 30 })
            let set = try DetectionSet(
                dataset: dataset,
                imageRoot: detection.appending(path: "images"),
                purpose: .training,
            )
            #expect(set.items.count == 6 && set.droppedObjects == 0)
            #expect(set.items.allSatisfy { (1...3).contains($0.boxes.count) })
            let source = DetectionSource(
                set,
                transform: DetectionTransform(shortSide: 64),
                batch: 6,
                reading: .evaluation,
            )
            #expect(source.batch(at: 0).broken.isEmpty)

            demo.seed = 1
            let error = #expect(throws: DatasetError.self) {
                try demo.write(to: one, from: sources)
            }
            #expect(error?.code == .badTarget)
        }
    }

    @Test(.enabled(if: areInstalled, needs))
    func `a folder with other things in it is left alone`() throws {
        let sources = try #require(Self.sources)
        try Fixtures.withFolder { root in
            try Fixtures.write([1], to: root.appending(path: "mine.txt"))
            let demo = DemoDataset(classes: DemoClass.all)
            let error = #expect(throws: DatasetError.self) {
                try demo.write(to: root, from: sources)
            }
            #expect(error?.description.hasSuffix("is not empty; choose another folder") == true)
        }
    }
}
