// What can be asked of a job: to end, to pause, to go on, to begin anew. What is asked is stored first; its worker, where it
// has one, is told after that.

internal import Foundation
internal import JobStore
package import Jobs

extension Scheduler {
    /// Asks a job to end. A waiting one has ended when this returns; a running one is told.
    /// - Throws: `JobError` when it ended otherwise, `StoreError` when there is none.
    package func cancel(_ id: JobID, _ mode: CancelMode) throws -> Job {
        let job = try store.change(id) { try $0.requestCancel(mode, at: Date()) }
        control.async {
            if job.state == .running {
                self.running[id]?.supervisor.ask(.cancel, now: job.cancel == .now)
            }
            self.pass()
        }
        return job
    }

    /// Asks a job to write a checkpoint and give its cores back. A waiting one is paused when this returns.
    /// - Throws: `JobError` when it has ended, `StoreError` when there is none.
    package func pause(_ id: JobID) throws -> Job {
        let job = try store.change(id) { try $0.requestPause(at: Date()) }
        control.async {
            if job.pause == true { self.running[id]?.supervisor.ask(.pause) }
            self.pass()
        }
        return job
    }

    /// Begins another attempt at a job that runs, so that its worker reads what has changed.
    package func restart(_ id: JobID) {
        control.async { self.running[id]?.supervisor.ask(.restart) }
    }

    /// Lets a job that runs have as much running time as it may now.
    package func limitChanged(_ id: JobID) {
        control.async {
            // Read here: of two changes at once the later one shall count.
            guard let supervisor = self.running[id]?.supervisor,
                let job = try? self.store.job(id)
            else { return }
            supervisor.limit(job.limits.maxSeconds)
        }
    }

    /// Lets a paused job go on when it is its turn.
    /// - Throws: as `pause`.
    package func resume(_ id: JobID) throws -> Job {
        let job = try store.change(id) { try $0.requestResume(at: Date()) }
        wake()
        return job
    }

    /// Where a job that is tried again begins.
    package enum RetryPoint: Sendable {
        /// At its newest checkpoint.
        case latest
        case start
        case checkpoint(InputCheckpoint)
    }

    /// Puts a failed or cancelled job into the queue again.
    /// - Throws: `JobError` when it is neither, `StoreError` when there is none.
    package func retry(_ id: JobID, from point: RetryPoint) throws -> Job {
        let last = store.runDirectory(of: id).epochs().last?.number ?? 0
        let restart: Restart? =
            switch point {
            case .latest: nil
            case .start: Restart(afterEpoch: last)
            case .checkpoint(let file): Restart(afterEpoch: last, checkpoint: file)
            }
        let job = try store.change(id) { try $0.retry(restart, at: Date()) }
        wake()
        return job
    }
}
