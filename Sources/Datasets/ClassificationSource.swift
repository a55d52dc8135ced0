// Batches for a classifier: crop, colour jitter, flip and normalisation, from file to NHWC floats.

import Foundation
import SearchSpaces

/// Images and their labels, as a network reads them.
package struct ClassificationBatch: Sendable {
    package var count: Int
    package var height: Int
    package var width: Int
    /// `[count, height, width, 3]`, normalised.
    package var pixels: [Float]
    /// `[count]`.
    package var labels: [Int64]
    /// The file of each image, below the set's folder.
    package var names: [String]
}

/// What is done to an image between its file and the network.
package struct ClassificationTransform: Hashable, Sendable {
    /// Both sides of the network's input, pixels.
    package var size: Int
    package var pixels: PixelFormat
    /// Training only.
    package var crop: RandomCrop
    /// Training only: strength of brightness, contrast and saturation.
    package var jitter: Double
    /// Training only: probability of a horizontal flip.
    package var flip: Double
    /// Evaluation only: what the short side is resized to, as a multiple of `size`.
    package var evaluationResize: Double

    package init(
        size: Int = 224,
        pixels: PixelFormat = .imageNet,
        crop: RandomCrop = RandomCrop(),
        jitter: Double = 0.4,
        flip: Double = 0.5,
        evaluationResize: Double = 256 / 224,
    ) {
        self.size = size
        self.pixels = pixels
        self.crop = crop
        self.jitter = jitter
        self.flip = flip
        self.evaluationResize = evaluationResize
    }
}

/// An `ImageFolder` as batches.
package struct ClassificationSource: BatchSource {
    package let folder: ImageFolder
    package let transform: ClassificationTransform
    private let plan: BatchPlan
    /// The samples that are read: all, some, or every n-th.
    private let samples: [Int]?
    private let cache: ImageCache

    /// - Parameters:
    ///   - samples: the numbers of those that are read; nil: all.
    ///   - limit: evaluates only so many images, spread evenly over the set and so over its classes.
    ///   - cacheBytes: how much memory may hold decoded images; changes no result.
    package init(
        _ folder: ImageFolder,
        transform: ClassificationTransform,
        batch: Int,
        reading: Reading,
        samples: [Int]? = nil,
        limit: Int? = nil,
        cacheBytes: Int = 0,
    ) {
        self.folder = folder
        self.transform = transform
        let all = samples?.count ?? folder.count
        if let limit, limit < all {
            let limit = max(1, limit)
            self.samples = (0..<limit).map { place in
                let sample = place * all / limit
                return samples?[sample] ?? sample
            }
        } else {
            self.samples = samples
        }
        plan = BatchPlan(count: self.samples?.count ?? all, batch: batch, reading: reading)
        cache = ImageCache(maxBytes: cacheBytes)
    }

    package var imageCount: Int { plan.order.count }
    package var stepCount: Int? { plan.stepCount }

    package func batch(at step: Int) -> ReadBatch<ClassificationBatch> {
        let size = transform.size
        let (pictures, broken) = plan.read(step) { sample throws(ImageError) in
            try picture(samples?[sample] ?? sample)
        }
        guard !pictures.isEmpty else { return ReadBatch(batch: nil, broken: broken) }
        let each = size * size * 3
        let total = pictures.count * each
        let pixels = [Float](unsafeUninitializedCapacity: total) { target, filled in
            guard let base = target.baseAddress else { return }
            for (place, entry) in pictures.enumerated() {
                write(entry.picture, step: step, index: entry.index, to: base + place * each)
            }
            filled = total
        }
        let chosen = pictures.map { samples?[$0.sample] ?? $0.sample }
        return ReadBatch(
            batch: ClassificationBatch(
                count: pictures.count,
                height: size,
                width: size,
                pixels: pixels,
                labels: chosen.map { Int64(folder.label(of: $0)) },
                names: chosen.map { folder.name(of: $0) },
            ),
            broken: broken,
        )
    }

    /// In evaluation the finished crop. In training the image with some resolution to spare, as a
    /// crop may be a small part: at least twice the input on its short side where the file has that.
    private func picture(_ sample: Int) throws(ImageError) -> DecodedImage {
        try cache.image(sample) { () throws(ImageError) in
            let file = try ImageFile(path: folder.path(of: sample))
            switch plan.reading {
            case .training:
                let side = 2 * transform.size
                let image = try file.decoded(atLeast: ImageSize(height: side, width: side))
                return DecodedImage(image: image, originalSize: file.size)
            case .evaluation:
                let crop = centreCrop
                let image = try file.decoded(
                    atLeast: ImageSize(height: crop.shortSide, width: crop.shortSide)
                )
                let region = crop.region(in: file.size).scaled(from: file.size, to: image.size)
                let size = ImageSize(height: transform.size, width: transform.size)
                return DecodedImage(
                    image: image.resized(to: size, from: region, isolated: false),
                    originalSize: file.size,
                )
            }
        }
    }

    private var centreCrop: CentreCrop {
        let side = (Double(transform.size) * transform.evaluationResize).rounded()
        return CentreCrop(size: transform.size, shortSide: Int(max(1, min(side, 1e6))))
    }

    private func write(
        _ picture: DecodedImage,
        step: Int,
        index: Int,
        to target: UnsafeMutablePointer<Float>,
    ) {
        let size = transform.size
        guard let seed = plan.reading.seed else {
            transform.pixels.write(picture.image, flipped: false, to: target, stride: size * 3)
            return
        }
        var random = CounterRandom(
            seed: seed,
            stream: "augmentation",
            UInt64(step),
            UInt64(index),
        )
        let region = transform.crop.region(in: picture.originalSize, using: &random)
            .scaled(from: picture.originalSize, to: picture.image.size)
        let flipped = random.uniform() < transform.flip
        let jitter = ColorJitter(strength: transform.jitter, using: &random)
        let output = ImageSize(height: size, width: size)
        if jitter.steps.isEmpty {
            picture.image.resample(region, to: output) { y, row in
                transform.pixels.write(
                    row,
                    width: size,
                    flipped: flipped,
                    to: target + y * size * 3,
                )
            }
            return
        }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: size * size * 3) { levels in
            guard let levels = levels.baseAddress else { return }
            picture.image.resample(region, to: output) { y, row in
                (levels + y * size * 3).update(from: row, count: size * 3)
            }
            jitter.apply(to: levels, count: size * size)
            for y in 0..<size {
                transform.pixels.write(
                    levels + y * size * 3,
                    width: size,
                    flipped: flipped,
                    to: target + y * size * 3,
                )
            }
        }
    }
}
