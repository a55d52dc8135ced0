// What a job would take, measured: a worker begins it in a folder of its own and stops after a few steps. Nothing of it
// is stored, and no job waits for it.

internal import Foundation
internal import JobStore
package import Jobs

/// Runs trials, one after the other.
///
/// `@unchecked Sendable`: `lock` guards `waiting`.
package final class Trials: @unchecked Sendable {
    private let scheduler: Scheduler
    private let folder: String
    private let queue = DispatchQueue(label: "trials")
    private let lock = NSLock()
    private var waiting = 0

    /// How many may wait or run at once.
    package static let most = 4
    /// How long one may take.
    private static let patience = 180.0

    /// Throws away what trials of an earlier server left.
    package init(_ scheduler: Scheduler) {
        self.scheduler = scheduler
        folder = scheduler.store.folder + "/trials"
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Measures `job`, which is not stored.
    ///
    /// - Parameters:
    ///   - isWanted: asked now and then; a trial that is not is ended.
    ///   - done: called on a queue of this object's.
    /// - Returns: false when too many wait already; then `done` is not called.
    package func measure(
        _ job: Job,
        isWanted: @escaping @Sendable () -> Bool,
        done: @escaping @Sendable (TrialFile) -> Void,
    ) -> Bool {
        let isTaken = lock.withLock {
            guard waiting < Trials.most else { return false }
            waiting += 1
            return true
        }
        guard isTaken else { return false }
        queue.async { [self] in
            defer { lock.withLock { waiting -= 1 } }
            guard isWanted() else { return }
            done(run(job, isWanted))
        }
        return true
    }

    private func run(_ job: Job, _ isWanted: () -> Bool) -> TrialFile {
        let run = RunDirectory("\(folder)/\(job.id)")
        defer { try? FileManager.default.removeItem(atPath: run.path) }
        do {
            // Free cores first.
            let placement = scheduler.placement()
            let cores = placement.sorted { $0.job == nil && $1.job != nil }
                .prefix(job.cores).map(\.core)
            try run.writeJob(
                JobFile(
                    job: job,
                    cores: cores,
                    inputs: Inputs(store: scheduler.store).resolve(job),
                    datasetRoots: scheduler.datasetRoots.map(\.path),
                )
            )
            let process = try WorkerProcess.spawn(
                scheduler.settings.worker,
                run,
                ["--measure"],
                log: run.logPath(attempt: 0),
            )
            let end = Date() + Trials.patience
            while !process.hasEnded(within: 0.05) {
                if !isWanted() || Date() > end { process.kill() }
            }
            let exit = process.reap()
            guard var file = run.trial() else {
                return failed("internal", "the trial ended with \(exit) and left no figures")
            }
            file.cores = cores
            file.busyCores = placement.count { $0.job != nil }
            return file
        } catch let failure as InputFailure {
            return failed(failure.code, failure.message)
        } catch {
            return failed("internal", "\(error)")
        }
    }

    private func failed(_ code: String, _ message: String) -> TrialFile {
        TrialFile(error: ErrorFile(code: code, message: message, retriable: false))
    }
}
