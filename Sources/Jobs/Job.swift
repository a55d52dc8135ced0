// A job as the server knows it: what was asked, how far it is, what came of it.

package import Configs
package import Foundation

/// What a job may use.
package struct JobBudget: Codable, Equatable, Sendable {
    /// Running time in seconds over all attempts, waiting not counted; nil: no limit.
    package var maxSeconds: Int?
    /// How often it may fail by crash or retriable error, the first time included.
    package var maxAttempts: Int

    package init(maxSeconds: Int? = nil, maxAttempts: Int = 3) {
        self.maxSeconds = maxSeconds
        self.maxAttempts = maxAttempts
    }
}

/// How a job is to be cancelled.
package enum CancelMode: String, Codable, Sendable {
    case graceful  // finish the step, write a checkpoint, end
    case now  // killed; the last checkpoint is kept
}

/// The newest `job.progress` of a job's worker.
package struct JobProgress: Codable, Equatable, Sendable {
    package var unit: String
    package var done: Int
    package var total: Int
    /// 0...1.
    package var fraction: Double
    package var stage: String?
    /// Units a second.
    package var throughput: Double?
    package var etaSeconds: Double?
    package var updatedAt: String
}

/// The best value that a job's evaluations have had so far; of a search that of the candidate that it ranks first.
package struct JobBest: Codable, Equatable, Sendable {
    /// `map` of detectors, `top1` of classifiers: a job that trains one after the other begins anew with the second.
    package var metric: String
    package var value: Double
    /// The step of a training, the generation of a search.
    package var step: Int

    package init(metric: String, value: Double, step: Int) {
        self.metric = metric
        self.value = value
        self.step = step
    }
}

/// Why a job failed.
package struct JobFailure: Codable, Equatable, Sendable {
    /// A word for programs: `bad_data`, `nan_loss`, `disk_full`, `crashed`, `time_limit`, ...
    package var code: String
    package var message: String
    package var retriable: Bool
    package var step: Int?
    package var attempt: Int?
    /// The end of the worker's output.
    package var logExcerpt: String?

    package init(
        code: String,
        message: String,
        retriable: Bool = false,
        step: Int? = nil,
        attempt: Int? = nil,
        logExcerpt: String? = nil,
    ) {
        self.code = code
        self.message = message
        self.retriable = retriable
        self.step = step
        self.attempt = attempt
        self.logExcerpt = logExcerpt
    }
}

/// A place to begin again.
package struct Restart: Codable, Equatable, Sendable {
    /// What these epochs and those before them left is not used.
    package var afterEpoch: Int
    /// The checkpoint to go on from; nil: from the beginning.
    package var checkpoint: InputCheckpoint?

    package init(afterEpoch: Int, checkpoint: InputCheckpoint? = nil) {
        self.afterEpoch = afterEpoch
        self.checkpoint = checkpoint
    }
}

/// One worker process's run, from its start to its end.
package struct Attempt: Codable, Equatable, Sendable {
    package var job: JobID
    /// From 1.
    package var n: Int
    package var cores: [Int]
    package var startedAt: Date
    package var endedAt: Date?
    package var pid: Int?
    /// Clock ticks since boot at which the process started: with `pid` it names one process.
    package var processStart: Int64?
    /// The newest epoch before it: an error of an older one is not its own. (Nil: stored by a version that did not
    /// tell.)
    package var epochsBefore: Int?
    /// Newest time the worker was heard.
    package var heardAt: Date?
    package var outcome: String?
    /// The name and step of the checkpoint it went on from, of this job's own; nil: from the beginning, or from the one
    /// that a retry or a fork named.
    package var fromCheckpoint: String?
    package var fromStep: Int?
    /// The version of the program that ran it.
    package var version: String?

    package init(job: JobID, n: Int, cores: [Int], startedAt: Date) {
        self.job = job
        self.n = n
        self.cores = cores
        self.startedAt = startedAt
    }
}

/// A job; all its rules are functions of this value.
package struct Job: Codable, HoldsJSON, Equatable, Sendable {
    // What was asked
    package let id: JobID
    package let kind: JobKind
    package var name: String?
    package var labels: [String: String] = [:]
    /// Higher goes first.
    package var priority = 0
    package var seed = 0
    package var cores = 1
    package var device = "cpu"
    package var limits = JobBudget()
    /// How many of its newest checkpoints are kept; nil: as the server does.
    package var keepCheckpoints: Int?
    /// With every default filled in.
    package internal(set) var spec: JSONValue
    package let submittedSpec: JSONValue
    package let createdAt: Date
    /// The job that this one was made after.
    package var forkOf: JobID?

    // Where it stands among others
    package var pipeline: String?
    package var step: String?
    /// Jobs that must have succeeded first.
    package var needs: [JobID] = []
    /// The search space of what it makes, and its shuffle method, as far as its spec and inputs say.
    package var space: JSONValue?
    package var shuffle: Int?

    // Its life
    package var state = JobState.queued
    package var phase = JobPhase.waitingForCores
    package var cancel: CancelMode?
    /// Whether it shall be paused as soon as its worker has written a checkpoint.
    package var pause: Bool?
    /// Where the next attempt begins, when not at the newest checkpoint.
    package var restart: Restart?
    /// Counts the changes of this value.
    package var revision = 0
    /// The number of its newest event.
    package var lastSeq = 0
    package var startedAt: Date?
    package var endedAt: Date?
    /// Not to be started before.
    package var notBefore: Date?
    /// The number of the newest attempt; 0 before the first.
    package var attempt = 0
    package var attemptStartedAt: Date?
    /// Attempts that ended by crash or retriable error.
    package var failures = 0
    /// Of the attempts that have ended.
    package var runSeconds = 0.0
    package var placement: [Int] = []
    package var crashes: CrashRecord?
    /// What its newest attempt was given of other jobs.
    package var inputs: JobInputs?

    // What its worker tells
    /// The newest step or candidate that this attempt reached.
    package var reached: Int?
    package var progress: JobProgress?
    package var latestMetrics: [String: Double] = [:]
    package var best: JobBest?
    package var failure: JobFailure?
    package var outputs: JobOutputs?

    package init(
        id: JobID = .make(),
        kind: JobKind,
        spec: JSONValue,
        submittedSpec: JSONValue? = nil,
        createdAt: Date = Date(),
    ) {
        self.id = id
        self.kind = kind
        self.spec = spec
        self.submittedSpec = submittedSpec ?? spec
        self.createdAt = createdAt
    }

    /// Running time so far, in seconds; waiting is not counted.
    package func runningSeconds(at now: Date) -> Double {
        guard state == .running, let attemptStartedAt else { return runSeconds }
        return runSeconds + max(0, now.timeIntervalSince(attemptStartedAt))
    }
}
