// Antialiased bilinear resampling: the triangle filter, widened by the ratio when shrinking.
//
// The same weights as PIL's `resize(BILINEAR)` and torchvision's `antialias=True`. Rows come out one
// by one and in floating point, so that normalisation needs no picture in between; PIL rounds between
// its two passes, which makes a difference of at most one level.

package import SearchSpaces

/// A rectangle within a picture, in pixels; its sides need not fall on whole ones.
package struct Region: Equatable, Sendable {
    package var x: Double
    package var y: Double
    package var width: Double
    package var height: Double

    package init(x: Double, y: Double, width: Double, height: Double) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    /// The whole of a picture.
    package init(_ size: ImageSize) {
        self.init(x: 0, y: 0, width: Double(size.width), height: Double(size.height))
    }

    /// The same part of a picture in another resolution.
    func scaled(from old: ImageSize, to new: ImageSize) -> Region {
        let (sx, sy) = (
            Double(new.width) / Double(old.width), Double(new.height) / Double(old.height),
        )
        return Region(x: x * sx, y: y * sy, width: width * sx, height: height * sy)
    }
}

/// For each output pixel along one axis, the first source pixel and the weights from there on.
struct ResampleWeights {
    private(set) var first: [Int] = []
    private(set) var weights: [Float] = []
    /// Weights for each output pixel; unused ones are zero.
    let taps: Int

    /// Resamples `start ..< start + length` to `count` pixels of a side of `limit`.
    ///
    /// - Parameter isolated: whether nothing outside is looked at, as if it had been cut out before.
    init(start: Double, length: Double, limit: Int, count: Int, isolated: Bool) {
        let scale = length / Double(count)
        let reach = max(scale, 1)
        let low = isolated ? min(max(0, Int(start.rounded(.down))), limit - 1) : 0
        let high =
            isolated ? min(limit, max(low + 1, Int((start + length).rounded(.up)))) : limit
        taps = min(high - low, Int((2 * reach).rounded(.up)))
        first.reserveCapacity(count)
        weights.reserveCapacity(count * taps)
        var window = [Double](repeating: 0, count: taps)
        for i in 0..<count {
            let centre = start + (Double(i) + 0.5) * scale
            let begin = min(max(low, Int(centre - reach + 0.5)), high - 1)
            let end = min(max(begin + 1, Int(centre + reach + 0.5)), high, begin + taps)
            var sum = 0.0
            for k in 0..<taps {
                let distance = abs((Double(begin + k) - centre + 0.5) / reach)
                window[k] = begin + k < end ? max(0, 1 - distance) : 0
                sum += window[k]
            }
            // A window has to stay within the picture to be read at its full width.
            let shift = max(0, begin + taps - limit)
            first.append(begin - shift)
            for k in 0..<taps {
                weights.append(
                    k < shift ? 0 : Float(sum > 0 ? window[k - shift] / sum : k == shift ? 1 : 0)
                )
            }
        }
    }
}

extension Image {
    /// Resamples `region` to `size` and hands over each row when it is done.
    ///
    /// - Parameters:
    ///   - isolated: whether pixels near the border of `region` take nothing from outside it: true is
    ///     cropping before resizing, false the other way round.
    ///   - body: the row's number and its `size.width * 3` values in `0...255`.
    @inline(__always)
    func resample(
        _ region: Region,
        to size: ImageSize,
        isolated: Bool = true,
        _ body: (Int, UnsafePointer<Float>) -> Void,
    ) {
        let rows = ResampleWeights(
            start: region.y,
            length: region.height,
            limit: height,
            count: size.height,
            isolated: isolated,
        )
        let columns = ResampleWeights(
            start: region.x,
            length: region.width,
            limit: width,
            count: size.width,
            isolated: isolated,
        )
        // Only these columns of the source take part.
        let left = columns.first.min() ?? 0
        let right = min(width, (columns.first.max() ?? 0) + columns.taps)
        let span = (right - left) * 3
        withUnsafeTemporaryAllocation(of: Float.self, capacity: span + 1) { column in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: size.width * 3 + 1) { row in
                guard let column = column.baseAddress, let row = row.baseAddress else { return }
                column[span] = 0  // read with the last pixel, as its fourth channel
                pixels.withUnsafeBufferPointer { source in
                    guard let source = source.baseAddress else { return }
                    for y in 0..<size.height {
                        Self.blendRows(
                            source + rows.first[y] * width * 3 + left * 3,
                            stride: width * 3,
                            rows.weights,
                            at: y * rows.taps,
                            taps: rows.taps,
                            into: column,
                            count: span,
                        )
                        Self.blendColumns(
                            column,
                            left: left,
                            columns,
                            into: row,
                            count: size.width,
                        )
                        body(y, row)
                    }
                }
            }
        }
    }

    /// `sum(weight[k] * row[k])`.
    private static func blendRows(
        _ source: UnsafePointer<UInt8>,
        stride: Int,
        _ weights: [Float],
        at offset: Int,
        taps: Int,
        into target: UnsafeMutablePointer<Float>,
        count: Int,
    ) {
        weights.withUnsafeBufferPointer { weights in
            let first = weights[offset]
            for i in 0..<count { target[i] = first * Float(source[i]) }
            for k in 1..<max(taps, 1) where weights[offset + k] != 0 {
                let (weight, row) = (weights[offset + k], source + k * stride)
                for i in 0..<count { target[i] += weight * Float(row[i]) }
            }
        }
    }

    private static func blendColumns(
        _ source: UnsafePointer<Float>,
        left: Int,
        _ columns: ResampleWeights,
        into target: UnsafeMutablePointer<Float>,
        count: Int,
    ) {
        let taps = columns.taps
        columns.first.withUnsafeBufferPointer { first in
            columns.weights.withUnsafeBufferPointer { weights in
                for x in 0..<count {
                    let from = UnsafeRawPointer(source + (first[x] - left) * 3)
                    var sum = SIMD4<Float>.zero
                    for k in 0..<taps {
                        let pixel = from.loadUnaligned(
                            fromByteOffset: k * 12,
                            as: SIMD4<Float>.self,
                        )
                        sum += pixel * weights[x * taps + k]
                    }
                    target[3 * x] = sum[0]
                    target[3 * x + 1] = sum[1]
                    target[3 * x + 2] = sum[2]
                }
            }
        }
    }

    /// The picture, or a part of it, at another size.
    ///
    /// - Parameter isolated: whether pixels near the border of `region` take nothing from outside it.
    package func resized(
        to size: ImageSize,
        from region: Region? = nil,
        isolated: Bool = true,
    ) -> Image {
        let region = region ?? Region(self.size)
        if size == self.size, region == Region(self.size) { return self }
        let count = size.height * size.width * 3
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { target, filled in
            resample(region, to: size, isolated: isolated) { y, row in
                guard let line = target.baseAddress.map({ $0 + y * size.width * 3 }) else { return }
                for i in 0..<(size.width * 3) {
                    // Adding 2^23 leaves the nearest whole number in the lowest bits: a conversion
                    // that, other than `UInt8(_:)`, has no trap and is done for many at once.
                    let level = max(0, min(255, row[i])) + 0x1p23
                    line[i] = UInt8(truncatingIfNeeded: level.bitPattern)
                }
            }
            filled = count
        }
        return Image(height: size.height, width: size.width, pixels: pixels)
    }
}
