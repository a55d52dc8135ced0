// Decoding, held to what Pillow reads from the same files (`Fixtures/make.py` prints the numbers).

import Foundation
import SearchSpaces
import Testing

@testable import Datasets

@Suite struct ImageFileTests {
    /// Levels at (row, column) (0, 0), (5, 40), (20, 7) and the last one, from Pillow 13.0.0.
    static let probes: [(name: String, levels: [[Int]])] = [
        ("rgb.jpg", [[0, 0, 122], [200, 29, 47], [35, 120, 52], [236, 209, 94]]),
        ("progressive.jpg", [[0, 1, 124], [198, 30, 43], [35, 120, 53], [236, 207, 103]]),
        ("grey.jpg", [[14, 14, 14], [82, 82, 82], [87, 87, 87], [204, 204, 204]]),
        ("cmyk.jpg", [[0, 0, 120], [200, 30, 46], [35, 120, 53], [235, 209, 94]]),
        ("rgb.png", [[0, 0, 120], [200, 30, 47], [35, 120, 52], [235, 210, 95]]),
        ("deep.png", [[0, 0, 120], [200, 30, 47], [35, 120, 52], [235, 210, 95]]),
        ("interlaced.png", [[0, 0, 120], [200, 30, 47], [35, 120, 52], [235, 210, 95]]),
        ("alpha.png", [[0, 0, 120], [200, 30, 47], [35, 120, 52], [235, 210, 95]]),
        ("grey.png", [[14, 14, 14], [83, 83, 83], [87, 87, 87], [204, 204, 204]]),
        ("la.png", [[14, 14, 14], [83, 83, 83], [87, 87, 87], [204, 204, 204]]),
        ("palette.png", [[25, 21, 161], [205, 21, 44], [25, 126, 74], [205, 183, 148]]),
        ("bilevel.png", [[0, 0, 0], [255, 255, 255], [0, 0, 0], [255, 255, 255]]),
    ]

    @Test(arguments: probes)
    func `a file decodes to the levels that Pillow reads`(name: String, levels: [[Int]]) throws {
        let image = try Fixtures.image(name)
        #expect(image.size == ImageSize(height: 36, width: 48))
        // PNG is exact; two builds of libjpeg may round differently by a level or two.
        let allowed = name.hasSuffix("png") ? 0 : 3
        for ((y, x), expected) in zip([(0, 0), (5, 40), (20, 7), (35, 47)], levels) {
            for (level, wanted) in zip(image[y, x], expected) {
                #expect(abs(level - wanted) <= allowed, "at (\(y), \(x))")
            }
        }
    }

    @Test(arguments: 1...8)
    func `all eight Exif orientations come out upright`(value: Int) throws {
        let file = try ImageFile(path: Fixtures.path("exif\(value).jpg"))
        #expect(file.orientation.rawValue == UInt16(value))
        #expect(file.size == ImageSize(height: 24, width: 32))
        let image = try file.decoded()
        #expect(image.size == file.size)
        for (y, x, wanted) in [
            (3, 3, [255, 255, 255]), (3, 28, [60, 60, 60]), (20, 28, [200, 30, 30]),
            (20, 3, [60, 60, 60]),
        ] {
            for (level, expected) in zip(image[y, x], wanted) {
                #expect(abs(level - expected) < 12)
            }
        }
        let stored = try file.decoded(upright: false)
        #expect(stored.size == (value > 4 ? file.size.transposed : file.size))
    }

    @Test func `a reduced decode is the smallest that is still large enough`() throws {
        let bytes = try Fixtures.gradient(height: 101, width: 203).jpeg(quality: 95)
        let file = try ImageFile(bytes: bytes, name: "gradient")
        func size(_ height: Int, _ width: Int) throws -> ImageSize {
            try file.decoded(atLeast: ImageSize(height: height, width: width)).size
        }
        #expect(try size(13, 26) == ImageSize(height: 13, width: 26))
        #expect(try size(13, 27) == ImageSize(height: 26, width: 51))
        #expect(try size(26, 52) == ImageSize(height: 51, width: 102))
        #expect(try size(52, 1) == ImageSize(height: 101, width: 203))
        #expect(try size(500, 500) == ImageSize(height: 101, width: 203))
        let whole = try file.decoded()
        let half = try file.decoded(atLeast: ImageSize(height: 51, width: 102))
        #expect(whole.resized(to: half.size).difference(half) <= 4)
    }

    @Test func `a reduced decode measures the upright picture`() throws {
        let file = try ImageFile(path: Fixtures.path("exif6.jpg"))
        let image = try file.decoded(atLeast: ImageSize(height: 12, width: 16))
        #expect(image.size == ImageSize(height: 12, width: 16))
    }

    @Test(arguments: ["rgb.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "interlaced.png"])
    func `a file cut anywhere is an error that names it`(name: String) throws {
        let bytes = try Fixtures.bytes(name)
        for length in stride(from: 0, to: bytes.count - 8, by: 31) {
            #expect(throws: ImageError.self, "cut to \(length) of \(bytes.count) bytes") {
                do {
                    _ = try ImageFile(bytes: Array(bytes.prefix(length)), name: "cut.file")
                        .decoded()
                } catch let error as ImageError {
                    #expect(error.file == "cut.file")
                    throw error
                }
            }
        }
    }

    @Test func `damaged bytes never end the process`() throws {
        var random = Xorshift(state: 7)
        for name in ["rgb.jpg", "progressive.jpg", "exif6.jpg", "cmyk.jpg", "palette.png"] {
            let bytes = try Fixtures.bytes(name)
            for _ in 0..<60 {
                var damaged = bytes
                for _ in 0..<4 {
                    damaged[Int(random.next() % UInt64(bytes.count))] =
                        UInt8(truncatingIfNeeded: random.next())
                }
                guard let file = try? ImageFile(bytes: damaged, name: name),
                    file.size.height * file.size.width < 1_000_000
                else { continue }
                _ = try? file.decoded(atLeast: ImageSize(height: 5, width: 5))
            }
        }
    }

    @Test func `what is not a picture says so`() throws {
        func reason(_ bytes: [UInt8]) -> String? {
            do {
                _ = try ImageFile(bytes: bytes, name: "x.jpg")
                return nil
            } catch {
                return error.description
            }
        }
        #expect(reason([]) == "x.jpg: is empty")
        #expect(reason(Array("GIF89a".utf8)) == "x.jpg: is not a JPEG or PNG file")
        #expect(throws: ImageError(file: "/no/such.jpg", reason: "does not exist")) {
            try ImageFile(path: "/no/such.jpg")
        }
        #expect(throws: ImageError(file: "/tmp", reason: "is not a file")) {
            try ImageFile(path: "/tmp")
        }
    }

    @Test func `a picture too large for memory is refused by its header`() throws {
        #expect(throws: ImageError.self) { try ImageFile(path: Fixtures.path("bomb.png")) }
    }

    @Test func `what is encoded decodes again`() throws {
        let image = Fixtures.gradient(height: 33, width: 21, blue: 90)
        #expect(try ImageFile(bytes: image.png(), name: "p").decoded() == image)
        let jpeg = try ImageFile(bytes: image.jpeg(quality: 95), name: "j").decoded()
        #expect(image.difference(jpeg) < 16)
    }

    @Test func `alpha is kept when it is asked for`() throws {
        let pixels = try ImageFile(path: Fixtures.path("alpha.png")).decodedWithAlpha()
        #expect(Array(pixels.prefix(8)) == [0, 0, 120, 0, 5, 0, pixels[6], 4])
        let opaque = try ImageFile(path: Fixtures.path("rgb.png")).decodedWithAlpha()
        #expect(opaque[3] == 255)
    }
}

/// A fixed row of numbers (xorshift).
struct Xorshift: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
