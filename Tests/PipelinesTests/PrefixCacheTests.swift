// What paths with the same beginning share: no bit of a score changes, and memory stays within its bound.

import Configs
import Foundation
import NN
import Testing
import Torch

@testable import Pipelines

struct PrefixCacheTests {
    /// A block of `bytes` bytes.
    private func block(_ bytes: Int) throws -> PrefixCache.Block {
        PrefixCache.Block(
            calibration: [],
            validation: [try Tensor.zeros([bytes / 4])],
            statistics: NormStatistics(),
        )
    }

    /// Keeps every prefix of a path but the whole of it, as a run does.
    private func walk(_ cache: PrefixCache, _ letters: [UInt8]) throws -> Int {
        let known = cache.known(letters).count
        for length in known..<letters.count {
            cache.keep(try block(100), of: Array(letters.prefix(length)))
        }
        return known
    }

    @Test func `the longest known beginning is found, and counted as saved`() throws {
        let cache = PrefixCache(limit: 10_000)
        #expect(try walk(cache, [1, 2, 3]) == 0)
        #expect(try walk(cache, [1, 2, 0]) == 3)
        #expect(try walk(cache, [1, 0, 0]) == 2)
        #expect(try walk(cache, [0, 2, 3]) == 1)
        // The stem is no block, and last blocks are not kept.
        #expect(cache.evaluations.asked == 12 && cache.evaluations.saved == 3)
        #expect(cache.bytes == 600)
    }

    @Test func `memory stays within the bound, and the longest and oldest beginnings go first`()
        throws
    {
        let cache = PrefixCache(limit: 500)
        _ = try walk(cache, [0, 0, 0])
        _ = try walk(cache, [1, 1, 1])
        #expect(cache.bytes == 500)
        // Two more: [0, 0] goes, then [0].
        _ = try walk(cache, [2, 2, 2])
        #expect(cache.bytes == 500)
        #expect(cache.known([1, 1, 0]).count == 3)
        #expect(cache.known([0, 0, 0]).count == 1)
    }

    @Test func `what has no room is not kept, nor is what follows from it`() throws {
        let cache = PrefixCache(limit: 250)
        _ = try walk(cache, [0, 0, 0])
        #expect(cache.bytes == 200)
        #expect(cache.known([0, 0, 0]).count == 2)
        cache.keep(try block(100), of: [3, 3, 3])
        #expect(cache.bytes == 200)
    }
}

extension Runs {
    struct PrefixCaches {
        @Test(
            arguments: [Small.detector, Small.twoStage],
            [#"{"images": 6}"#, #"{"kind": "none"}"#],
        )
        func `neither the cache, its size nor the number of cores changes a byte of the journal`(
            network: String,
            statistics: String,
        ) throws {
            try withCells { cells, plain in
                let tuned = try RecordedRun(cells).run(
                    .detectorFinetune,
                    Small.finetune(detector: network, training: Small.training(steps: 2)),
                )
                let checkpoint = try #require(tuned.checkpoint)
                func searched(_ run: RecordedRun, _ megabytes: Int) throws -> RunResult {
                    try run.run(
                        .searchEvolution,
                        Small.search(more: #""cacheMegabytes": \#(megabytes),"#)
                            .replacing(#"{"images": 6}"#, with: statistics),
                        given(checkpoint),
                    )
                }
                _ = try searched(plain, 0)
                #expect(plain.journaled.count == 18)
                #expect(plain.events.data(of: "generation.finished").last?["savedBlocks"] == nil)
                for cores in [[0], [0, 1]] {
                    for megabytes in [3, 64] {
                        let run = try RecordedRun(cells, cores: cores)
                        let result = try searched(run, megabytes)
                        #expect(run.journaled == plain.journaled, "\(cores), \(megabytes) MiB")
                        let shared = try #require(result.metrics["sharedBlocks"]?.double)
                        #expect(shared > 0.1 && shared < 0.9)
                        let saved = try run.events.data(of: "generation.finished").map {
                            try #require($0["savedBlocks"]?.double)
                        }
                        if cores.count == 1, megabytes == 64 {
                            #expect(abs(try #require(saved.last) - shared) < 1e-12)
                        } else {
                            #expect(try #require(saved.last) <= shared + 1e-12)
                        }
                    }
                }
            }
        }
    }
}
