// What paths that begin alike have in common: outputs and statistics of their first blocks. With exact statistics these
// depend on the letters up to there, the images and the weights alone, so what is taken from here is, to the last bit,
// what would be computed again.

import Detectors
import Foundation
import NN
import SearchSpaces
import Torch

/// What the blocks of a prefix gave, for as many prefixes as there is room for. The least recently used go first.
///
/// A prefix is used whenever a longer one is, so none goes before those that go on from it.
///
/// Sendable: `lock` guards everything that changes; tensors are only read.
final class PrefixCache: @unchecked Sendable {
    /// What one block gave.
    struct Block {
        /// Its outputs, one for each batch.
        var calibration: [Tensor]
        var validation: [Tensor]
        /// Of its own batch norms.
        var statistics: NormStatistics

        var bytes: Int { (calibration + validation).reduce(0) { $0 + 4 * $1.count } }
    }

    private let limit: Int
    private let lock = NSLock()
    private var blocks: [[UInt8]: (block: Block, used: Int)] = [:]
    private var clock = 0
    private(set) var bytes = 0
    private var asked = 0
    private var saved = 0

    /// - Parameter limit: the most bytes that are kept.
    init(limit: Int) { self.limit = limit }

    /// How many blocks were asked for, and how many of them were here.
    var evaluations: (asked: Int, saved: Int) { lock.withLock { (asked, saved) } }

    /// The stem's outputs and those of the first blocks of `letters`, as far as they are known. The last letter's are
    /// never looked for, as no path comes twice.
    func known(_ letters: [UInt8]) -> [Block] {
        lock.withLock {
            var found: [Block] = []
            while found.count < letters.count,
                let next = blocks[Array(letters.prefix(found.count))]
            {
                found.append(next.block)
            }
            use(letters, found.count)
            asked += letters.count
            saved += max(0, found.count - 1)
            return found
        }
    }

    /// Keeps what follows from `letters`, where there is room beside its own beginnings.
    func keep(_ block: Block, of letters: [UInt8]) {
        let size = block.bytes
        lock.withLock {
            guard blocks[letters] == nil, size <= limit,
                letters.isEmpty || blocks[letters.dropLast()] != nil
            else { return }
            use(letters, letters.count)
            while bytes + size > limit {
                let oldest = blocks.min { $0.value.used < $1.value.used }
                guard let oldest, !letters.starts(with: oldest.key) else { return }
                blocks[oldest.key] = nil
                bytes -= oldest.value.block.bytes
            }
            clock += 1
            blocks[letters] = (block, clock)
            bytes += size
            use(letters, letters.count)
        }
    }

    /// Marks the first `count` prefixes as used, the shortest last.
    private func use(_ letters: [UInt8], _ count: Int) {
        for length in (0..<count).reversed() {
            clock += 1
            blocks[Array(letters.prefix(length))]?.used = clock
        }
    }
}

/// Runs paths of one backbone over fixed batches, all batches block by block, going on from what earlier paths left.
///
/// Sendable: nothing is written after `init` but the cache, which has its own lock.
final class BackboneRuns: @unchecked Sendable {
    /// What a path gave: for each stage, for each batch.
    struct Run {
        var calibration: [[Tensor]]
        var validation: [[Tensor]]
        var statistics: NormStatistics
    }

    let cache: PrefixCache
    private let backbone: Supernet
    private let calibration: [Tensor]
    private let validation: [Tensor]
    private let mode: (NormStatistics) -> Mode

    /// Nil where one path's outputs alone would take more than `limit` bytes.
    ///
    /// - Parameters:
    ///   - calibration: batches that set exact statistics; empty where statistics come from elsewhere.
    ///   - mode: how the validation batches are run.
    init?(
        _ backbone: Supernet,
        calibration: [Tensor],
        validation: [Tensor],
        limit: Int,
        mode: @escaping (NormStatistics) -> Mode,
    ) {
        let pixels = (calibration + validation).reduce(0) { $0 + $1.count / 3 }
        let stem = pixels / 4 * backbone.space.stem
        let path = backbone.space.positions.reduce(stem) { sum, position in
            sum + pixels >> (2 * (position.stage + 2)) * position.outputs
        }
        guard limit > 0, 4 * path <= limit else { return nil }
        self.backbone = backbone
        self.calibration = calibration
        self.validation = validation
        self.mode = mode
        cache = PrefixCache(limit: limit)
    }

    func run(_ genome: Genome) throws -> Run {
        let letters = genome.letters
        var blocks = cache.known(letters)
        if blocks.isEmpty {
            let stem = try block(calibration, validation) { try backbone.stem($0, $1) }
            cache.keep(stem, of: [])
            blocks.append(stem)
        }
        for index in blocks.count - 1..<letters.count {
            let before = blocks[index]
            let next = try block(before.calibration, before.validation) {
                try backbone.block(index, letters[index], $0, $1)
            }
            if index + 1 < letters.count {
                cache.keep(next, of: Array(letters.prefix(index + 1)))
            }
            blocks.append(next)
        }
        let ends = letters.indices.filter { backbone.isStageEnd($0) }.map { blocks[$0 + 1] }
        return Run(
            calibration: ends.map(\.calibration),
            validation: ends.map(\.validation),
            statistics: NormStatistics(blocks.map(\.statistics)),
        )
    }

    /// Calibration batches together, then the validation batches one by one, as they would be without a cache.
    private func block(
        _ calibration: [Tensor],
        _ validation: [Tensor],
        _ body: ([Tensor], Mode) throws -> [Tensor],
    ) throws -> PrefixCache.Block {
        let statistics = NormStatistics()
        let pooled =
            calibration.isEmpty ? [] : try body(calibration, .calibration(statistics))
        let mode = mode(statistics)
        return PrefixCache.Block(
            calibration: pooled,
            validation: try validation.flatMap { try body([$0], mode) },
            statistics: statistics,
        )
    }
}
