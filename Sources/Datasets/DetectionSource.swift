// Batches for a detector: short and long side resize, flip, normalisation and padding, with boxes.

package import Annotations
import Foundation
package import SearchSpaces

/// Images of a common size, as a network reads them, and what is in each.
package struct DetectionBatch: Sendable {
    package var count: Int
    /// A multiple of 32, as is `width`; the largest image of the batch fits.
    package var height: Int
    package var width: Int
    /// `[count, height, width, 3]`, normalised; to the right of and below an image there are zeros.
    package var pixels: [Float]
    package var images: [DetectionTarget]
}

/// One image of a batch.
package struct DetectionTarget: Sendable {
    package var imageID: Int64
    package var fileName: String
    /// The whole image, upright.
    package var originalSize: ImageSize
    /// Its part of the batch, from the upper left corner on.
    package var size: ImageSize
    package var isFlipped: Bool
    /// `(x1, y1, x2, y2)` in pixels of the resized (and flipped) image.
    package var boxes: [SIMD4<Float>]
    /// The class of each box, from 0 on.
    package var labels: [Int]

    /// Resized over original width.
    package var scaleX: Double { Double(size.width) / Double(originalSize.width) }
    /// Resized over original height.
    package var scaleY: Double { Double(size.height) / Double(originalSize.height) }

    /// A detection `(x1, y1, x2, y2)` of this image, in pixels of the original and clipped to it.
    package func original(_ box: SIMD4<Float>) -> Box {
        let width = Double(originalSize.width)
        let height = Double(originalSize.height)
        var (x1, x2) = (Double(box[0]) / scaleX, Double(box[2]) / scaleX)
        if isFlipped { (x1, x2) = (width - x2, width - x1) }
        let (y1, y2) = (Double(box[1]) / scaleY, Double(box[3]) / scaleY)
        return Box(
            x1: min(max(x1, 0), width),
            y1: min(max(y1, 0), height),
            x2: min(max(x2, 0), width),
            y2: min(max(y2, 0), height),
        )
    }
}

/// What is done to an image between its file and the network.
package struct DetectionTransform: Hashable, Sendable {
    /// What the short side becomes, pixels, if the long side allows.
    package var shortSide: Int
    /// What the long side may become at most.
    package var longSide: Int
    package var pixels: PixelFormat
    /// Training only: probability of a horizontal flip.
    package var flip: Double
    /// Both sides of a batch are multiples of it.
    package var divisor: Int

    package init(
        shortSide: Int = 800,
        longSide: Int = 1333,
        pixels: PixelFormat = .imageNet,
        flip: Double = 0.5,
        divisor: Int = 32,
    ) {
        self.shortSide = shortSide
        self.longSide = longSide
        self.pixels = pixels
        self.flip = flip
        self.divisor = divisor
    }

    /// The size of a resized image: the ratio is kept up to rounding (as mmdetection's `keep_ratio`).
    package func size(of original: ImageSize) -> ImageSize {
        let (height, width) = (Double(original.height), Double(original.width))
        let scale = min(
            Double(shortSide) / min(height, width),
            Double(longSide) / max(height, width),
        )
        return ImageSize(
            height: max(1, Int(height * scale + 0.5)),
            width: max(1, Int(width * scale + 0.5)),
        )
    }
}

/// A `DetectionSet` as batches.
package struct DetectionSource: BatchSource {
    package let data: DetectionSet
    package let transform: DetectionTransform
    private let plan: BatchPlan
    private let cache: ImageCache

    /// - Parameters:
    ///   - byAspect: whether a training batch is of wide images or of tall ones, as far as annotations tell.
    ///   - cacheBytes: how much memory may hold resized images; changes no result.
    package init(
        _ data: DetectionSet,
        transform: DetectionTransform,
        batch: Int,
        reading: Reading,
        byAspect: Bool = false,
        cacheBytes: Int = 0,
    ) {
        self.data = data
        self.transform = transform
        let groups = data.items.map { item -> UInt8 in
            item.size.map { $0.height > $0.width } ?? false ? 1 : 0
        }
        plan = BatchPlan(
            count: data.items.count,
            batch: batch,
            reading: reading,
            groups: byAspect ? groups : nil,
        )
        cache = ImageCache(maxBytes: cacheBytes)
    }

    package var imageCount: Int { data.items.count }
    package var stepCount: Int? { plan.stepCount }

    package func batch(at step: Int) -> ReadBatch<DetectionBatch> {
        let (pictures, broken) = plan.read(step) { sample throws(ImageError) in
            try picture(sample)
        }
        guard !pictures.isEmpty else { return ReadBatch(batch: nil, broken: broken) }
        func padded(_ side: Int) -> Int {
            (side + transform.divisor - 1) / transform.divisor * transform.divisor
        }
        let height = padded(pictures.map(\.picture.image.height).max() ?? 1)
        let width = padded(pictures.map(\.picture.image.width).max() ?? 1)
        let images = pictures.map { target($0.sample, $0.picture, step: step, index: $0.index) }
        let each = height * width * 3
        var pixels = [Float](repeating: 0, count: pictures.count * each)
        pixels.withUnsafeMutableBufferPointer { target in
            guard let base = target.baseAddress else { return }
            for (place, entry) in pictures.enumerated() {
                transform.pixels.write(
                    entry.picture.image,
                    flipped: images[place].isFlipped,
                    to: base + place * each,
                    stride: width * 3,
                )
            }
        }
        return ReadBatch(
            batch: DetectionBatch(
                count: pictures.count,
                height: height,
                width: width,
                pixels: pixels,
                images: images,
            ),
            broken: broken,
        )
    }

    /// The resized image, before flipping.
    private func picture(_ sample: Int) throws(ImageError) -> DecodedImage {
        try cache.image(sample) { () throws(ImageError) in
            let file = try ImageFile(path: data.path(of: sample))
            let upright = try file.isUpright(annotated: data.items[sample].size)
            let original = upright ? file.size : file.storedSize
            let size = transform.size(of: original)
            let image = try file.decoded(atLeast: size, upright: upright)
            return DecodedImage(image: image.resized(to: size), originalSize: original)
        }
    }

    private func target(
        _ sample: Int,
        _ picture: DecodedImage,
        step: Int,
        index: Int,
    ) -> DetectionTarget {
        let item = data.items[sample]
        var flipped = false
        if let seed = plan.reading.seed {
            var random = CounterRandom(
                seed: seed,
                stream: "augmentation",
                UInt64(step),
                UInt64(index),
            )
            flipped = random.uniform() < transform.flip
        }
        var target = DetectionTarget(
            imageID: item.imageID,
            fileName: item.fileName,
            originalSize: picture.originalSize,
            size: picture.image.size,
            isFlipped: flipped,
            boxes: [],
            labels: item.labels,
        )
        let (scaleX, scaleY) = (target.scaleX, target.scaleY)
        let width = Double(target.size.width)
        target.boxes = item.boxes.map { box in
            let (x1, x2) = (box.x * scaleX, box.maxX * scaleX)
            return SIMD4(
                Float(flipped ? width - x2 : x1),
                Float(box.y * scaleY),
                Float(flipped ? width - x1 : x2),
                Float(box.maxY * scaleY),
            )
        }
        return target
    }
}

extension DetectionSet {
    /// The whole image, turned as its boxes were drawn.
    package func picture(ofImage id: Int64, _ fileName: String) throws(ImageError) -> Image {
        let file = try ImageFile(path: "\(imageRoot.path)/\(fileName)")
        let item = items.first { $0.imageID == id }
        return try file.decoded(upright: file.isUpright(annotated: item?.size))
    }
}

extension ImageFile {
    /// Whether boxes were drawn on the upright image; some tools ignore the camera's orientation.
    ///
    /// - Parameter annotated: the size that the annotations say; nil where they do not.
    /// - Throws: when it is the size of neither.
    func isUpright(annotated: ImageSize?) throws(ImageError) -> Bool {
        guard let annotated, annotated != size else { return true }
        if annotated == storedSize { return false }
        throw ImageError(
            file: name,
            reason: "is \(size.text) pixels, but the annotations say \(annotated.text)",
        )
    }
}
