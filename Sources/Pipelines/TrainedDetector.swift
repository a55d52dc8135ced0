// A detector taken from a checkpoint and only used: its weights, and of a supernet one path with exact statistics.

import Annotations
import Configs
import Datasets
import Detectors
import NN
package import SearchSpaces
import Torch

/// What says which detector is meant.
package struct DetectorChoice {
    package var checkpoint: CheckpointFile
    /// The path of a supernet.
    package var path: Path?
    /// The images that set the path's statistics, and how many of them.
    package var train: FoundLists?
    package var recalibrationImages: Int
    package var batch: Int
    /// The share of images, 0...1, that may be unreadable.
    package var maxBroken: Double

    package enum Path: Sendable {
        case letters(String)
        case found(SearchSpace, Genome)
    }

    package init(
        checkpoint: CheckpointFile,
        path: Path? = nil,
        train: FoundLists? = nil,
        recalibrationImages: Int = PredictConfig(checkpoint: .id("")).recalibrationImages,
        batch: Int = PredictConfig(checkpoint: .id("")).batch,
        maxBroken: Double = 1,
    ) {
        self.checkpoint = checkpoint
        self.path = path
        self.train = train
        self.recalibrationImages = recalibrationImages
        self.batch = batch
        self.maxBroken = maxBroken
    }
}

extension DetectorChoice.Path {
    /// The path that a spec names, once other jobs' results are at hand.
    init?(_ choice: PathChoice?, _ inputs: RunInputs) throws {
        switch choice {
        case nil: return nil
        case .letters(let text): self = .letters(text)
        case .reference:
            guard let (space, genome) = inputs.architecture else {
                throw RunError.badCheckpoint("the run was given no architecture")
            }
            self = .found(space, genome)
        }
    }

    /// The genome, as one of the checkpoint's space.
    fileprivate func genome(in space: SearchSpace, of file: String) throws -> Genome {
        switch self {
        case .letters(let text):
            do throws(GenomeError) {
                return try Genome(parsing: text, in: space)
            } catch {
                throw RunError.badCheckpoint(
                    "\(file) is of the space \(space.name), which has no path \(text): \(error)"
                )
            }
        case .found(let other, let genome):
            // Spaces are compared by what is built, not by their names.
            guard Architecture.identity(other, genome) == Architecture.identity(space, genome)
            else {
                throw RunError.badCheckpoint(
                    "\(file) is of the space \(space.name), the architecture of \(other.name)"
                )
            }
            return genome
        }
    }
}

struct TrainedDetector {
    /// The names of the network's classes, in its order.
    let classes: [String]
    let genome: Genome
    let space: SearchSpace
    /// What the statistics were taken from; nil where the checkpoint has its own.
    let train: DetectionData?
    private let choice: DetectorChoice
    private let network: Detector
    private let statistics: NormStatistics?
    private let image: DetectionImage
    private let device: Device
    private let context: any RunContext

    init(_ context: any RunContext, _ choice: DetectorChoice) throws {
        let checkpoint = choice.checkpoint
        let file = checkpoint.url.lastPathComponent
        try checkpoint.check(
            kinds: ["detector", "detector-supernet"],
            space: nil,
            shuffle: nil,
        )
        let metadata = checkpoint.metadata
        let (detector, image) = try metadata.recipe(file)
        let device = try Device(parsing: context.device)
        let isSupernet = metadata.kind == "detector-supernet"
        let path = try choice.path?.genome(in: metadata.space, of: file)
        guard let genome = isSupernet ? path : metadata.genome else {
            throw RunError.badCheckpoint(
                isSupernet
                    ? "\(file) is a detector-supernet: it needs an architecture, one of its paths"
                    : "\(file): its metadata has no `genome`"
            )
        }
        guard isSupernet || path == nil || path == genome else {
            throw RunError.badCheckpoint(
                "\(file) is the architecture \(genome); asked for is \(path?.description ?? "")"
            )
        }
        let plan = NetworkPlan(
            space: metadata.space,
            shuffle: metadata.shuffle,
            only: isSupernet ? nil : genome,
            seed: 0,
            device: device,
        )
        network = try plan.detector(detector, classes: metadata.classes.count)
        try network.parameters.load(from: checkpoint)
        classes = metadata.classes
        space = metadata.space
        self.genome = genome
        self.choice = choice
        self.image = image
        self.device = device
        self.context = context
        guard isSupernet else {
            (train, statistics) = (nil, nil)
            return
        }
        guard let lists = choice.train else {
            throw RunError.badData(
                "\(file) is a detector-supernet: a path needs training images for its statistics"
            )
        }
        let train = try DetectionData(context, lists, for: .training, classes: metadata.classes)
        let chosen = try train.sample(choice.recalibrationImages, seed: context.seed)
        let batches = try EvaluationBatches(
            context,
            chosen,
            image,
            batch: choice.batch,
            device: device,
            maxBroken: choice.maxBroken,
            of: train.set.items.count,
        ).batches
        statistics = try network.recalibrate(
            batches.map(\.images),
            sizes: batches.map { $0.targets.map(\.sides) },
            genome,
        )
        self.train = train
    }

    /// What it finds in one image, in pixels of the original.
    struct Finding {
        let target: DetectionTarget
        let boxes: [BoxKernels.Found]
    }

    /// Looks at the images of `set`, by size and name; those that cannot be read are skipped, with a warning.
    ///
    /// - Parameter body: gets each batch's findings.
    /// - Throws: `RunError.stopped` between two batches, when a stop was asked for.
    func detect(in set: DetectionSet, _ body: ([Finding]) throws -> Void) throws {
        let progress = Progress(
            context,
            phase: "predicting",
            unit: "images",
            total: set.items.count,
        )
        var done = 0
        progress.advance(to: 0)
        let batches = SizedBatches(
            context,
            set,
            image,
            batch: choice.batch,
            maxBroken: choice.maxBroken,
        )
        try batches.visit { batch in
            guard !context.stopRequested else { throw RunError.stopped }
            let found = try withoutGradients {
                try network.detect(
                    Tensor.images(
                        batch.pixels,
                        count: batch.count,
                        height: batch.height,
                        width: batch.width,
                        device,
                    ),
                    sizes: batch.images.map(\.sides),
                    genome,
                    .evaluation(statistics),
                )
            }
            try body(zip(batch.images, found).map { Finding(target: $0, boxes: $1) })
            done += batch.count
            progress.advance(to: done)
        }
        if done < set.items.count { progress.advance(to: set.items.count) }
    }

    /// Fails unless `set` has the network's classes in its order.
    func requireClasses(of set: DetectionSet) throws {
        guard set.classNames != classes else { return }
        throw RunError.badCheckpoint(
            """
            \(choice.checkpoint.url.lastPathComponent) was trained for the classes \
            \(classes.joined(separator: ", ")); the images have \
            \(set.classNames.joined(separator: ", "))
            """
        )
    }
}

extension CheckpointMetadata {
    /// How the detector is built, and what its images go through.
    func recipe(_ file: String) throws -> (DetectorConfig, DetectionImage) {
        for kind in [JobKind.detectorFinetune, .subnetRetrain] {
            switch JobSpec.resolve(kind: kind, config) {
            case .success(.finetune(let tuned)): return (tuned.detector, tuned.image)
            case .success(.retrain(let made)):
                guard let detection = made.detection else { continue }
                return (detection.detector, detection.image)
            default: continue
            }
        }
        throw RunError.badCheckpoint("\(file): its config is of no training of a detector")
    }
}

extension Detection {
    /// - Parameter categoryIDs: the number of each of the network's classes.
    init(_ found: BoxKernels.Found, in target: DetectionTarget, categoryIDs: [Int64]) {
        self.init(
            imageID: target.imageID,
            categoryID: categoryIDs[found.label],
            box: target.original(SIMD4(found.box[0], found.box[1], found.box[2], found.box[3])),
            score: Double(found.score),
        )
    }
}
