// What one path of a classifier is worth: batch-norm statistics of its own, then top-1, top-5 and loss.

import Configs
import Datasets
import Detectors
import Foundation
import NN
import SearchSpaces
import Torch

/// One side of a search on class folders.
struct FolderSide {
    let folder: ImageFolder
    /// The numbers of its images, ascending.
    private(set) var samples: [Int]
    /// Tells the images apart from any others.
    let digest: String

    init(_ context: any RunContext, _ data: FolderData) throws {
        let place = try context.folder(ofDataset: data.dataset)
        do {
            folder = try ImageFolder(root: place.appending(path: data.folder))
        } catch {
            throw RunError.badData("\(error)")
        }
        var chosen = Array(0..<folder.count)
        var digest = "\(folder.digest())"
        if let part = data.part {
            let parts = folder.split(
                architectureShare: part.architectureShare,
                seed: UInt64(bitPattern: Int64(part.seed)),
            )
            chosen = part.role == .weights ? parts.weights : parts.architecture
            digest += "/\(part.role.rawValue)-\(part.architectureShare)-\(part.seed)"
        }
        if let most = data.images, most < chosen.count {
            var random = CounterRandom(seed: context.seed, stream: "images")
            chosen = random.choice(most, of: chosen.count).map { chosen[$0] }
            digest += "/\(most)"
        }
        guard !chosen.isEmpty else {
            throw RunError.badData(
                "\(data.dataset)/\(data.folder): no image of \(folder.count) is in this part"
            )
        }
        samples = chosen
        self.digest = digest
    }

    /// `count` of the images, those of a smaller number among them.
    func first(_ count: Int, seed: UInt64) -> FolderSide {
        var random = CounterRandom(seed: seed, stream: "rung")
        var part = self
        part.samples = random.permutation(samples.count).prefix(count).sorted().map { samples[$0] }
        return part
    }

    /// A seeded choice of `count` of the images.
    func sample(_ count: Int, seed: UInt64) -> [Int] {
        var random = CounterRandom(seed: seed, stream: "recalibration")
        return random.choice(count, of: samples.count).map { samples[$0] }
    }

    /// Fails when both sides hold an image: the same file, or one of the same class, name and size.
    func requireDisjoint(from other: FolderSide, _ names: (String, String)) throws {
        func size(_ path: String) -> Int {
            var status = stat()
            return stat(path, &status) == 0 ? Int(status.st_size) : -1
        }
        let mine = Dictionary(uniqueKeysWithValues: samples.map { (folder.name(of: $0), $0) })
        let shared = other.samples.compactMap { sample -> String? in
            let name = other.folder.name(of: sample)
            guard let twin = mine[name] else { return nil }
            let paths = (folder.path(of: twin), other.folder.path(of: sample))
            return paths.0 == paths.1 || size(paths.0) == size(paths.1) ? name : nil
        }
        guard shared.isEmpty else {
            throw RunError.badData(
                "\(names.0) and \(names.1) share \(shared.count) images, among them "
                    + shared.prefix(5).joined(separator: ", ")
            )
        }
    }
}

/// Scores paths of one classifier on one list of images.
///
/// Sendable: no member is written after `init`.
final class ClassifierScorer: PathScorer, @unchecked Sendable {
    private enum Statistics {
        case exact([Tensor])
        case ema(TrainingBatches<ClassificationSource>, StatisticsChoice.Average)
        case batch
        case inherited
    }

    private let network: Classifier
    private let device: Device
    private let statistics: Statistics
    private let validation: [(images: Tensor, labels: [Int64])]
    private let runs: BackboneRuns?
    var prefixes: PrefixCache? { runs?.cache }

    /// The parameters are `DetectorScorer`'s.
    init(
        _ context: any RunContext,
        _ network: Classifier,
        calibration: FolderSide,
        validation: FolderSide,
        image: ClassificationImage,
        statistics: StatisticsChoice,
        batch: Int,
        device: Device,
        cacheBytes: Int,
        maxBroken: Double = 0.05,
    ) throws {
        self.network = network
        self.device = device
        func read(_ side: FolderSide, _ samples: [Int], _ batch: Int) throws -> [(Tensor, [Int64])]
        {
            let source = ClassificationSource(
                side.folder,
                transform: ClassificationTransform(image),
                batch: batch,
                reading: .evaluation,
                samples: samples,
            )
            let loader = BatchLoader(source, maxBroken: maxBroken, of: side.samples.count) {
                context.warnOfBroken($0)
            }
            defer { loader.close() }
            var batches: [(Tensor, [Int64])] = []
            while let batch = try loader.nextBatch() {
                batches.append((try .images(batch, device), batch.labels))
            }
            return batches
        }
        var together = batch
        if case .batch(let batch) = statistics { together = batch.size }
        self.validation = try read(validation, validation.samples, together)
        switch statistics {
        case .exact(let exact):
            let chosen = calibration.sample(exact.images, seed: context.seed)
            self.statistics = .exact(try read(calibration, chosen, batch).map(\.0))
        case .ema(let average):
            let source = ClassificationSource(
                calibration.folder,
                transform: ClassificationTransform(image),
                batch: average.batch,
                reading: .training(seed: context.seed),
                samples: calibration.samples,
                cacheBytes: 512 << 20,
            )
            self.statistics = .ema(
                TrainingBatches(context, source, maxBroken: maxBroken),
                average,
            )
        case .batch: self.statistics = .batch
        case .inherited: self.statistics = .inherited
        }
        let images = self.validation.map(\.images)
        func runs(_ calibration: [Tensor], _ mode: @escaping (NormStatistics) -> Mode)
            -> BackboneRuns?
        {
            BackboneRuns(
                network.backbone,
                calibration: calibration,
                validation: images,
                limit: cacheBytes,
                mode: mode,
            )
        }
        self.runs =
            switch self.statistics {
            case .exact(let batches): runs(batches) { .evaluation($0) }
            case .batch: runs([]) { _ in .batch }
            case .inherited: runs([]) { _ in .evaluation(nil) }
            case .ema: nil
            }
    }

    var imageCount: Int { validation.reduce(0) { $0 + $1.labels.count } }

    /// For each image its loss, and at which place among the guesses its class is, from 0.
    private func outcomes(_ genome: Genome) throws -> [(loss: Double, place: Int)] {
        try withoutGradients {
            let run = try runs?.run(genome)
            let mode = try mode(genome, run)
            return try validation.enumerated().flatMap { index, batch in
                let logits =
                    try run?.validation.last.map { try network.logits([$0[index]], mode)[0] }
                    ?? network([batch.images], genome, mode)[0]
                let values = try logits.floats().map(Double.init)
                let classes = logits.shape[1]
                return batch.labels.enumerated().map { row, label in
                    let row = values[row * classes..<(row + 1) * classes]
                    let right = row[row.startIndex + Int(label)]
                    let most = row.max() ?? 0
                    let sum = row.reduce(0) { $0 + exp($1 - most) }
                    // Of equal guesses the class of the lowest number counts first.
                    let place = row.enumerated().count {
                        $0.element > right || $0.element == right && $0.offset < Int(label)
                    }
                    return (log(sum) + most - right, place)
                }
            }
        }
    }

    private func mode(_ genome: Genome, _ run: BackboneRuns.Run?) throws -> Mode {
        switch statistics {
        case .exact(let batches):
            let statistics = run?.statistics ?? NormStatistics()
            if let features = run?.calibration.last {
                _ = try network.logits(features, .calibration(statistics))
            } else {
                _ = try network(batches, genome, .calibration(statistics))
            }
            return .evaluation(statistics)
        case .ema(let batches, let average):
            let statistics = NormStatistics()
            try batches.forEach(average.batches) { batch, _ in
                _ = try network(
                    [.images(batch, device)],
                    genome,
                    .averaging(statistics, momentum: average.momentum),
                )
            }
            return .evaluation(statistics)
        case .batch: return .batch
        case .inherited: return .evaluation(nil)
        }
    }

    func figures(of genome: Genome, _ objective: SearchConfig.Objective, seed: UInt64) throws
        -> PathFigures
    {
        let outcomes = try outcomes(genome)
        let hits = outcomes.map { $0.place == 0 ? 1.0 : 0 }
        return PathFigures(
            value: hits.mean,
            standardError: hits.standardError,
            top1: hits.mean,
            top5: outcomes.map { $0.place < 5 ? 1.0 : 0 }.mean,
            losses: outcomes.map(\.loss),
        )
    }

    func report(of genome: Genome, seed: UInt64) throws -> [String: JSONValue] {
        let figures = try figures(of: genome, .top1, seed: seed)
        let interval = wilson(figures.value, imageCount)
        return [
            "top1": .double(figures.value), "top5": .double(figures.top5 ?? 0),
            "loss": .double(figures.loss),
            "interval95": [
                "top1": .array([.double(interval.low), .double(interval.high)])
            ],
        ]
    }

    /// The 95 % interval of a share of `count` images (Wilson 1927).
    private func wilson(_ share: Double, _ count: Int) -> (low: Double, high: Double) {
        let (n, z) = (Double(max(count, 1)), 1.959964)
        let middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        let half =
            z / (1 + z * z / n)
            * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
        return (max(0, middle - half), min(1, middle + half))
    }
}

extension Tensor {
    fileprivate static func images(_ batch: ClassificationBatch, _ device: Device) throws -> Tensor
    {
        try .images(
            batch.pixels,
            count: batch.count,
            height: batch.height,
            width: batch.width,
            device,
        )
    }
}
