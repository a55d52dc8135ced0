// Candidates side by side: one serial queue for each core, its thread pinned and computing with one thread.
//
// A concurrent queue would share the small pool that everything else in a process runs on; serial queues get
// threads of their own.

import Dispatch
import Foundation
import Search
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
    /// - Returns: false when a stop was asked for before all were done; what was handed over is whole.
    func evaluate(
        _ candidates: [Candidate],
        _ body: @escaping @Sendable (Candidate) -> Candidate,
        finished: (Candidate) throws -> Void,
    ) throws -> Bool {
        let board = Board(candidates)
        for (core, queue) in zip(context.cores, queues) {
            queue.async { [context] in
                context.pin(to: core)
                try? TorchLibrary.setThreads(1)
                try? TorchLibrary.flushDenormals()
                while let next = board.claim() {
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
}

/// What is waiting and what is done.
///
/// Sendable: everything that changes is guarded by `condition`.
private final class Board: @unchecked Sendable {
    private let condition = NSCondition()
    private let candidates: [Candidate]
    private var results: [Candidate?]
    private var next = 0
    private var busy = 0

    init(_ candidates: [Candidate]) {
        self.candidates = candidates
        results = candidates.map { _ in nil }
    }

    func claim() -> (place: Int, candidate: Candidate)? {
        condition.withLock {
            guard next < candidates.count else { return nil }
            defer { next += 1 }
            return (next, candidates[next])
        }
    }

    func finish(_ place: Int, _ candidate: Candidate) {
        condition.withLock {
            results[place] = candidate
            condition.broadcast()
        }
    }

    /// The result at `place`, or nil after `seconds`.
    func result(at place: Int, waiting seconds: Double) -> Candidate? {
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
            next = candidates.count
            while busy > 0 { condition.wait() }
        }
    }
}
