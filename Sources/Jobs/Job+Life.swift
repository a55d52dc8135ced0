// Each thing that can happen to a job, as a function that changes the value and returns the events that tell it.

package import Configs
package import Foundation

/// How long a job waits after its n-th failure: `base`, doubled each time, at most `cap` seconds.
package struct Backoff: Sendable {
    package var base: Double
    package var cap: Double

    package init(base: Double = 2, cap: Double = 60) {
        self.base = base
        self.cap = cap
    }

    package func delay(afterFailure n: Int) -> Double {
        min(cap, base * pow(2, Double(max(0, n - 1))))
    }

    /// The end of a wait, unless it is further off than any wait is long: then the clock was set back meanwhile, and
    /// nobody waits for it.
    package func date(_ notBefore: Date?, at now: Date) -> Date? {
        guard let notBefore, notBefore <= now + cap else { return nil }
        return notBefore
    }
}

extension Job {
    /// The first event of a job's log.
    package mutating func submitted(at now: Date) -> [NewEvent] {
        phase = phaseOfWaiting
        return [stateEvent(from: nil, at: now)]
    }

    /// What of a job can be changed while it waits or runs.
    package mutating func apply(_ patch: JobPatch) {
        name = patch.name
        labels = patch.labels
        priority = patch.priority
        limits = JobBudget(
            maxSeconds: patch.limits.maxSeconds,
            maxAttempts: patch.limits.maxAttempts,
        )
        keepCheckpoints = patch.retention.checkpoints
        if let generations = patch.generations {
            spec = spec.merged(with: ["generations": .int(generations)])
        }
    }

    private var phaseOfWaiting: String {
        needs.isEmpty ? JobPhase.waitingForCores : JobPhase.waitingForDependency
    }

    /// A worker is about to be started on `cores`.
    package mutating func begin(
        on cores: [Int],
        from checkpoint: CheckpointFile?,
        at now: Date,
    ) throws(JobError) -> [NewEvent] {
        let old = state
        try state.move(to: .running)
        attempt += 1
        phase = JobPhase.starting
        placement = cores
        attemptStartedAt = now
        startedAt = startedAt ?? now
        notBefore = nil
        reached = nil
        var started: [String: JSONValue] = [
            "attempt": .int(attempt), "cores": .array(cores.map { .int($0) }),
        ]
        if let checkpoint {
            started["fromCheckpoint"] = .string(checkpoint.name)
            started["step"] = .int(checkpoint.step)
        }
        return [
            stateEvent(from: old, at: now), NewEvent(EventType.attemptStarted, started, at: now),
        ]
    }

    /// The worker has ended; `ranUntil` is when, as far as known.
    package mutating func settle(
        _ end: WorkerEnd,
        ranUntil: Date,
        at now: Date,
        backoff: Backoff = Backoff(),
    ) throws(JobError) -> [NewEvent] {
        let verdict = verdict(on: end)
        let record = crashesAfterThis
        let seconds = runningSeconds(at: ranUntil)
        defer {
            runSeconds = seconds
            placement = []
            attemptStartedAt = nil
        }
        switch verdict {
        case .succeeded(let outputs):
            self.outputs = outputs
            failure = nil
            return try finish(.succeeded, at: now)
        case .failed(let failure):
            self.failure = failure
            return try finish(.failed, at: now)
        case .cancelled:
            return try finish(.cancelled, at: now)
        case .again(let cause, let failure):
            try state.move(to: pause == true ? .paused : .queued)
            phase = JobPhase.recovering
            if !["stopped", "shutdown", "changed", "superseded"].contains(cause) {
                crashes = record
            }
            var interruption: [String: JSONValue] = [
                "cause": .string(cause), "attempt": .int(attempt),
            ]
            if let failure {
                failures += 1
                phase = JobPhase.backingOff
                let delay = backoff.delay(afterFailure: failures)
                notBefore = now.addingTimeInterval(delay)
                interruption["code"] = .string(failure.code)
                interruption["message"] = .string(failure.message)
                interruption["retryInSeconds"] = .double(delay)
                interruption["attemptsLeft"] = .int(limits.maxAttempts - failures)
            }
            if state == .paused {
                phase = JobPhase.paused
                pause = nil
            }
            return [
                NewEvent(EventType.interrupted, interruption, at: now),
                stateEvent(from: .running, at: now),
            ]
        }
    }

    /// Someone asks to cancel. A job without a worker ends at once, another is told to.
    /// - Throws: when the job has ended otherwise. Asking again is allowed, and may turn `graceful` into `now`.
    package mutating func requestCancel(
        _ mode: CancelMode,
        at now: Date,
    ) throws(JobError) -> [NewEvent] {
        switch state {
        case .cancelled:
            return []
        case .succeeded, .failed:
            throw .illegalMove(from: state, to: .cancelled)
        case .queued, .paused:
            cancel = mode
            return try finish(.cancelled, at: now)
        case .running:
            guard cancel == nil || (cancel == .graceful && mode == .now) else { return [] }
            cancel = mode
            phase = JobPhase.cancelling
            return [stateEvent(from: .running, at: now)]
        }
    }

    /// Someone asks to pause. A job without a worker is paused at once, another is told to write a checkpoint and end.
    /// - Throws: when the job has ended, or is being cancelled.
    package mutating func requestPause(at now: Date) throws(JobError) -> [NewEvent] {
        let old = state
        switch state {
        case .paused:
            return []
        case .queued:
            try state.move(to: .paused)
            phase = JobPhase.paused
            notBefore = nil
            return [stateEvent(from: old, at: now)]
        case .running where cancel == nil:
            guard pause != true else { return [] }
            pause = true
            phase = JobPhase.pausing
            return [stateEvent(from: old, at: now)]
        case .running, .succeeded, .failed, .cancelled:
            throw .illegalMove(from: state, to: .paused)
        }
    }

    /// Someone asks to go on. One whose worker is still writing its checkpoint goes on after that.
    /// - Throws: when the job has ended.
    package mutating func requestResume(at now: Date) throws(JobError) -> [NewEvent] {
        let old = state
        switch state {
        case .queued:
            return []
        case .running:
            guard pause == true else { return [] }
            pause = nil
            phase = JobPhase.stopping
            return [stateEvent(from: old, at: now)]
        case .paused:
            try state.move(to: .queued)
            phase = phaseOfWaiting
            return [stateEvent(from: old, at: now)]
        case .succeeded, .failed, .cancelled:
            throw .illegalMove(from: state, to: .queued)
        }
    }

    /// Someone asks to try an ended job again. Its failures and running time are forgotten.
    ///
    /// - Parameter restart: where it begins; nil: at the newest checkpoint.
    /// - Throws: when the job has not ended, or has succeeded.
    package mutating func retry(_ restart: Restart?, at now: Date) throws(JobError) -> [NewEvent] {
        let old = state
        guard state == .failed || state == .cancelled else {
            throw .illegalMove(from: state, to: .queued)
        }
        try state.move(to: .queued)
        phase = phaseOfWaiting
        (cancel, pause, failure, endedAt, notBefore) = (nil, nil, nil, nil, nil)
        (crashes, reached, progress) = (nil, nil, nil)
        // It begins again: what it reached beyond that point is no longer what it has.
        if restart != nil { best = nil }
        (failures, runSeconds) = (0, 0)
        self.restart = restart ?? self.restart
        return [stateEvent(from: old, at: now)]
    }

    /// A job that this one needs ended without success, or left nothing that the spec can use.
    package mutating func failBeforeStart(
        _ failure: JobFailure,
        at now: Date,
    ) throws(JobError) -> [NewEvent] {
        self.failure = failure
        return try finish(.failed, at: now)
    }

    /// Its turn has come, but there is too little room on the disk.
    package mutating func waitForDisk(_ room: String, at now: Date) -> [NewEvent] {
        guard state == .queued else { return [] }
        phase = JobPhase.waitingForDisk
        return [
            NewEvent(
                EventType.warning,
                [
                    "code": "disk_reserve",
                    "message": .string("waits for room on the disk: \(room)"),
                ],
                at: now,
            )
        ]
    }

    /// What earlier attempts left on the disk is gone.
    package func lostRunDirectory(at now: Date) -> [NewEvent] {
        [
            NewEvent(
                EventType.warning,
                [
                    "code": "run_directory_missing",
                    "message":
                        "its run directory was removed: the job begins without its checkpoints",
                ],
                at: now,
            )
        ]
    }

    /// The worker has been silent for too long; the next event of its takes the phase back.
    package mutating func stalled(silentFor seconds: Double, at now: Date) -> [NewEvent] {
        guard state == .running, phase != JobPhase.stalled else { return [] }
        phase = JobPhase.stalled
        return [
            NewEvent(
                EventType.warning,
                [
                    "code": "stalled",
                    "message": .string("no sign of the worker for \(Int(seconds)) s"),
                ],
                at: now,
            )
        ]
    }

    private mutating func finish(_ end: JobState, at now: Date) throws(JobError) -> [NewEvent] {
        let old = state
        try state.move(to: end)
        phase = JobPhase.done
        endedAt = now
        notBefore = nil
        var data: [String: JSONValue] = ["state": .string(end.rawValue)]
        if end == .failed, let failure {
            data["error"] = (try? JSON.value(failure)) ?? .null
        }
        return [stateEvent(from: old, at: now), NewEvent(EventType.end, data, at: now)]
    }

    private func stateEvent(from old: JobState?, at now: Date) -> NewEvent {
        var data: [String: JSONValue] = [
            "state": .string(state.rawValue), "phase": .string(phase),
        ]
        if let old { data["from"] = .string(old.rawValue) }
        return NewEvent(EventType.state, data, at: now)
    }
}

extension Job {
    /// Takes over what an event of the worker tells of the whole job.
    package mutating func note(_ event: NewEvent) {
        if phase == JobPhase.stalled || phase == JobPhase.starting { phase = "working" }
        let data = event.data
        switch event.type {
        case EventType.progress:
            if let phase = data["phase"]?.string, cancel == nil, pause != true {
                self.phase = phase
            }
            guard let unit = data["unit"]?.string, let done = data["done"]?.int,
                let total = data["total"]?.int
            else { return }
            if unit == "steps" || unit == "candidates" { reached = done }
            progress = JobProgress(
                unit: unit,
                done: done,
                total: total,
                fraction: total > 0 ? min(1, max(0, Double(done) / Double(total))) : 0,
                stage: data["stage"]?.string,
                throughput: data["throughput"]?.double,
                etaSeconds: data["etaSeconds"]?.double,
                updatedAt: event.ts,
            )
        case EventType.generation:
            takeNumbers(of: data)
            // It may rank by something else, such as the loss: the first of its ranking counts, whatever it has.
            if let value = data["best"]?.double, let generation = data["generation"]?.int {
                let metric = data["bestTop5"] == nil ? "map" : "top1"
                if value != best?.value {
                    best = JobBest(metric: metric, value: value, step: generation)
                }
            }
        case EventType.metric, EventType.evaluation:
            if let step = data["step"]?.int { reached = max(step, reached ?? 0) }
            takeNumbers(of: data)
            if event.type == EventType.evaluation { noteBest(data) }
        default:
            break
        }
    }

    private mutating func takeNumbers(of data: JSONValue) {
        for (name, value) in data.object ?? [:] {
            if let number = value.double { latestMetrics[name] = number }
        }
    }

    private mutating func noteBest(_ data: JSONValue) {
        let metric = data["map"] == nil ? "top1" : "map"
        guard let value = data[metric]?.double, let step = data["step"]?.int else { return }
        if let best, best.metric == metric, best.value >= value { return }
        best = JobBest(metric: metric, value: value, step: step)
    }
}
