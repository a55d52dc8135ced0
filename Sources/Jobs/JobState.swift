// What may follow what in a job's life: the whole rule, in its only place.

/// Why a job was not moved; it keeps its state. A case carries what is needed to find the place.
package enum JobError: Error, Equatable {
    case illegalMove(from: JobState, to: JobState)
}

/// Where a job is in its life. Raw values are stored and sent, so they never change.
package enum JobState: String, Codable, CaseIterable, Sendable {
    case queued  // stored; waits for its inputs or for free cores
    case running  // a worker owns it; `phase` says what it is doing
    case paused  // its checkpoint is written, its cores are free
    case succeeded, failed, cancelled  // swift-format-ignore

    /// The states that may follow this one: the whole rule, in its only place.
    package var successors: Set<JobState> {
        switch self {
        case .queued: [.running, .paused, .failed, .cancelled]
        case .running: [.succeeded, .failed, .cancelled, .paused, .queued]
        case .paused: [.queued, .cancelled]
        case .failed, .cancelled: [.queued]
        case .succeeded: []
        }
    }

    /// Whether the job has ended: nothing happens to it any more unless someone asks for it.
    package var isTerminal: Bool { self == .succeeded || self == .failed || self == .cancelled }

    /// What can be asked of a job in this state, as the API names it; asking for what already is changes nothing.
    package var verbs: [String] {
        switch self {
        case .queued: ["pause", "cancel"]
        case .running: ["pause", "cancel", "checkpoint"]
        case .paused: ["resume", "cancel"]
        case .failed, .cancelled: ["retry", "delete"]
        case .succeeded: ["delete"]
        }
    }

    package mutating func move(to next: JobState) throws(JobError) {
        guard successors.contains(next) else { throw .illegalMove(from: self, to: next) }
        self = next
    }
}

/// What a job is doing within its state: an open set, clients must accept words they do not know.
package enum JobPhase {
    package static let waitingForCores = "waiting_for_cores"
    package static let waitingForDependency = "waiting_for_dependency"
    package static let waitingForDisk = "waiting_for_disk"
    package static let backingOff = "backing_off"
    package static let recovering = "recovering"
    package static let starting = "starting"
    package static let cancelling = "cancelling"
    package static let pausing = "pausing"
    package static let paused = "paused"
    package static let stopping = "stopping"
    package static let stalled = "stalled"
    /// The worker has ended, and what follows could not be stored yet.
    package static let settling = "settling"
    /// Of a terminal job: nothing.
    package static let done = "done"
}
