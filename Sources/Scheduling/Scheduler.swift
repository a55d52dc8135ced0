// Gives cores to waiting jobs, and a supervisor to each worker; after a restart puts everything in order first.

internal import Configs
internal import Foundation
package import JobStore
package import Jobs

/// The owner of all workers. Decisions are made on one serial queue by the rules of `Queue` and `Job`; each worker is
/// watched on the serial queue of its slot. (A concurrent queue would get no thread beside computing work.)
///
/// `@unchecked Sendable`: all that changes is used on `control` alone.
package final class Scheduler: @unchecked Sendable {
    package struct Settings: Sendable {
        package var cores: [Int]
        /// The most workers at once.
        package var slots: Int
        package var worker: WorkerCommand
        package var datasetRoots: [DatasetRoot]
        /// Of the program that the workers run.
        package var version: String?
        /// How long a worker that was asked to stop may take before it is killed.
        package var graceSeconds = 30.0
        package var pollSeconds = 0.2
        /// Between two tries to store the end of a job.
        package var retrySeconds = 1.0
        /// Silence after which a worker counts as stalled; workers beat every 10 s.
        package var stallSeconds = 60.0
        package var backoff = Backoff()
        /// Bytes that are not given to new work; nil: `DiskRoom.usualReserve`.
        package var diskReserve: Int?
        /// How often the room is looked at while there is too little.
        package var diskSeconds = 2.0
        /// How many of the newest checkpoints are kept of a job that does not say it; nil: all.
        package var keepCheckpoints: Int?
        /// After how many days `metric`, `job.progress` and `log` events of an ended job are dropped; nil: never.
        package var keepEventDays: Int?
        /// Between two looks at what is no longer needed.
        package var retentionSeconds = 300.0
        /// The space on the file system that a folder is on.
        package var diskSpace: @Sendable (_ folder: String) -> DiskSpace? = { DiskSpace(of: $0) }

        package init(
            cores: [Int] = Machine.cores(),
            slots: Int? = nil,
            worker: WorkerCommand = .itself,
            datasetRoots: [DatasetRoot] = [],
        ) {
            self.cores = cores
            self.slots = slots ?? cores.count
            self.worker = worker
            self.datasetRoots = datasetRoots
        }
    }

    package let store: JobStore
    package let settings: Settings
    private let log: ServiceLog
    let control = DispatchQueue(label: "scheduler")
    private let retention: Retention
    private(set) var pool: CorePool
    private(set) var running: [JobID: (supervisor: Supervisor, slot: Int)] = [:]
    private var slots: [DispatchQueue] = []
    private var isStopping = false
    private var isShortOfRoom = false
    private var looksForRoom = false
    private var queueFails = false
    private let busy = DispatchGroup()

    package init(store: JobStore, settings: Settings, log: ServiceLog = .silent) {
        self.store = store
        self.settings = settings
        self.log = log
        pool = CorePool(settings.cores)
        retention = Retention(store: store, settings: settings, log: log)
    }

    /// Adopts the workers that are alive, settles the others, and begins. When it returns no job is `running` that does
    /// not run.
    package func start() throws {
        do {
            try control.sync {
                try store.removeLeftovers()
                pool.drained = try Set(store.setting([Int].self, "drained") ?? [])
                for job in try store.jobs(in: [.running]) { try recover(job) }
                pass()
            }
            retention.start()
        } catch {
            throw store.explained(error)
        }
    }

    /// Looks whether a job can be started: call it when one came in.
    package func wake() { control.async { self.pass() } }

    /// Calls `body` every `seconds` on the queue on which jobs are started: when that is stuck the calls stay out.
    package func beat(every seconds: Double, _ body: @escaping @Sendable () -> Void) {
        control.asyncAfter(deadline: .now() + seconds) { [weak self] in
            body()
            self?.beat(every: seconds, body)
        }
    }

    /// Where data sets are looked for, in this order.
    package var datasetRoots: [DatasetRoot] { DatasetRoot.all(settings, store) }

    /// Nil when the file system does not tell.
    package func room() -> DiskRoom? {
        settings.diskSpace(store.folder).map { DiskRoom($0, reserve: settings.diskReserve) }
    }

    /// Gives a core no further job, or gives it jobs again; this outlives the server.
    /// - Returns: nil when there is no such core.
    package func drain(_ core: Int, _ isDrained: Bool) throws -> CoreState? {
        let isKnown = try control.sync {
            guard pool.all.contains(core) else { return false }
            var drained = pool.drained
            if isDrained { drained.insert(core) } else { drained.remove(core) }
            try store.set("drained", drained.sorted())
            pool.drained = drained
            return true
        }
        wake()
        return isKnown ? workers().first { $0.core == core } : nil
    }

    /// Starts nothing more, asks every worker to write a checkpoint and end, and waits for that. The jobs stay in the
    /// queue for the next start.
    package func stop() {
        retention.stop()
        control.sync {
            isStopping = true
            for (_, worker) in running { worker.supervisor.ask(.shutDown) }
        }
        busy.wait()
    }

    /// Lets go of the workers and leaves them running, as a crash would.
    package func detach() {
        retention.stop()
        control.sync {
            isStopping = true
            for (_, worker) in running { worker.supervisor.detach() }
        }
        busy.wait()
    }

    private func recover(_ job: Job) throws {
        let attempt = try store.attempts(of: job.id).last
        let process = WorkerProcess.find(
            job.id,
            pid: attempt?.pid,
            start: attempt?.processStart,
        )
        let supervisor = Supervisor(
            job.id,
            cores: job.placement,
            store: store,
            settings: settings,
            log: log,
        )
        guard let process else {
            supervisor.settle(.unknown, attempt: attempt, wish: .work)
            return
        }
        if job.pause == true { supervisor.ask(.pause) }
        if let mode = job.cancel { supervisor.ask(.cancel, now: mode == .now) }
        pool.take(job.placement)
        occupy(supervisor) { $0.adopt(process, attempt) }
    }

    func pass() {
        guard !isStopping else { return }
        do {
            try failOrphans()
            // Most often nothing can be started, and a long line need not be read for that.
            guard running.count < settings.slots else {
                queueFails = false
                return
            }
            let waiting = try store.jobs(in: [.queued]).filter { running[$0.id] == nil }
            let ready = try waiting.filter(isReady)
            for job in ready where job.phase == JobPhase.waitingForDependency {
                try store.change(job.id) { job in
                    job.phase = JobPhase.waitingForCores
                    return []
                }
            }
            let now = Date()
            let turn = Queue.turn(
                of: ready.map {
                    Waiting(
                        id: $0.id,
                        priority: $0.priority,
                        cores: $0.cores,
                        notBefore: settings.backoff.date($0.notBefore, at: now),
                    )
                },
                freeCores: pool.available.count,
                freeSlots: settings.slots - running.count,
                at: now,
            )
            try start(turn.starts.compactMap { id in ready.first { $0.id == id } }, of: ready)
            if let again = turn.lookAgain { look(at: again) }
            queueFails = false
        } catch {
            store.note(error)
            // Said once, not at each of the tries.
            if !queueFails {
                log(.error, "cannot read the queue; will try again", ["error": "\(error)"])
            }
            queueFails = true
            look(at: Date() + settings.retrySeconds)
        }
    }

    /// Starts `jobs` if there is room for new work. If not, they say so, and it is looked at again soon.
    private func start(_ jobs: [Job], of ready: [Job]) throws {
        guard let room = room(), room.isShort else {
            if isShortOfRoom { log(.info, "room on the disk again: the queue goes on") }
            isShortOfRoom = false
            for job in jobs { start(job) }
            let rest = ready.filter { job in !jobs.contains { $0.id == job.id } }
            for job in rest where job.phase == JobPhase.waitingForDisk {
                try store.change(job.id) { job in
                    job.phase = JobPhase.waitingForCores
                    return []
                }
            }
            return
        }
        if !isShortOfRoom {
            log(
                .warning,
                "too little room on the disk: no job is started",
                ["free": "\(room.space.free)", "reserve": "\(room.reserve)"],
            )
        }
        isShortOfRoom = true
        lookForRoom()
        for job in jobs where job.phase != JobPhase.waitingForDisk {
            do {
                try store.change(job.id) { $0.waitForDisk(room.words, at: Date()) }
            } catch {
                // No room for these words either: the log has said it.
                break
            }
        }
    }

    private func lookForRoom() {
        guard !looksForRoom else { return }
        looksForRoom = true
        control.asyncAfter(deadline: .now() + settings.diskSeconds) { [weak self] in
            self?.looksForRoom = false
            self?.pass()
        }
    }

    private func look(at date: Date) {
        // A little late rather than a moment too early.
        let wait = max(0.01, date.timeIntervalSinceNow + 0.01)
        control.asyncAfter(deadline: .now() + wait) { [weak self] in self?.pass() }
    }

    func isReady(_ job: Job) throws -> Bool {
        try job.needs.allSatisfy { try store.job($0)?.state == .succeeded }
    }

    /// Fails each waiting job whose needs cannot be met any more, and so on down the line.
    private func failOrphans() throws {
        for job in try store.dependentJobs() {
            for need in job.needs {
                let needed = try store.job(need)
                if let needed, !needed.state.isTerminal || needed.state == .succeeded { continue }
                let name = needed?.step ?? need.rawValue
                let state = needed?.state.rawValue ?? "deleted"
                try store.change(job.id) {
                    try $0.failBeforeStart(
                        JobFailure(
                            code: "dependency_failed",
                            message: "\(name) (\(need)) is \(state)",
                        ),
                        at: Date(),
                    )
                }
                break
            }
        }
    }

    private func start(_ job: Job) {
        let inputs: JobInputs
        do {
            inputs = try Inputs(store: store).resolve(job)
        } catch let failure as InputFailure {
            do {
                try store.change(job.id) { try $0.failBeforeStart(failure.asFailure, at: Date()) }
            } catch {
                log(.error, "cannot fail", ["job": "\(job.id)", "error": "\(error)"])
            }
            control.async { self.pass() }
            return
        } catch {
            log(.error, "cannot resolve", ["job": "\(job.id)", "error": "\(error)"])
            look(at: Date() + settings.retrySeconds)
            return
        }
        guard let cores = pool.take(job.cores) else { return }
        let supervisor = Supervisor(
            job.id,
            cores: cores,
            store: store,
            settings: settings,
            log: log,
        )
        occupy(supervisor) { $0.start(inputs: inputs) }
    }

    /// Gives the supervisor a free slot, and the slot and cores back when its work is done.
    private func occupy(
        _ supervisor: Supervisor,
        _ work: @escaping @Sendable (Supervisor) -> Void,
    ) {
        let used = Set(running.values.map(\.slot))
        let slot = (0...).first { !used.contains($0) } ?? 0
        while slots.count <= slot { slots.append(DispatchQueue(label: "slot-\(slots.count)")) }
        running[supervisor.id] = (supervisor, slot)
        busy.enter()
        slots[slot].async { [self] in
            work(supervisor)
            control.async { [self] in
                running[supervisor.id] = nil
                pool.give(back: supervisor.cores)
                busy.leave()
                retention.sweepSoon()
                pass()
            }
        }
    }
}
