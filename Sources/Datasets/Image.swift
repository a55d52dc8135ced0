// A picture as every part of the input pipeline hands it on: RGB, eight bits, rows from the top.

package import SearchSpaces

/// An RGB picture.
package struct Image: Sendable, Equatable {
    package let height: Int
    package let width: Int
    /// `[height, width, 3]`, red first.
    package var pixels: [UInt8]

    /// - Precondition: `pixels` has `height * width * 3` values.
    package init(height: Int, width: Int, pixels: [UInt8]) {
        precondition(height > 0 && width > 0 && pixels.count == height * width * 3)
        self.height = height
        self.width = width
        self.pixels = pixels
    }

    package var size: ImageSize { ImageSize(height: height, width: width) }
}

extension ImageSize {
    /// Width first, as people say it: `640 x 480`.
    package var text: String { "\(width) x \(height)" }

    /// The size after a quarter turn.
    package var transposed: ImageSize { ImageSize(height: width, width: height) }

    /// Each side divided by `denominator`, rounded up: what a reduced JPEG decode gives.
    func reduced(by denominator: Int) -> ImageSize {
        ImageSize(
            height: (height + denominator - 1) / denominator,
            width: (width + denominator - 1) / denominator,
        )
    }
}

/// Why a picture could not be read or written.
package struct ImageError: Error, Equatable, CustomStringConvertible {
    /// The path of the file, or what stands for it.
    package let file: String
    /// What is wrong with it, as the rest of a sentence: `is not a JPEG or PNG file`.
    package let reason: String

    package init(file: String, reason: String) {
        self.file = file
        self.reason = reason
    }

    package var description: String { "\(file): \(reason)" }
}
