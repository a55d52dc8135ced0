// Candidates side by side: one serial queue for each core, its thread pinned and computing with one thread.
//
// A concurrent queue would share the small pool that everything else in a process runs on; serial queues get
// threads of their own.

import Dispatch
import Foundation
import Torch

struct CandidatePool {
    private let context: any RunContext
    private let queues: [DispatchQueue]

    init(_ context: any RunContext) {
        self.context = context
        queues = context.cores.map { DispatchQueue(label: "candidates.\($0)") }
    }

    /// Runs `body` for every candidate, and hands the results over in the candidates' order on the calling thread.
    ///
    /// - Parameter letters: where given, those that begin alike are run one after another on one core, instead of each
    ///   when its turn comes: results then come late, many at a time.
    /// - Returns: false when a stop was asked for before all were done; what was handed over is whole.
    func evaluate<Candidate: Sendable, Outcome: Sendable>(
        _ candidates: [Candidate],
        inOrderOf letters: ((Candidate) -> [UInt8])? = nil,
        _ body: @escaping @Sendable (Candidate) -> Outcome,
        finished: (Outcome) throws -> Void,
    ) throws -> Bool {
        let board = Board<Candidate, Outcome>(
            candidates,
            rows: rows(letters.map(candidates.map), count: candidates.count),
        )
        for (worker, (core, queue)) in zip(context.cores, queues).enumerated() {
            queue.async { [context] in
                context.pin(to: core)
                try? TorchLibrary.setThreads(1)
                try? TorchLibrary.flushDenormals()
                while let next = board.claim(worker) {
                    board.finish(next.place, body(next.candidate))
                }
                board.leave()
            }
        }
        board.workers(queues.count)
        defer { board.close() }
        for place in candidates.indices {
            while true {
                if let done = board.result(at: place, waiting: 0.2) {
                    try finished(done)
                    break
                }
                guard !context.stopRequested else { return false }
            }
        }
        return true
    }

    /// The places of the candidates, in a row for each core, or in one for all.
    private func rows(_ words: [[UInt8]]?, count: Int) -> [ArraySlice<Int>] {
        guard let words else { return [Array(0..<count)[...]] }
        let sorted = words.indices.sorted { words[$0].lexicographicallyPrecedes(words[$1]) }
        return queues.indices.map { worker in
            let ends = [worker, worker + 1].map { $0 * sorted.count / queues.count }
            return sorted[ends[0]..<ends[1]]
        }
    }
}

/// What is waiting and what is done.
///
/// Sendable: everything that changes is guarded by `condition`.
private final class Board<Candidate: Sendable, Outcome: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let candidates: [Candidate]
    private var results: [Outcome?]
    private var rows: [ArraySlice<Int>]
    private var busy = 0

    init(_ candidates: [Candidate], rows: [ArraySlice<Int>]) {
        self.candidates = candidates
        self.rows = rows
        results = candidates.map { _ in nil }
    }

    /// The next of the worker's own row, or the last of the longest one.
    func claim(_ worker: Int) -> (place: Int, candidate: Candidate)? {
        condition.withLock {
            let own = min(worker, rows.count - 1)
            if let place = rows[own].popFirst() { return (place, candidates[place]) }
            guard let longest = rows.indices.max(by: { rows[$0].count < rows[$1].count }),
                let place = rows[longest].popLast()
            else { return nil }
            return (place, candidates[place])
        }
    }

    func finish(_ place: Int, _ outcome: Outcome) {
        condition.withLock {
            results[place] = outcome
            condition.broadcast()
        }
    }

    /// The result at `place`, or nil after `seconds`.
    func result(at place: Int, waiting seconds: Double) -> Outcome? {
        condition.withLock {
            if results[place] == nil {
                _ = condition.wait(until: Date(timeIntervalSinceNow: seconds))
            }
            return results[place]
        }
    }

    func workers(_ count: Int) { condition.withLock { busy += count } }

    func leave() {
        condition.withLock {
            busy -= 1
            condition.broadcast()
        }
    }

    /// Lets no further candidate start, and waits for those that have.
    func close() {
        condition.withLock {
            rows = rows.map { _ in [] }
            while busy > 0 { condition.wait() }
        }
    }
}
