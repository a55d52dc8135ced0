// What follows when a worker ends: pure rules over its exit, its files, and what had been asked of it.

import Glibc

/// The exit codes that a worker and the server agree on; any other, without an `error.json`, is a crash.
package enum ExitCode {
    package static let done: Int32 = 0
    /// The disk is so full that not even an `error.json` could be left.
    package static let noRoom: Int32 = 73
    package static let superseded: Int32 = 74  // another epoch is newer
    package static let stopped: Int32 = 75  // on request, with a checkpoint
    package static let lostPeer: Int32 = 76
    package static let noPeer: Int32 = 77
}

/// How a worker process ended.
package enum WorkerExit: Equatable, Sendable {
    case code(Int32)
    case signal(Int32)
    /// It ended while nobody watched, or was no child of this server.
    case unknown
    /// It was never started: the words say why.
    case unstarted(JobFailure)
}

/// What the server wanted of a worker when it ended.
package enum WorkerWish: Equatable, Sendable {
    case work, cancel, pause, restart, timeUp, shutDown
}

/// All that is known of a worker that has ended.
package struct WorkerEnd: Equatable, Sendable {
    package var exit: WorkerExit
    package var wish: WorkerWish
    package var result: ResultFile?
    package var error: ErrorFile?
    package var logExcerpt: String?

    package init(
        exit: WorkerExit,
        wish: WorkerWish = .work,
        result: ResultFile? = nil,
        error: ErrorFile? = nil,
        logExcerpt: String? = nil,
    ) {
        self.exit = exit
        self.wish = wish
        self.result = result
        self.error = error
        self.logExcerpt = logExcerpt
    }
}

/// How many attempts in a row ended at the same step.
package struct CrashRecord: Codable, Equatable, Sendable {
    package var step: Int?
    package var count: Int
}

package enum Verdict: Equatable, Sendable {
    case succeeded(JobOutputs)
    case failed(JobFailure)
    case cancelled
    /// Back to the queue; `failure` is set when that uses up one of the job's attempts.
    case again(cause: String, failure: JobFailure?)
}

extension Job {
    /// Crashes at one step after which it is the job that is wrong, not the day.
    private static let faultsAtOneStep = 2
    /// The same for attempts that were cut off (power, the whole machine), where the job is a suspect only.
    private static let interruptionsAtOneStep = 5

    /// What follows `end`. A whole result counts before everything else, then what was asked, then what the worker
    /// said, then how it ended.
    package func verdict(on end: WorkerEnd) -> Verdict {
        if let result = end.result { return .succeeded(result.outputs) }
        switch end.wish {
        case .cancel:
            return .cancelled
        // The request came while the worker was ending by itself.
        case _ where cancel != nil:
            return .cancelled
        case .timeUp:
            let limit = limits.maxSeconds.map { "\($0)" } ?? "?"
            return .failed(failure("time_limit", "ran longer than limits.maxSeconds, \(limit) s"))
        case .work, .pause, .restart, .shutDown:
            break
        }
        if let error = end.error {
            let failure = failure(
                error.code,
                error.message,
                retriable: error.retriable,
                step: error.step,
                end,
            )
            return error.retriable ? retry("error", failure) : .failed(failure)
        }
        switch (end.exit, end.wish) {
        case (.code(ExitCode.superseded), _):
            return .again(cause: "superseded", failure: nil)
        case (_, .shutDown):
            return .again(cause: "shutdown", failure: nil)
        case (_, .restart):
            return .again(cause: "changed", failure: nil)
        // One that did not end in time is killed; that is no fault of its own.
        case (.signal(SIGKILL), .pause):
            return .again(cause: "paused", failure: nil)
        case (.code(ExitCode.stopped), _):
            return .again(cause: "stopped", failure: nil)
        case (.code(ExitCode.done), _):
            return crash("the worker ended without a result", end)
        case (.code(ExitCode.noRoom), _):
            let message = "the worker found no room on the disk"
            return retry("error", failure("disk_full", message, retriable: true, end))
        case (.code(let code), _):
            return crash("the worker exited with code \(code)", end)
        case (.signal(let signal), _) where [SIGKILL, SIGTERM, SIGINT, SIGHUP].contains(signal):
            let message =
                "the worker was killed by signal \(signal), perhaps for want of memory"
            return retry("killed", failure("killed", message, retriable: true, end))
        case (.signal(let signal), _):
            return crash("the worker crashed with signal \(signal)", end)
        case (.unstarted(let failure), _):
            return failure.retriable ? retry("unstarted", failure) : .failed(failure)
        case (.unknown, _):
            if sameStep(as: crashes) + 1 >= Job.interruptionsAtOneStep, reached != nil {
                return .failed(crashLoop(end))
            }
            return .again(cause: "lost", failure: nil)
        }
    }

    /// The record of crashes after one more, at the step that was reached.
    package var crashesAfterThis: CrashRecord {
        CrashRecord(step: reached, count: sameStep(as: crashes) + 1)
    }

    private func crash(_ message: String, _ end: WorkerEnd) -> Verdict {
        if sameStep(as: crashes) + 1 >= Job.faultsAtOneStep, reached != nil {
            return .failed(crashLoop(end))
        }
        return retry("crashed", failure("crashed", message, retriable: true, end))
    }

    private func sameStep(as record: CrashRecord?) -> Int {
        guard let record, record.step == reached else { return 0 }
        return record.count
    }

    private func retry(_ cause: String, _ failure: JobFailure) -> Verdict {
        failures + 1 < limits.maxAttempts
            ? .again(cause: cause, failure: failure) : .failed(failure)
    }

    private func crashLoop(_ end: WorkerEnd) -> JobFailure {
        let step = reached ?? 0
        return failure(
            "crash_loop",
            "attempt after attempt ended at step \(step)",
            step: step,
            end,
        )
    }

    private func failure(
        _ code: String,
        _ message: String,
        retriable: Bool = false,
        step: Int? = nil,
        _ end: WorkerEnd? = nil,
    ) -> JobFailure {
        JobFailure(
            code: code,
            message: message,
            retriable: retriable,
            step: step ?? reached,
            attempt: attempt,
            logExcerpt: end?.logExcerpt,
        )
    }
}
