// Random brightness, contrast and saturation, in a random order: torchvision's `ColorJitter`.

package import SearchSpaces

/// One draw of what is done to the colours of a picture.
package struct ColorJitter: Hashable, Sendable {
    /// One step and its factor; 1 changes nothing.
    package enum Step: Hashable, Sendable {
        case brightness(Float)  // towards black
        case contrast(Float)  // towards the mean grey of the picture
        case saturation(Float)  // towards each pixel's own grey
    }

    package var steps: [Step]

    package init(_ steps: [Step]) { self.steps = steps }

    /// Draws the three factors from `1 - strength ... 1 + strength`, not below 0, and their order.
    package init(strength: Double, using random: inout CounterRandom) {
        guard strength > 0 else {
            steps = []
            return
        }
        let range = max(0, 1 - strength)...(1 + strength)
        let order = random.permutation(3)
        let factors = (0..<3).map { _ in Float(random.uniform(in: range)) }
        let all = [
            Step.brightness(factors[0]), .contrast(factors[1]), .saturation(factors[2]),
        ]
        steps = order.map { all[$0] }
    }

    /// Changes `count` RGB pixels in place, levels 0...255; each step's result is kept in that range.
    package func apply(to pixels: UnsafeMutablePointer<Float>, count: Int) {
        for step in steps {
            switch step {
            case .brightness(let factor):
                for i in 0..<(3 * count) { pixels[i] = Self.clamped(pixels[i] * factor) }
            case .contrast(let factor):
                var sum = 0.0
                for i in 0..<count { sum += Double(Self.grey(pixels + 3 * i)) }
                let shift = (1 - factor) * Float(sum / Double(max(count, 1)))
                for i in 0..<(3 * count) { pixels[i] = Self.clamped(pixels[i] * factor + shift) }
            case .saturation(let factor):
                for i in 0..<count {
                    let pixel = pixels + 3 * i
                    let shift = (1 - factor) * Self.grey(pixel)
                    pixel[0] = Self.clamped(pixel[0] * factor + shift)
                    pixel[1] = Self.clamped(pixel[1] * factor + shift)
                    pixel[2] = Self.clamped(pixel[2] * factor + shift)
                }
            }
        }
    }

    private static func grey(_ pixel: UnsafePointer<Float>) -> Float {
        0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
    }

    private static func clamped(_ value: Float) -> Float { max(0, min(255, value)) }
}
