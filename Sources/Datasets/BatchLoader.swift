// Reads batches ahead of their use, on threads of its own.
//
// Each thread makes whole batches; `next()` hands them over in the order of their steps. Since a batch
// is a function of its step, neither the number of threads nor their speed changes what comes out.
// Threads rather than tasks: decoding would occupy the few threads that all tasks share.

import Foundation

/// Hands over the batches of a source, one step after another.
///
/// `next()` is for one thread. Threads end when the loader is closed or let go.
package final class BatchLoader<Source: BatchSource> {
    /// The images that could not be read so far, once each, in the order of their steps.
    package private(set) var broken: [ImageError] = []

    private let source: Source
    private let maxBroken: Double
    private let total: Int
    private let onBroken: (ImageError) -> Void
    private let shelf: Shelf<Source>
    private var brokenFiles: Set<String> = []
    /// The step of the next batch.
    package private(set) var step: Int

    /// - Parameters:
    ///   - step: the first step, 0 unless a run is resumed.
    ///   - threads: 0 reads on the caller's thread, when asked.
    ///   - ahead: how many batches are made before they are asked for.
    ///   - maxBroken: the share of images, 0...1, that may be unreadable.
    ///   - total: how many images the share is of, where the source is a part of a set; nil: the source's.
    ///   - onBroken: is told of each unreadable file once, on the thread that calls `next()`.
    package init(
        _ source: Source,
        from step: Int = 0,
        threads: Int = 1,
        ahead: Int = 3,
        maxBroken: Double = 0.05,
        of total: Int? = nil,
        onBroken: @escaping (ImageError) -> Void = { _ in },
    ) {
        self.source = source
        self.step = step
        self.maxBroken = maxBroken
        self.total = total ?? source.imageCount
        self.onBroken = onBroken
        shelf = Shelf(
            source: source,
            next: step,
            ahead: max(1, ahead),
            isSynchronous: threads <= 0,
        )
        for number in 0..<max(0, threads) {
            let thread = Thread { [shelf] in shelf.work() }
            thread.name = "loader \(number)"
            thread.start()
        }
    }

    deinit { shelf.close() }

    /// Ends the threads; what they have begun is thrown away.
    package func close() { shelf.close() }

    /// The batch of `step`, or nil after the last one.
    ///
    /// A batch of which no image could be read is passed over.
    ///
    /// - Throws: when more images are unreadable than allowed, naming up to five.
    package func next() throws(DatasetError) -> Source.Batch? {
        while source.stepCount.map({ step < $0 }) ?? true {
            let read = shelf.take(step)
            step += 1
            for problem in read.broken where brokenFiles.insert(problem.file).inserted {
                broken.append(problem)
                onBroken(problem)
            }
            if Double(broken.count) > maxBroken * Double(total)
                || broken.count == source.imageCount
            {
                close()
                throw DatasetError(
                    .tooManyBrokenImages,
                    "\(broken.count) of \(total) images cannot be read; allowed is a "
                        + "share of \(maxBroken): "
                        + broken.prefix(5).map(\.description).joined(separator: "; ")
                        + (broken.count > 5 ? "; ..." : ""),
                )
            }
            if let batch = read.batch { return batch }
        }
        return nil
    }
}

/// Where finished batches lie until they are asked for.
///
/// Sendable: everything that changes is guarded by `condition`.
private final class Shelf<Source: BatchSource>: @unchecked Sendable {
    private let source: Source
    private let ahead: Int
    private let isSynchronous: Bool
    private let condition = NSCondition()
    private var finished: [Int: ReadBatch<Source.Batch>] = [:]
    /// The first step that no thread has begun.
    private var unclaimed: Int
    /// The first step that was not taken yet.
    private var wanted: Int
    private var isClosed = false

    init(source: Source, next: Int, ahead: Int, isSynchronous: Bool) {
        self.source = source
        self.ahead = ahead
        self.isSynchronous = isSynchronous
        unclaimed = next
        wanted = next
    }

    /// A thread's life.
    func work() {
        while let step = claim() {
            let batch = source.batch(at: step)
            condition.lock()
            finished[step] = batch
            condition.broadcast()
            condition.unlock()
        }
    }

    private func claim() -> Int? {
        condition.lock()
        defer { condition.unlock() }
        while !isClosed {
            if let last = source.stepCount, unclaimed >= last { return nil }
            if unclaimed < wanted + ahead {
                unclaimed += 1
                return unclaimed - 1
            }
            condition.wait()
        }
        return nil
    }

    func take(_ step: Int) -> ReadBatch<Source.Batch> {
        condition.lock()
        guard !isSynchronous, !isClosed else {
            condition.unlock()
            return source.batch(at: step)
        }
        defer { condition.unlock() }
        while true {
            if let batch = finished.removeValue(forKey: step) {
                wanted = step + 1
                condition.broadcast()
                return batch
            }
            condition.wait()
        }
    }

    func close() {
        condition.lock()
        isClosed = true
        finished = [:]
        condition.broadcast()
        condition.unlock()
    }
}
