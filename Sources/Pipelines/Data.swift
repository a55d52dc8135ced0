// Data sets by name: found under the configured roots, checked, and turned into batches.

package import Annotations
package import Configs
import Datasets
import Foundation
import SearchSpaces
import Torch

extension RunContext {
    /// The folder of the data set called `name`.
    func folder(ofDataset name: String) throws -> URL {
        for root in datasetRoots {
            let folder = root.appending(path: name)
            if FileManager.default.fileExists(atPath: folder.path) { return folder }
        }
        let roots = datasetRoots.map(\.lastPathComponent).joined(separator: ", ")
        throw RunError.badData("data set `\(name)` is under none of the roots (\(roots))")
    }

    func warn(_ code: String, _ message: String, images: [String] = []) {
        emit(
            "warning",
            [
                "code": .string(code), "message": .string(message),
                "images": .array(images.map { .string($0) }),
            ],
        )
    }

    func warnOfBroken(_ image: ImageError) {
        warn(
            "broken_image",
            "skipped: \(image.reason)",
            images: [(image.file as NSString).lastPathComponent],
        )
    }
}

/// Lists of images with boxes, found on the disk.
package struct FoundLists: Sendable {
    /// For messages.
    package var name: String
    package var lists: [AnnotationList]
    package var part: SplitPart?

    package init(name: String, lists: [AnnotationList], part: SplitPart? = nil) {
        self.name = name
        self.lists = lists
        self.part = part
    }
}

extension RunContext {
    func lists(_ data: Configs.DetectionData) throws -> FoundLists {
        let folder = try folder(ofDataset: data.dataset)
        return FoundLists(
            name: "\(data.dataset)/\(data.annotations.joined(separator: ", "))",
            lists: data.lists.map {
                AnnotationList(
                    folder.appending(path: $0.path),
                    images: $0.images == "." ? folder : folder.appending(path: $0.images),
                )
            },
            part: data.part,
        )
    }
}

/// The two sides of a classification set.
struct ClassificationSets {
    let train: ImageFolder
    let val: ImageFolder?
    let digest: String

    init(_ context: any RunContext, _ data: ClassificationData) throws {
        let folder = try context.folder(ofDataset: data.dataset)
        do {
            train = try ImageFolder(root: folder.appending(path: data.train))
            val = try data.val.map { try ImageFolder(root: folder.appending(path: $0)) }
            if let val { try train.checkClasses(of: val) }
        } catch {
            throw RunError.badData("\(error)")
        }
        digest = train.digest().description
    }
}

/// One side of a detection set, whole, with what evaluation needs of it.
struct DetectionData {
    let dataset: CocoDataset
    let set: DetectionSet
    let digest: String
    /// Whether VOC's average precision can be told: all lists are VOC's.
    let isVoc: Bool

    /// - Parameter classes: the class names that other data or a network has settled; see
    ///   `AnnotationReading.read(_:classes:)`.
    init(
        _ context: any RunContext,
        _ data: Configs.DetectionData,
        for purpose: DetectionSet.Purpose,
        classes: [String]? = nil,
    ) throws {
        try self.init(context, context.lists(data), for: purpose, classes: classes)
    }

    init(
        _ context: any RunContext,
        _ data: FoundLists,
        for purpose: DetectionSet.Purpose,
        classes: [String]? = nil,
    ) throws {
        do {
            let reading = try AnnotationReading.read(data.lists, classes: classes)
            let problems = reading.problems
            for problem in problems.prefix(20) { context.warn("annotation", "\(problem)") }
            if problems.count > 20 {
                context.warn("annotation", "\(problems.count - 20) further problems like these")
            }
            dataset = data.part.map { reading.dataset.part($0) } ?? reading.dataset
            set = try DetectionSet(
                dataset: dataset,
                imageRoot: reading.imageRoot,
                purpose: purpose,
            )
            digest = set.digest(annotations: reading.files).description
        } catch {
            throw RunError.badData("\(data.name): \(error)")
        }
        isVoc = data.lists.allSatisfy(\.isVoc)
        for missing in set.missingFiles(limit: 5) { context.warnOfBroken(missing) }
    }

    /// `count` of the images, those of a smaller number among them.
    func first(_ count: Int, seed: UInt64) throws -> DetectionData {
        let part = choice(of: count, seed: seed, stream: "rung")
        do {
            return DetectionData(
                dataset: part,
                set: try DetectionSet(
                    dataset: part,
                    imageRoot: set.imageRoot,
                    purpose: .evaluation,
                ),
                digest: "\(digest)/\(count)",
                isVoc: isVoc,
            )
        } catch {
            throw RunError.badData("\(error)")
        }
    }

    /// A seeded choice of the images, in their order.
    func choice(of count: Int, seed: UInt64, stream: String) -> CocoDataset {
        var random = CounterRandom(seed: seed, stream: stream)
        let ids = set.items.map(\.imageID)
        let chosen = Set(random.permutation(ids.count).prefix(count).map { ids[$0] })
        return dataset.keeping { chosen.contains($0.id) }
    }

    private init(dataset: CocoDataset, set: DetectionSet, digest: String, isVoc: Bool) {
        self.dataset = dataset
        self.set = set
        self.digest = digest
        self.isVoc = isVoc
    }

    /// Fails when both sides do not have the same classes in the same order.
    func requireClasses(of other: DetectionData, _ names: (String, String)) throws {
        guard set.classNames != other.set.classNames else { return }
        throw RunError.badData(
            """
            \(names.0) has the classes \(set.classNames.joined(separator: ", ")), \(names.1) has \
            \(other.set.classNames.joined(separator: ", ")); both must have the same in the same order
            """
        )
    }

    /// Fails when both sides hold an image; splits are types.
    func requireDisjoint(from other: DetectionData, _ names: (String, String)) throws {
        let shared = sharedFiles(with: other)
        guard shared.isEmpty else {
            throw RunError.badData(
                "\(names.0) and \(names.1) share \(shared.count) images, among them "
                    + shared.prefix(5).joined(separator: ", ")
            )
        }
    }

    /// The images of this side that are files of the other, or seem to be copies of such: of one name
    /// and size in another folder.
    private func sharedFiles(with other: DetectionData) -> [String] {
        func path(_ image: CocoImage, _ data: DetectionData) -> String {
            "\(data.set.imageRoot.path)/\(image.fileName)"
        }
        func size(_ path: String) -> Int {
            var status = stat()
            return stat(path, &status) == 0 ? Int(status.st_size) : -1
        }
        let others = Dictionary(
            grouping: other.dataset.images.lazy.map { path($0, other) },
            by: { ($0 as NSString).lastPathComponent },
        )
        return dataset.images.filter { image in
            let mine = path(image, self)
            let namesakes = others[(mine as NSString).lastPathComponent] ?? []
            return namesakes.contains { $0 == mine || size($0) == size(mine) }
        }.map(\.fileName).sorted()
    }
}

extension CocoDataset {
    fileprivate func part(_ part: SplitPart) -> CocoDataset {
        let sides = split(
            architectureShare: part.architectureShare,
            seed: UInt64(bitPattern: Int64(part.seed)),
        )
        return part.role == .weights ? sides.weights : sides.architecture
    }
}

extension PixelFormat {
    init(_ pixels: Pixels) {
        self.init(
            order: pixels.order == .rgb ? .rgb : .bgr,
            mean: pixels.mean,
            deviation: pixels.std,
        )
    }
}

extension ClassificationTransform {
    init(_ image: ClassificationImage) {
        self.init(
            size: image.size,
            pixels: PixelFormat(image.pixels),
            crop: RandomCrop(
                scale: image.scale[0]...image.scale[1],
                ratio: image.ratio[0]...image.ratio[1],
            ),
            jitter: image.jitter,
            flip: image.flip,
            evaluationResize: image.evaluationResize,
        )
    }
}

extension DetectionTransform {
    init(_ image: DetectionImage) {
        self.init(
            shortSide: image.shortSide,
            longSide: image.longSide,
            pixels: PixelFormat(image.pixels),
            flip: image.flip,
        )
    }
}

extension Tensor {
    /// `[n, 3, h, w]` with channels innermost, from pixels that already lie so.
    static func images(_ pixels: [Float], count: Int, height: Int, width: Int, _ device: Device)
        throws -> Tensor
    {
        try Tensor(pixels, shape: [count, height, width, 3], device: device).permute([0, 3, 1, 2])
    }
}

/// Every batch of an evaluation set, read once and kept. Neither the order of the set nor its other images have a part in
/// what an image is: batches are of one padded size, and images in them by name.
///
/// Sendable: nothing in it is written after it was made; libtorch's reads of one tensor from several threads are safe.
final class EvaluationBatches: @unchecked Sendable {
    struct Batch {
        var images: Tensor
        var targets: [DetectionTarget]
    }

    let batches: [Batch]

    /// - Parameters:
    ///   - maxBroken: the share of images, 0...1, that may be unreadable.
    ///   - total: how many images the share is of, where `set` is a part of them.
    init(
        _ context: any RunContext,
        _ set: DetectionSet,
        _ image: DetectionImage,
        batch: Int,
        device: Device,
        maxBroken: Double,
        of total: Int? = nil,
    ) throws {
        var batches: [Batch] = []
        try SizedBatches(context, set, image, batch: batch, maxBroken: maxBroken, of: total)
            .visit { batch in
                let images = try Tensor.images(
                    batch.pixels,
                    count: batch.count,
                    height: batch.height,
                    width: batch.width,
                    device,
                )
                batches.append(Batch(images: images, targets: batch.images))
            }
        self.batches = batches
    }
}

/// The images of a set once, in batches of one padded size: what is found in an image does not depend on the others.
struct SizedBatches {
    private let loader: BatchLoader<DetectionSource>
    private let batch: Int

    /// - Parameters:
    ///   - maxBroken: the share of images, 0...1, that may be unreadable.
    ///   - total: how many images the share is of, where `set` is a part of them.
    init(
        _ context: any RunContext,
        _ set: DetectionSet,
        _ image: DetectionImage,
        batch: Int,
        maxBroken: Double,
        of total: Int? = nil,
    ) {
        var transform = DetectionTransform(image)
        transform.flip = 0
        let source = DetectionSource(
            set.arranged(for: transform),
            transform: transform,
            batch: 1,
            reading: .evaluation,
        )
        loader = BatchLoader(source, maxBroken: maxBroken, of: total) { context.warnOfBroken($0) }
        self.batch = batch
    }

    /// May be called once.
    func visit(_ body: (DetectionBatch) throws -> Void) throws {
        defer { loader.close() }
        var open: DetectionBatch?
        while let next = try loader.nextBatch() {
            if open?.append(next, atMost: batch) == true { continue }
            if let full = open { try body(full) }
            open = next
        }
        if let last = open { try body(last) }
    }
}

extension DetectionBatch {
    /// Adds the images of `other`; false, and nothing done, where they have another size or are too many.
    fileprivate mutating func append(_ other: DetectionBatch, atMost most: Int) -> Bool {
        guard (other.height, other.width) == (height, width), count + other.count <= most else {
            return false
        }
        count += other.count
        pixels += other.pixels
        images += other.images
        return true
    }
}
