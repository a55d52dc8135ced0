// Decoded pictures kept in memory: decoding is most of what an input pipeline does.

import SearchSpaces
import Synchronization

/// A picture as decoded for a set, and the size that it was decoded from.
struct DecodedImage: Sendable {
    var image: Image
    /// Upright and whole, before any reduction.
    var originalSize: ImageSize
}

/// Keeps the pictures that come first, up to a number of bytes, and then no more.
///
/// It only remembers what a function of the key gives, so its size changes no result. Nothing is ever
/// dropped for something newer: in a loop over a set larger than the cache, that would drop each
/// picture just before it is needed.
final class ImageCache: Sendable {
    private struct State {
        var images: [Int: DecodedImage] = [:]
        var bytes = 0
    }

    private let maxBytes: Int
    private let state = Mutex(State())

    init(maxBytes: Int) { self.maxBytes = maxBytes }

    /// How many bytes of pixels are kept.
    var bytes: Int { state.withLock { $0.bytes } }

    /// What is kept for `key`, or what `make` gives.
    func image(
        _ key: Int,
        _ make: () throws(ImageError) -> DecodedImage,
    )
        throws(ImageError) -> DecodedImage
    {
        guard maxBytes > 0 else { return try make() }
        if let known = state.withLock({ $0.images[key] }) { return known }
        let made = try make()
        state.withLock { state in
            let size = made.image.pixels.count
            guard state.bytes + size <= maxBytes, state.images[key] == nil else { return }
            state.images[key] = made
            state.bytes += size
        }
        return made
    }
}
