// One picture of the demo: cut-outs laid on a photograph, with boxes that are exact.

import Annotations
import Foundation
import SearchSpaces

/// Lays cut-outs on photographs. A picture is a function of the settings, the seed and its number.
struct DemoComposer {
    /// An object that was laid down.
    struct Object {
        /// The class, as a place in `cutouts`.
        var kind: Int
        /// Around all of its pixels that are seen.
        var box: Box
        /// How many those are.
        var area: Int
    }

    /// Both sides of a picture, pixels.
    let size: Int
    let backgrounds: [Image]
    /// For each class.
    let cutouts: [[Cutout]]
    let kinds: [DemoClass]

    /// A detection picture: several objects of any class.
    func scene(_ objects: ClosedRange<Int>, using random: inout CounterRandom) -> (Image, [Object])
    {
        var image = background(using: &random)
        let wanted = objects.lowerBound + random.below(objects.count)
        var laid: [Object] = []
        for _ in 0..<wanted {
            let kind = random.below(kinds.count)
            if let object = lay(
                kind,
                on: &image,
                clearOf: laid.map(\.box),
                scale: 0.14...0.55,
                using: &random,
            ) {
                laid.append(object)
            }
        }
        return (image, laid)
    }

    /// A classification picture: one object of `kind`, large enough to be what the picture shows.
    func portrait(_ kind: Int, using random: inout CounterRandom) -> Image {
        var image = background(using: &random)
        _ = lay(kind, on: &image, clearOf: [], scale: 0.45...0.9, using: &random)
        return image
    }

    /// A random square of a random photograph, of at least 40 % of its short side.
    private func background(using random: inout CounterRandom) -> Image {
        let image = backgrounds[random.below(backgrounds.count)]
        let short = Double(min(image.height, image.width))
        let side = short * random.uniform(in: 0.4...1)
        let region = Region(
            x: (Double(image.width) - side) * random.uniform(),
            y: (Double(image.height) - side) * random.uniform(),
            width: side,
            height: side,
        )
        return image.resized(to: ImageSize(height: size, width: size), from: region)
    }

    /// Draws look and place up to 12 times, until the box is large enough and covers too little of the
    /// others to hide them: under 0.3 of the smaller of the two.
    private func lay(
        _ kind: Int,
        on image: inout Image,
        clearOf others: [Box],
        scale: ClosedRange<Double>,
        using random: inout CounterRandom,
    ) -> Object? {
        for _ in 0..<12 {
            let cutout = cutouts[kind][random.below(cutouts[kind].count)]
            var look = Cutout.Look(longerSide: Double(size) * random.uniform(in: scale))
            look.isMirrored = random.uniform() < 0.5 && kinds[kind].mayBeMirrored
            look.angle = random.uniform(in: -15...15) * .pi / 180
            look.brightness = Float(random.uniform(in: 0.75...1.25))
            look.contrast = Float(random.uniform(in: 0.8...1.2))
            let layer = cutout.rendered(look)
            // Up to a fifth of it may lie outside, on each axis.
            func place(_ side: Int) -> Int {
                let side = Double(side)
                return Int(
                    (random.uniform(in: 0...1) * (Double(size) - 0.6 * side) - 0.2 * side)
                        .rounded()
                )
            }
            let (x, y) = (place(layer.size.width), place(layer.size.height))
            guard let (box, area) = layer.seen(atX: x, y: y, in: image.size),
                box.width >= 8, box.height >= 8,
                others.allSatisfy({ box.intersection($0) < 0.3 * min(box.area, $0.area) })
            else { continue }
            layer.lay(on: &image, atX: x, y: y)
            return Object(kind: kind, box: box, area: area)
        }
        return nil
    }
}

extension Layer {
    /// The places of this layer's pixels that lie in a picture, when its corner lies at `(x, y)`.
    private func visible(atX x: Int, y: Int, in size: ImageSize) -> (Range<Int>, Range<Int>) {
        let columns = max(0, -x)..<max(max(0, -x), min(self.size.width, size.width - x))
        let rows = max(0, -y)..<max(max(0, -y), min(self.size.height, size.height - y))
        return (rows, columns)
    }

    /// The box around the pixels that would be seen in a picture, and their number.
    func seen(atX x: Int, y: Int, in size: ImageSize) -> (box: Box, area: Int)? {
        let (rows, columns) = visible(atX: x, y: y, in: size)
        var (left, right, top, bottom, area) = (Int.max, Int.min, Int.max, Int.min, 0)
        for row in rows {
            for column in columns
            where pixels[row * self.size.width + column][3] > Float(Cutout.threshold) {
                (left, right) = (min(left, column + x), max(right, column + x + 1))
                (top, bottom) = (min(top, row + y), max(bottom, row + y + 1))
                area += 1
            }
        }
        guard area > 0 else { return nil }
        let box = Box(x1: Double(left), y1: Double(top), x2: Double(right), y2: Double(bottom))
        return (box, area)
    }

    /// Lays the layer over a picture.
    func lay(on image: inout Image, atX x: Int, y: Int) {
        let (rows, columns) = visible(atX: x, y: y, in: image.size)
        for row in rows {
            for column in columns {
                let pixel = pixels[row * size.width + column]
                let rest = 1 - pixel[3] / 255
                let at = ((row + y) * image.width + column + x) * 3
                for c in 0..<3 {
                    let level = pixel[c] + rest * Float(image.pixels[at + c])
                    image.pixels[at + c] = UInt8(max(0, min(255, level + 0.5)))
                }
            }
        }
    }
}
