// Who waits for news of a job, or of any, and how they are woken.

import Foundation
package import Jobs
import Synchronization

/// Calls those who watch a job after each change that has been stored.
///
/// `@unchecked Sendable`: `lock` guards `watchers` and `next`.
package final class JobChanges: @unchecked Sendable {
    private let lock = NSLock()
    /// Under nil those who watch all jobs.
    private var watchers: [JobID?: [Int: @Sendable () -> Void]] = [:]
    private var next = 0
    private let signals = Atomic(0)

    /// Another one after each change that was stored, and before whoever made it knows.
    package var tick: Int { signals.load(ordering: .acquiring) }

    /// Ends the watch when it is released.
    package final class Watch: Sendable {
        private let end: @Sendable () -> Void
        fileprivate init(end: @escaping @Sendable () -> Void) { self.end = end }
        package func cancel() { end() }
        deinit { end() }
    }

    /// `wake` is called on the thread that stored the change: it may only hand the work on.
    ///
    /// - Parameter job: nil: any.
    package func watch(_ job: JobID?, _ wake: @escaping @Sendable () -> Void) -> Watch {
        let token = lock.withLock {
            next += 1
            watchers[job, default: [:]][next] = wake
            return next
        }
        return Watch { [weak self] in self?.remove(token, of: job) }
    }

    package func signal(_ jobs: some Sequence<JobID>) {
        signals.add(1, ordering: .releasing)
        let concerned: [JobID?] = Array(jobs) + [nil]
        for job in concerned {
            let wakes = lock.withLock { watchers[job].map { Array($0.values) } ?? [] }
            for wake in wakes { wake() }
        }
    }

    /// How many watch any job.
    package var count: Int { lock.withLock { watchers.values.reduce(0) { $0 + $1.count } } }

    private func remove(_ token: Int, of job: JobID?) {
        lock.withLock {
            watchers[job]?[token] = nil
            if watchers[job]?.isEmpty == true { watchers[job] = nil }
        }
    }
}
