// What a loader reads from: a pure function from a step's number to its batch.

/// A set of images in a fixed order, cut into batches.
///
/// Batch `s` is a function of the set, the settings and `s` alone: any thread may make any batch at
/// any time, and gets the same bytes.
package protocol BatchSource: Sendable {
    associatedtype Batch: Sendable

    /// How many images there are.
    var imageCount: Int { get }
    /// How many batches one reading gives; nil where there is no end (training).
    var stepCount: Int? { get }
    /// Makes the batch of `step`, from 0 on.
    func batch(at step: Int) -> ReadBatch<Batch>
}

/// A batch, and the files that could not take part in it.
package struct ReadBatch<Batch: Sendable>: Sendable {
    /// nil where none of its images could be read.
    package var batch: Batch?
    package var broken: [ImageError]
}

/// How a source is read.
package enum Reading: Hashable, Sendable {
    /// Endless, in another order each epoch, with random augmentation: all of it drawn from `seed`.
    /// An image that cannot be read is replaced by the one after it.
    case training(seed: UInt64)
    /// Once, in order, without augmentation. An image that cannot be read is left out.
    case evaluation

    var seed: UInt64? {
        switch self {
        case .training(let seed): seed
        case .evaluation: nil
        }
    }
}

/// Which images a step reads: what both kinds of source have in common.
struct BatchPlan: Sendable {
    let order: SampleOrder
    let batch: Int
    let reading: Reading

    /// - Parameter groups: of each image, where a batch shall be of one group.
    init(count: Int, batch: Int, reading: Reading, groups: [UInt8]? = nil) {
        precondition(batch > 0)
        order = SampleOrder(
            count: count,
            seed: reading.seed,
            grouping: groups.map { SampleOrder.Grouping(groups: $0, batch: batch) },
        )
        self.batch = batch
        self.reading = reading
    }

    var stepCount: Int? {
        reading == .evaluation ? (order.count + batch - 1) / batch : nil
    }

    /// Reads the images of `step`, each with its place in the batch; what cannot be read is replaced
    /// or left out.
    func read<Picture>(
        _ step: Int,
        _ read: (_ sample: Int) throws(ImageError) -> Picture,
    ) -> (pictures: [(index: Int, sample: Int, picture: Picture)], broken: [ImageError]) {
        var pictures: [(index: Int, sample: Int, picture: Picture)] = []
        var broken: [ImageError] = []
        let start = step * batch
        for index in 0..<batch {
            let tries: Range<Int>
            switch reading {
            case .training: tries = 0..<order.count
            case .evaluation: tries = 0..<(start + index < order.count ? 1 : 0)
            }
            for offset in tries {
                let sample = order.sample(at: start + index + offset)
                do {
                    pictures.append((index, sample, try read(sample)))
                    break
                } catch {
                    broken.append(error)
                }
            }
            // Nothing at all could be read: the places that follow would find the same.
            if pictures.isEmpty, broken.count >= order.count { break }
        }
        return (pictures, broken)
    }
}
