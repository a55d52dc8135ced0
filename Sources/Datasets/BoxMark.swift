// Boxes with names and scores, drawn on a picture for a human to look at.

package import Annotations
import Foundation
import SearchSpaces

/// One box to draw, and what is written at it.
package struct BoxMark: Sendable {
    package enum Style: Sendable, Hashable {
        /// What a detector found: a line in the colour of the class.
        case found(label: Int)
        /// What the annotations say: a dashed line in white and black.
        case truth
    }

    /// In pixels of the picture.
    package var box: Box
    package var name: String
    package var score: Double?
    package var style: Style

    package init(box: Box, name: String, score: Double? = nil, style: Style) {
        self.box = box
        self.name = name
        self.score = score
        self.style = style
    }

    /// The name, cut so that the whole is no longer than `limit` letters, and the score.
    fileprivate func text(atMost limit: Int) -> [Unicode.Scalar] {
        let number = score.map { BitmapFont.scalars(of: String(format: " %.2f", $0)) } ?? []
        let name = BitmapFont.scalars(of: name)
        return Array((name.prefix(max(1, limit - number.count)) + number).prefix(limit))
    }
}

/// How boxes are drawn.
package struct MarkSettings: Sendable, Hashable {
    /// Pixels of the drawn picture; nil: by its size.
    package var lineWidth: Int?
    /// A picture whose short side is less is enlarged by a whole number, so that names do not cover it.
    package var leastSide: Int

    package init(lineWidth: Int? = nil, leastSide: Int = 360) {
        self.lineWidth = lineWidth
        self.leastSide = leastSide
    }
}

extension Image {
    /// The picture with boxes on it: annotations below, then what was found, the surest on top. Names
    /// come last, each where it covers no surer one if there is such a place.
    package func marked(_ marks: [BoxMark], _ settings: MarkSettings = MarkSettings()) -> Image {
        let short = min(height, width)
        let factor = min(8, max(1, (settings.leastSide + short - 1) / short))
        // A strip of a picture would become too long to be looked at.
        let isStrip = max(height, width) * factor > 8192
        let size = ImageSize(height: height * factor, width: width * factor)
        var drawing = Drawing(
            image: isStrip ? self : resized(to: size),
            scale: isStrip ? 1 : Double(factor),
            settings,
        )
        let order = marks.sorted { ($0.score ?? -1) < ($1.score ?? -1) }
        for mark in order { drawing.outline(mark) }
        let places = drawing.places(for: order.reversed())
        for (mark, place) in zip(order.reversed(), places).reversed() {
            drawing.write(mark, at: place)
        }
        return drawing.image
    }
}

private struct Drawing {
    var image: Image
    /// Pixels of the drawing for one of the picture.
    let scale: Double
    /// Pixels of a line.
    let line: Int
    /// Pixels for one of the font.
    let dot: Int

    init(image: Image, scale: Double, _ settings: MarkSettings) {
        self.image = image
        self.scale = scale
        let short = Double(min(image.height, image.width))
        line = settings.lineWidth ?? max(2, Int((short / 250).rounded()))
        dot = max(1, Int((short / 550).rounded()))
    }

    // MARK: Boxes

    /// Whole pixels of the drawing; at least one in each direction.
    private func frame(_ box: Box) -> (x: Range<Int>, y: Range<Int>) {
        func pixels(_ low: Double, _ high: Double, _ side: Int) -> Range<Int> {
            let limit = Double(side)
            let first = Int(min(max((low * scale).rounded(), 0), limit - 1))
            return first..<max(first + 1, Int(min(max((high * scale).rounded(), 0), limit)))
        }
        return (pixels(box.x, box.maxX, image.width), pixels(box.y, box.maxY, image.height))
    }

    mutating func outline(_ mark: BoxMark) {
        guard mark.box.isFinite else { return }
        let (x, y) = frame(mark.box)
        // A dark edge on both sides lets every colour stand out from a light picture.
        ring(x, y, from: -1, to: line + 1, opacity: 0.55) { _ in .black }
        switch mark.style {
        case .found(let label):
            let colour = Colour(ofClass: label)
            ring(x, y, from: 0, to: line) { _ in colour }
        case .truth:
            let dash = 3 * line
            ring(x, y, from: 0, to: line) { $0 / dash % 2 == 0 ? .white : .black }
        }
    }

    /// Four bars, from `from` pixels inside the frame's edge to `to`; `colour` is that of a place along a bar.
    private mutating func ring(
        _ x: Range<Int>,
        _ y: Range<Int>,
        from: Int,
        to: Int,
        opacity: Double = 1,
        _ colour: (Int) -> Colour,
    ) {
        let (left, right) = (x.lowerBound + from, x.upperBound - from)
        let (top, bottom) = (y.lowerBound + from, y.upperBound - from)
        // Of a frame thinner than two lines the bars would overlap.
        let across = min(to - from, max(1, (right - left + 1) / 2))
        let down = min(to - from, max(1, (bottom - top + 1) / 2))
        for at in left..<max(left, right) {
            fill(at..<at + 1, top..<top + down, colour(at - left), opacity)
            fill(at..<at + 1, bottom - down..<bottom, colour(at - left), opacity)
        }
        let inner = top + down..<max(top + down, bottom - down)
        for at in inner {
            fill(left..<left + across, at..<at + 1, colour(at - top), opacity)
            fill(right - across..<right, at..<at + 1, colour(at - top), opacity)
        }
    }

    // MARK: Names

    struct Place {
        let x: Range<Int>
        let y: Range<Int>
        let text: [Unicode.Scalar]

        func overlaps(_ other: Place) -> Bool { x.overlaps(other.x) && y.overlaps(other.y) }
    }

    /// Where the names of `marks` go, the surest first.
    func places(for marks: some Sequence<BoxMark>) -> [Place?] {
        var taken: [Place] = []
        return marks.map { mark in
            guard mark.box.isFinite else { return nil }
            let candidates = candidates(mark)
            let place =
                candidates.first { candidate in !taken.contains(where: candidate.overlaps) }
                ?? candidates.first
            if let place { taken.append(place) }
            return place
        }
    }

    /// Above the box, at the top within, below it, at the bottom within; of an annotation the lower two first.
    private func candidates(_ mark: BoxMark) -> [Place] {
        let text = mark.text(atMost: max(1, (image.width - 2 * dot) / (BitmapFont.width * dot)))
        let width = text.count * BitmapFont.width * dot + 2 * dot
        let height = BitmapFont.height * dot
        let (x, y) = frame(mark.box)
        let left = max(0, min(x.lowerBound, image.width - width))
        let upper = [y.lowerBound - height, y.lowerBound + line]
        let lower = [y.upperBound, y.upperBound - line - height]
        return (mark.style == .truth ? lower + upper : upper + lower).compactMap { top in
            guard top >= 0, top + height <= image.height else { return nil }
            return Place(x: left..<left + width, y: top..<top + height, text: text)
        }
    }

    mutating func write(_ mark: BoxMark, at place: Place?) {
        guard let place else { return }
        let (ground, ink): (Colour, Colour) =
            switch mark.style {
            case .found(let label): (Colour(ofClass: label), .black)
            case .truth: (.black, .white)
            }
        fill(place.x, place.y, ground, 1)
        for (index, scalar) in place.text.enumerated() {
            let left = place.x.lowerBound + dot + index * BitmapFont.width * dot
            for (row, bits) in BitmapFont.rows(of: scalar).enumerated() {
                let top = place.y.lowerBound + row * dot
                for column in 0..<BitmapFont.width where bits << column & 0x80 != 0 {
                    fill(
                        left + column * dot..<left + (column + 1) * dot,
                        top..<top + dot,
                        ink,
                        1,
                    )
                }
            }
        }
    }

    // MARK: Pixels

    /// What lies outside the picture is passed over.
    private mutating func fill(
        _ x: Range<Int>,
        _ y: Range<Int>,
        _ colour: Colour,
        _ opacity: Double,
    ) {
        let x = x.clamped(to: 0..<image.width)
        let y = y.clamped(to: 0..<image.height)
        for row in y {
            for column in x {
                let at = (row * image.width + column) * 3
                for channel in 0..<3 {
                    let old = Double(image.pixels[at + channel])
                    let new = old + (Double(colour.levels[channel]) - old) * opacity
                    image.pixels[at + channel] = UInt8(new)
                }
            }
        }
    }
}

/// A colour of a drawing.
struct Colour: Hashable, Sendable {
    /// Red, green, blue.
    let levels: SIMD3<UInt8>

    static let black = Colour(levels: SIMD3(0, 0, 0))
    static let white = Colour(levels: SIMD3(255, 255, 255))

    /// One for each class: equally light and strong to the eye, so that black letters can be read on all of them;
    /// neighbours differ by the golden angle, so that few classes and many are told apart.
    ///
    /// Source of the colour space: Ottosson 2020, "A perceptual color space for image processing" (OKLab).
    init(ofClass label: Int) {
        let hue = (29 + 137.508 * Double(label)) * .pi / 180
        let lightness = label / 12 % 2 == 0 ? 0.78 : 0.68
        let (a, b) = (0.15 * cos(hue), 0.15 * sin(hue))
        func cube(_ value: Double) -> Double { value * value * value }
        let l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b)
        let m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b)
        let s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b)
        func level(_ linear: Double) -> UInt8 {
            let value = min(max(linear, 0), 1)
            let curved = value <= 0.0031308 ? 12.92 * value : 1.055 * pow(value, 1 / 2.4) - 0.055
            return UInt8((curved * 255).rounded())
        }
        self.init(
            levels: SIMD3(
                level(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
                level(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
                level(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s),
            )
        )
    }

    private init(levels: SIMD3<UInt8>) { self.levels = levels }
}
