// Boxes and names on pictures: where they are, that they can be seen, and that no box can trap.

import Annotations
import SearchSpaces
import Testing

@testable import Datasets

@Suite struct BoxMarkTests {
    private static func plain(_ level: UInt8, height: Int = 400, width: Int = 500) -> Image {
        Image(
            height: height,
            width: width,
            pixels: [UInt8](repeating: level, count: height * width * 3),
        )
    }

    private static let box = Box(x: 100, y: 120, width: 200, height: 150)

    @Test(arguments: [0, 255] as [UInt8])
    func `a line has the colour of its class within a dark edge, and leaves the inside alone`(
        ground: UInt8
    ) {
        let mark = BoxMark(box: Self.box, name: "cell", score: 0.5, style: .found(label: 4))
        let image = Self.plain(ground).marked([mark])
        let levels = Colour(ofClass: 4).levels
        let colour = (0..<3).map { Int(levels[$0]) }
        for (y, x) in [(200, 100), (200, 299), (120, 200), (269, 200)] {
            #expect(image[y, x] == colour)
        }
        // Of a white ground something much darker is left beside the line.
        if ground == 255 { #expect(image[200, 99].max() ?? 255 < 140) }
        #expect(image[200, 200] == [Int](repeating: Int(ground), count: 3))
        #expect(image[300, 50] == [Int](repeating: Int(ground), count: 3))
    }

    @Test func `an annotation is dashed in white and black, under what was found`() {
        let truth = BoxMark(box: Self.box, name: "cell", style: .truth)
        let image = Self.plain(128).marked([truth])
        let along = (130..<260).map { image[$0, 100] }
        #expect(along.contains([255, 255, 255]) && along.contains([0, 0, 0]))
        let found = BoxMark(box: Self.box, name: "cell", score: 0.5, style: .found(label: 0))
        let both = Self.plain(128).marked([found, truth])
        let levels = Colour(ofClass: 0).levels
        #expect(both[200, 100] == (0..<3).map { Int(levels[$0]) })
    }

    @Test func `a name stands above its box, black on the colour, and moves within at the top`() {
        let mark = BoxMark(box: Self.box, name: "I", style: .found(label: 1))
        let levels = Colour(ofClass: 1).levels
        let colour = (0..<3).map { Int(levels[$0]) }
        func letters(_ image: Image, _ rows: Range<Int>) -> (ground: Int, ink: Int) {
            let pixels = rows.flatMap { y in (100..<110).map { image[y, $0] } }
            return (pixels.count { $0 == colour }, pixels.count { $0 == [0, 0, 0] })
        }
        let above = letters(Self.plain(200).marked([mark]), 104..<120)
        // An I is two pixels wide, twelve high, with two bars.
        #expect((20...60).contains(above.ink) && above.ground + above.ink == 160)
        var upper = mark
        upper.box.y = 0
        let within = letters(Self.plain(200).marked([upper]), 2..<18)
        #expect(within.ink == above.ink)
    }

    @Test func `names of boxes at one place do not cover each other`() {
        let marks = (0..<3).map {
            BoxMark(
                box: Self.box,
                name: "name",
                score: 0.9 - 0.1 * Double($0),
                style: .found(label: $0),
            )
        }
        let image = Self.plain(10).marked(marks)
        for label in 0..<3 {
            let levels = Colour(ofClass: label).levels
            let colour = (0..<3).map { Int(levels[$0]) }
            let count = image.pixels.indices.lazy.filter { $0 % 3 == 0 }
                .count { at in (0..<3).allSatisfy { Int(image.pixels[at + $0]) == colour[$0] } }
            // Less than the label's 74 x 16 by its letters.
            #expect(count > 700, "class \(label)")
        }
    }

    @Test func `small pictures are enlarged by a whole number, strips and large ones are not`() {
        #expect(Self.plain(0, height: 144, width: 192).marked([]).size.text == "576 x 432")
        #expect(Self.plain(0, height: 800, width: 1333).marked([]).size.text == "1333 x 800")
        #expect(Self.plain(0, height: 2, width: 5000).marked([]).size.text == "5000 x 2")
    }

    @Test(arguments: [
        Box(x: -50, y: -50, width: 1000, height: 1000), Box(x: 499, y: 399, width: 5, height: 5),
        Box(x: 600, y: 700, width: 10, height: 10), Box(x: 10, y: 10, width: 0, height: 0),
        Box(x: -1e300, y: 0, width: 2e300, height: 1), Box(x: .nan, y: 0, width: 1, height: 1),
        Box(x: 5, y: 5, width: .infinity, height: 2), Box(x: 100, y: 100, width: 3, height: 3),
    ])
    func `no box traps, wherever it is`(box: Box) {
        for style in [BoxMark.Style.truth, .found(label: 1000)] {
            for (height, width) in [(400, 500), (1, 1), (20, 3)] {
                let mark = BoxMark(box: box, name: "naïve 猫\u{0}\n", score: 1, style: style)
                let image = Self.plain(50, height: height, width: width).marked([mark])
                #expect(image.pixels.count == image.height * image.width * 3)
            }
        }
    }

    @Test func `colours of neighbouring classes differ, and black can be read on all of them`() {
        func luminance(_ colour: Colour) -> Double {
            let linear = (0..<3).map { channel -> Double in
                let value = Double(colour.levels[channel]) / 255
                return value <= 0.04045
                    ? value / 12.92
                    : ((value + 0.055) / 1.055).squareRoot() * ((value + 0.055) / 1.055)
                        * ((value + 0.055) / 1.055)
            }
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        }
        let colours = (0..<80).map { Colour(ofClass: $0) }
        #expect(Set(colours).count == 80)
        for colour in colours {
            // WCAG's contrast of text for everybody.
            #expect((luminance(colour) + 0.05) / 0.05 > 4.5)
        }
        for first in 0..<12 {
            for second in 0..<first {
                let (a, b) = (colours[first].levels, colours[second].levels)
                let distance = (0..<3).map { abs(Int(a[$0]) - Int(b[$0])) }.reduce(0, +)
                #expect(distance > 40, "\(first) and \(second)")
            }
        }
    }

    @Test func `a JPEG of full colour keeps thin lines' colours`() throws {
        let mark = BoxMark(box: Self.box, name: "cell", style: .found(label: 2))
        let image = Self.plain(255).marked([mark])
        func error(_ bytes: [UInt8]) throws -> Int {
            let read = try ImageFile(bytes: bytes, name: "a").decoded()
            let levels = Colour(ofClass: 2).levels
            return (130..<260).map { y in
                (0..<3).map { abs(read[y, 100][$0] - Int(levels[$0])) }.max() ?? 0
            }.max() ?? 0
        }
        #expect(try error(image.jpeg(quality: 90, fullColour: true)) < 40)
        #expect(
            try error(image.jpeg(quality: 90, fullColour: true)) < error(image.jpeg(quality: 90))
        )
    }
}

@Suite struct BitmapFontTests {
    @Test
    func `every letter of Latin-1 has a shape of its own, and what it lacks is a question mark`() {
        let text = (0x20...0xFF).compactMap { UnicodeScalar(UInt8($0)) }.map { Character($0) }
        let scalars = BitmapFont.scalars(of: String(text))
        var shapes: [[UInt8]: Unicode.Scalar] = [:]
        for scalar in Set(scalars) {
            let rows = Array(BitmapFont.rows(of: scalar))
            #expect(rows.count == 16)
            #expect(scalar == " " || scalar == "\u{AD}" || rows.contains { $0 != 0 }, "\(scalar)")
            shapes[rows] = scalar
        }
        // Hyphens look alike.
        #expect(shapes.count > 180)
        #expect(BitmapFont.scalars(of: "e\u{301}猫\n") == ["é", "?", "?"])
    }

    /// As the font draws it: two strokes and a bar.
    @Test func `an H is an H`() {
        let rows = BitmapFont.rows(of: "H").map { String($0, radix: 2) }
        #expect(rows.filter { $0 == "11000110" }.count >= 7)
        #expect(rows.contains("11111110"))
    }
}
