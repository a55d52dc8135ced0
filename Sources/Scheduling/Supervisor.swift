// One worker's life from the server's side: follows its events, passes on what is asked, settles its end.

internal import Foundation
internal import Glibc
internal import JobStore
internal import Jobs

/// Runs on the serial queue of its slot, which it holds until the worker has ended.
///
/// `@unchecked Sendable`: `lock` guards `orders`; the rest is used on the slot's queue alone.
final class Supervisor: @unchecked Sendable {
    /// What others ask of it.
    private struct Orders {
        var wish = WorkerWish.work
        var isUrgent = false
        /// Leave the worker alone and go.
        var isDetached = false
        /// How much running time the job may have in all, in seconds.
        var maxSeconds: Int?
    }

    let id: JobID
    let cores: [Int]
    private let store: JobStore
    private let settings: Scheduler.Settings
    private let log: ServiceLog
    private let run: RunDirectory
    private let lock = NSLock()
    private var orders = Orders()

    private var offsets: [Int: Int] = [:]
    // Spans of time are measured on a clock that nobody sets.
    private var heard = ContinuousClock.now
    /// When the worker was started or met, on both clocks.
    private var begun: (date: Date, instant: ContinuousClock.Instant)?
    /// The job's running time when its worker was started or met, in seconds.
    private var usedSeconds = 0.0
    private var askedToStopAt: ContinuousClock.Instant?
    private var isKilled = false
    private var isStalled = false
    private var storeFails = false

    init(
        _ id: JobID,
        cores: [Int],
        store: JobStore,
        settings: Scheduler.Settings,
        log: ServiceLog,
    ) {
        self.id = id
        self.cores = cores
        self.store = store
        self.settings = settings
        self.log = log
        run = store.runDirectory(of: id)
    }

    /// Asks the worker to end; a later, stronger wish replaces an earlier one.
    func ask(_ wish: WorkerWish, now: Bool = false) {
        lock.withLock {
            // Whatever else was asked for, the next attempt reads what has changed anyway.
            if wish == .restart, orders.wish != .work { return }
            if orders.wish != .cancel { orders.wish = wish }
            orders.isUrgent = orders.isUrgent || now
        }
    }

    /// Changes how much running time the job may have in all.
    func limit(_ seconds: Int?) { lock.withLock { orders.maxSeconds = seconds } }

    func detach() { lock.withLock { orders.isDetached = true } }

    /// Starts a worker and stays with it to its end.
    func start(inputs: JobInputs) {
        var attempt: Attempt
        let before: Int
        do {
            let lost = try lostEpoch()
            before = lost ?? run.epochs().last?.number ?? 0
            var origin: CheckpointFile?
            let job = try store.change(id) { job in
                job.inputs = inputs.names
                origin = run.newestCheckpoint(after: job.restart?.afterEpoch ?? 0)
                let warning = lost == nil ? [] : job.lostRunDirectory(at: Date())
                return try warning
                    + job.begin(
                        on: cores,
                        from: origin,
                        at: Date(),
                    )
            }
            attempt = Attempt(
                job: id,
                n: job.attempt,
                cores: cores,
                startedAt: job.attemptStartedAt ?? Date(),
            )
            attempt.epochsBefore = before
            attempt.fromCheckpoint = origin?.name
            attempt.fromStep = origin?.step
            attempt.version = settings.version
            try store.save(attempt)
        } catch is JobError {
            return  // Cancelled a moment ago.
        } catch {
            told(error)
            // Not at once again, and again.
            Thread.sleep(forTimeInterval: settings.retrySeconds)
            // The job may be running on paper: it is settled like one whose worker is gone.
            settle(.unknown, attempt: nil, wish: .work)
            return
        }
        do {
            let job = try store.job(id)
            guard let job else { return }
            try run.writeJob(
                JobFile(
                    job: job,
                    cores: cores,
                    inputs: inputs,
                    datasetRoots: DatasetRoot.all(settings, store).map(\.path),
                )
            )
            let process = try WorkerProcess.spawn(settings.worker, run: run, attempt: attempt.n)
            attempt.pid = Int(process.pid)
            attempt.processStart = Int64(bitPattern: process.start)
            // If this fails a restarted server still finds the worker by its command line.
            do { try store.save(attempt) } catch { told(error) }
            log(.info, "started", ["job": "\(id)", "pid": "\(process.pid)"])
            watch(process, attempt)
        } catch {
            let isFull = (error as? FileError)?.isDiskFull ?? false
            let failure = JobFailure(
                code: isFull ? "disk_full" : "internal",
                message: "\(error)",
                retriable: true,
                attempt: attempt.n,
            )
            settle(.unstarted(failure), attempt: attempt, wish: .work)
        }
    }

    /// The number of the newest epoch whose events were stored, where its folder is gone: somebody removed the run
    /// directory. The folder is made again, empty, so that what comes now is not taken for what was stored then.
    private func lostEpoch() throws -> Int? {
        guard let stored = try store.offsets(of: id).keys.max(),
            stored > run.epochs().last?.number ?? 0
        else { return nil }
        try run.fillEpoch(stored)
        log(.warning, "the run directory was removed", ["job": "\(id)"])
        return stored
    }

    /// Stays with a worker that runs since before the server did.
    func adopt(_ process: WorkerProcess, _ attempt: Attempt?) {
        log(.info, "adopted", ["job": "\(id)", "pid": "\(process.pid)"])
        watch(process, attempt)
    }

    private func watch(_ process: WorkerProcess, _ attempt: Attempt?) {
        do {
            offsets = try store.offsets(of: id)
            // Under the lock, so that a limit that is changed meanwhile stands.
            try lock.withLock {
                guard let job = try store.job(id) else { return }
                usedSeconds = job.runningSeconds(at: Date())
                orders.maxSeconds = job.limits.maxSeconds
            }
        } catch { told(error) }
        begun = (Date(), .now)
        heard = .now
        while !process.hasEnded(within: settings.pollSeconds) {
            let orders = lock.withLock { self.orders }
            if orders.isDetached { return }
            follow()
            obey(orders, process)
        }
        settle(process.reap(), attempt: attempt, wish: lock.withLock { orders.wish })
    }

    private func obey(_ orders: Orders, _ process: WorkerProcess) {
        let now = ContinuousClock.now
        if orders.wish == .work {
            checkTime(now, orders.maxSeconds)
            checkSilence(now)
            return
        }
        if askedToStopAt == nil {
            askedToStopAt = now
            process.signal(SIGTERM)
        }
        let isLate = now - (askedToStopAt ?? now) > .seconds(settings.graceSeconds)
        if orders.isUrgent || isLate, !isKilled {
            isKilled = true
            process.kill()
        }
    }

    private func checkTime(_ now: ContinuousClock.Instant, _ maxSeconds: Int?) {
        guard let maxSeconds, let begun else { return }
        if usedSeconds + (now - begun.instant) / .seconds(1) > Double(maxSeconds) { ask(.timeUp) }
    }

    private func checkSilence(_ now: ContinuousClock.Instant) {
        let silence = now - heard
        guard silence > .seconds(settings.stallSeconds), !isStalled else { return }
        isStalled = true
        do {
            try store.change(id) {
                $0.stalled(silentFor: silence / .seconds(1), at: Date())
            }
        } catch { told(error) }
    }

    /// Stores the events that have been written since.
    /// - Returns: whether all that was readable is stored.
    @discardableResult
    private func follow() -> Bool {
        do {
            for epoch in run.epochs() {
                while true {
                    let offset = offsets[epoch.number] ?? 0
                    guard
                        let chunk = try Files.read(
                            epoch.eventsPath,
                            from: offset,
                            count: JobStore.lineLimit,
                        ),
                        !chunk.isEmpty
                    else { break }
                    let next = try store.ingest(chunk, job: id, epoch: epoch.number, at: offset)
                    guard next != offset else { break }
                    offsets[epoch.number] = next
                    heard = .now
                    isStalled = false
                }
            }
            storeFails = false
            return true
        } catch {
            told(error)
            return false
        }
    }

    /// Stores what follows from the worker's end; on a full disk tries again until there is room.
    func settle(_ exit: WorkerExit, attempt: Attempt?, wish: WorkerWish) {
        let lost = exit == .unknown ? attempt?.heardAt ?? attempt?.startedAt : nil
        // Where the worker was watched its running time is that, whatever became of the clock.
        let ranUntil = begun.map { $0.date + ($0.instant.duration(to: .now) / .seconds(1)) }
        if offsets.isEmpty { offsets = (try? store.offsets(of: id)) ?? [:] }
        defer { store.note(id, isUnsettled: false) }
        while true {
            if follow() {
                do {
                    let end = WorkerEnd(
                        exit: exit,
                        wish: wish,
                        result: run.result(),
                        error: run.error(after: attempt?.epochsBefore ?? 0),
                        logExcerpt: excerpt(attempt),
                    )
                    let job = try store.settle(
                        id,
                        end,
                        attempt: attempt,
                        ranUntil: lost ?? ranUntil ?? Date(),
                        backoff: settings.backoff,
                    )
                    log(
                        .info,
                        "settled",
                        ["job": "\(id)", "exit": "\(exit)", "state": job.state.rawValue],
                    )
                    return
                } catch { told(error) }
            }
            store.note(id, isUnsettled: true)
            // What is not settled now is settled by the next start of the server.
            if lock.withLock({ orders.isDetached || orders.wish == .shutDown }) { return }
            Thread.sleep(forTimeInterval: settings.retrySeconds)
        }
    }

    /// The last lines that the worker printed.
    private func excerpt(_ attempt: Attempt?) -> String? {
        guard let attempt,
            let file = FileHandle(forReadingAtPath: run.logPath(attempt: attempt.n)),
            let end = try? file.seekToEnd()
        else { return nil }
        defer { try? file.close() }
        try? file.seek(toOffset: end > 4096 ? end - 4096 : 0)
        guard let data = try? file.readToEnd() else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    /// Says once that the store refuses, not at each of the tries.
    private func told(_ error: any Error) {
        store.note(error)
        if !storeFails {
            log(.error, "cannot store; will try again", ["job": "\(id)", "error": "\(error)"])
        }
        storeFails = true
    }
}
