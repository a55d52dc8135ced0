// What a network expects of its pixels: the order of the channels, and what is zero and one.

/// From 8-bit RGB to a network's input: `(value - mean) / deviation`, channel by channel.
package struct PixelFormat: Hashable, Sendable {
    /// The order of the channels in memory.
    package enum Order: String, Codable, Sendable { case rgb, bgr }

    package var order: Order
    /// In `order`, on the scale 0...255.
    package var mean: [Double]
    /// In `order`, on the scale 0...255.
    package var deviation: [Double]

    /// ImageNet's means and deviations, RGB: what torchvision and mmdetection train on.
    package static let imageNet = PixelFormat()

    /// - Precondition: three values each, deviations not zero.
    package init(
        order: Order = .rgb,
        mean: [Double] = [123.675, 116.28, 103.53],
        deviation: [Double] = [58.395, 57.12, 57.375],
    ) {
        precondition(mean.count == 3 && deviation.count == 3 && !deviation.contains(0))
        self.order = order
        self.mean = mean
        self.deviation = deviation
    }

    /// For output channel `c`, the source channel, and `scale` and `shift` of `value * scale + shift`.
    private func channel(_ c: Int) -> (source: Int, scale: Float, shift: Float) {
        (
            order == .rgb ? c : 2 - c, Float(1 / deviation[c]), Float(-mean[c] / deviation[c]),
        )
    }

    /// Writes one row of `width` RGB pixels, levels 0...255, from right to left where `flipped`.
    @inline(__always)
    func write(
        _ row: UnsafePointer<Float>,
        width: Int,
        flipped: Bool,
        to target: UnsafeMutablePointer<Float>,
    ) {
        let (r, g, b) = (channel(0), channel(1), channel(2))
        var at = flipped ? (width - 1) * 3 : 0
        let step = flipped ? -3 : 3
        for x in 0..<width {
            let pixel = row + 3 * x
            target[at] = pixel[r.source] * r.scale + r.shift
            target[at + 1] = pixel[g.source] * g.scale + g.shift
            target[at + 2] = pixel[b.source] * b.scale + b.shift
            at += step
        }
    }

    /// Writes a whole picture with `stride` values from one row to the next.
    func write(
        _ image: Image,
        flipped: Bool,
        to target: UnsafeMutablePointer<Float>,
        stride: Int,
    ) {
        let (r, g, b) = (channel(0), channel(1), channel(2))
        image.pixels.withUnsafeBufferPointer { pixels in
            guard var pixel = pixels.baseAddress else { return }
            for y in 0..<image.height {
                var to = target + y * stride + (flipped ? (image.width - 1) * 3 : 0)
                let step = flipped ? -3 : 3
                for _ in 0..<image.width {
                    to[0] = Float(pixel[r.source]) * r.scale + r.shift
                    to[1] = Float(pixel[g.source]) * g.scale + g.shift
                    to[2] = Float(pixel[b.source]) * b.scale + b.shift
                    pixel += 3
                    to += step
                }
            }
        }
    }
}
