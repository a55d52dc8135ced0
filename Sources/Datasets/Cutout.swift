// An object cut out of its photograph, and how it is scaled, turned and laid on another.
//
// All resampling is done on premultiplied colours: the invisible colour of transparent pixels then
// weighs nothing, and no edge gets a fringe.

import Foundation
import SearchSpaces

/// A picture of one object with its alpha, cropped to what can be seen.
struct Cutout: Sendable {
    let size: ImageSize
    /// `[height, width, 4]`, red first, not premultiplied.
    private let pixels: [UInt8]
    /// The mean grey of what can be seen, 0...255.
    private let grey: Float

    /// Alpha above this counts as seen: for cropping, boxes and areas.
    static let threshold: UInt8 = 64

    /// Reads a PNG; nil where it is too small (a side under 30 pixels) or covers too little of its own
    /// box (under a quarter) to be told from its background.
    init?(path: String) throws(ImageError) {
        let file = try ImageFile(path: path)
        try self.init(pixels: file.decodedWithAlpha(), size: file.storedSize)
    }

    init?(pixels whole: [UInt8], size: ImageSize) {
        var (left, right, top, bottom, seen) = (size.width, 0, size.height, 0, 0)
        for y in 0..<size.height {
            for x in 0..<size.width where whole[(y * size.width + x) * 4 + 3] > Self.threshold {
                (left, right) = (min(left, x), max(right, x + 1))
                (top, bottom) = (min(top, y), max(bottom, y + 1))
                seen += 1
            }
        }
        let (width, height) = (right - left, bottom - top)
        guard min(width, height) >= 30, 4 * seen >= width * height else { return nil }
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * 4)
        for y in top..<bottom {
            let row = (y * size.width + left) * 4
            pixels += whole[row..<(row + width * 4)]
        }
        var sum: Float = 0
        for i in stride(from: 0, to: pixels.count, by: 4) where pixels[i + 3] > Self.threshold {
            sum +=
                0.299 * Float(pixels[i]) + 0.587 * Float(pixels[i + 1])
                + 0.114 * Float(pixels[i + 2])
        }
        self.size = ImageSize(height: height, width: width)
        self.pixels = pixels
        grey = sum / Float(seen)
    }

    /// How it is to look on a picture.
    struct Look {
        /// The longer side before turning, pixels.
        var longerSide: Double
        var isMirrored = false
        /// Counter-clockwise, radians.
        var angle = 0.0
        var brightness: Float = 1
        var contrast: Float = 1
    }

    /// The cut-out, ready to be laid on a picture.
    func rendered(_ look: Look) -> Layer {
        let scale = look.longerSide / Double(max(size.height, size.width))
        let wanted = ImageSize(
            height: max(1, Int((Double(size.height) * scale).rounded())),
            width: max(1, Int((Double(size.width) * scale).rounded())),
        )
        var layer = resized(to: wanted)
        layer.shade(brightness: look.brightness, contrast: look.contrast, grey: grey)
        if look.isMirrored { layer.mirror() }
        return look.angle == 0 ? layer : layer.turned(by: look.angle)
    }

    private func resized(to wanted: ImageSize) -> Layer {
        func weights(_ from: Int, _ to: Int) -> ResampleWeights {
            ResampleWeights(
                start: 0,
                length: Double(from),
                limit: from,
                count: to,
                isolated: true,
            )
        }
        let rows = weights(size.height, wanted.height)
        let columns = weights(size.width, wanted.width)
        var layer = Layer(size: wanted)
        var row = [SIMD4<Float>](repeating: .zero, count: size.width)
        for y in 0..<wanted.height {
            for x in 0..<size.width {
                var sum = SIMD4<Float>.zero
                for k in 0..<rows.taps {
                    let weight = rows.weights[y * rows.taps + k]
                    if weight != 0 { sum += weight * premultiplied(rows.first[y] + k, x) }
                }
                row[x] = sum
            }
            for x in 0..<wanted.width {
                var sum = SIMD4<Float>.zero
                for k in 0..<columns.taps {
                    sum += columns.weights[x * columns.taps + k] * row[columns.first[x] + k]
                }
                layer.pixels[y * wanted.width + x] = sum
            }
        }
        return layer
    }

    private func premultiplied(_ y: Int, _ x: Int) -> SIMD4<Float> {
        let at = (y * size.width + x) * 4
        let alpha = Float(pixels[at + 3])
        let share = alpha / 255
        return SIMD4(
            share * Float(pixels[at]),
            share * Float(pixels[at + 1]),
            share * Float(pixels[at + 2]),
            alpha,
        )
    }
}

/// Premultiplied pixels with alpha, all on the scale 0...255.
struct Layer {
    let size: ImageSize
    var pixels: [SIMD4<Float>]

    init(size: ImageSize) {
        self.size = size
        pixels = [SIMD4<Float>](repeating: .zero, count: size.height * size.width)
    }

    /// Multiplies by `brightness`, then spreads around `grey` by `contrast`.
    mutating func shade(brightness: Float, contrast: Float, grey: Float) {
        let (scale, shift) = (brightness * contrast, grey * brightness * (1 - contrast))
        for i in pixels.indices {
            let alpha = pixels[i][3]
            var colour = pixels[i] * scale + SIMD4(repeating: shift * alpha / 255)
            colour.clamp(lowerBound: .zero, upperBound: SIMD4(repeating: alpha))
            colour[3] = alpha
            pixels[i] = colour
        }
    }

    mutating func mirror() {
        for y in 0..<size.height {
            pixels[(y * size.width)..<((y + 1) * size.width)].reverse()
        }
    }

    /// The layer turned about its centre, in a larger frame that holds all of it.
    func turned(by angle: Double) -> Layer {
        let (sine, cosine) = (sin(angle), cos(angle))
        let (width, height) = (Double(size.width), Double(size.height))
        var turned = Layer(
            size: ImageSize(
                height: Int((abs(width * sine) + abs(height * cosine)).rounded(.up)) + 1,
                width: Int((abs(width * cosine) + abs(height * sine)).rounded(.up)) + 1,
            )
        )
        for y in 0..<turned.size.height {
            for x in 0..<turned.size.width {
                let dx = Double(x) + 0.5 - Double(turned.size.width) / 2
                let dy = Double(y) + 0.5 - Double(turned.size.height) / 2
                turned.pixels[y * turned.size.width + x] = sample(
                    x: cosine * dx - sine * dy + width / 2 - 0.5,
                    y: sine * dx + cosine * dy + height / 2 - 0.5,
                )
            }
        }
        return turned
    }

    /// Bilinear; all around there is nothing.
    private func sample(x: Double, y: Double) -> SIMD4<Float> {
        let (left, top) = (x.rounded(.down), y.rounded(.down))
        let (fx, fy) = (Float(x - left), Float(y - top))
        func at(_ y: Int, _ x: Int) -> SIMD4<Float> {
            y >= 0 && y < size.height && x >= 0 && x < size.width
                ? pixels[y * size.width + x] : .zero
        }
        let (i, j) = (Int(top), Int(left))
        return (1 - fy) * ((1 - fx) * at(i, j) + fx * at(i, j + 1))
            + fy * ((1 - fx) * at(i + 1, j) + fx * at(i + 1, j + 1))
    }
}
