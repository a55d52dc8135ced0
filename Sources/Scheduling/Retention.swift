// Removes what is no longer needed, now and then and when a job has ended, beside everything else.

internal import Foundation
internal import JobStore

/// `@unchecked Sendable`: what changes is used on `queue` alone.
final class Retention: @unchecked Sendable {
    private let store: JobStore
    private let settings: Scheduler.Settings
    private let log: ServiceLog
    private let queue = DispatchQueue(label: "retention")
    private var clock = ClockWatch()
    private var isStopped = false
    private var isDue = false
    private var fails = false

    init(store: JobStore, settings: Scheduler.Settings, log: ServiceLog) {
        self.store = store
        self.settings = settings
        self.log = log
    }

    func start() { queue.async { self.sweepAndGoOn() } }

    /// Returns when nothing is being removed any more.
    func stop() { queue.sync { isStopped = true } }

    /// Looks once more, when a job has ended.
    func sweepSoon() {
        queue.async { [self] in
            guard !isDue else { return }
            isDue = true
            // Jobs that end together are looked at together.
            queue.asyncAfter(deadline: .now() + 0.1) { [weak self] in
                self?.isDue = false
                self?.sweep()
            }
        }
    }

    private func sweepAndGoOn() {
        sweep()
        queue.asyncAfter(deadline: .now() + settings.retentionSeconds) { [weak self] in
            self?.sweepAndGoOn()
        }
    }

    private func sweep() {
        guard !isStopped else { return }
        do {
            let checkpoints = try store.removeSurplusCheckpoints(keeping: settings.keepCheckpoints)
            if !checkpoints.isEmpty {
                log(
                    .info,
                    "checkpoints removed",
                    [
                        "count": "\(checkpoints.count)",
                        "bytes": "\(checkpoints.reduce(0) { $0 + $1.bytes })",
                    ],
                )
            }
            try compact()
            fails = false
        } catch {
            store.note(error)
            if !fails { log(.error, "cannot remove what is old", ["error": "\(error)"]) }
            fails = true
        }
    }

    private func compact() throws {
        guard let days = settings.keepEventDays else { return }
        let now = Date()
        if let jump = clock.look(at: now, .now) {
            log(
                .warning,
                "the clock was set forward: no event is dropped for a day",
                ["seconds": "\(Int(jump))"],
            )
        }
        guard clock.isTrusted(at: .now) else { return }
        let dropped = try store.compactEvents(endedBefore: now - Double(days) * 86_400)
        if dropped > 0 { log(.info, "events dropped", ["count": "\(dropped)"]) }
    }
}

/// Notices when somebody sets the clock forward: what looks old then may be young.
struct ClockWatch {
    private var last: (date: Date, instant: ContinuousClock.Instant)?
    private var mistrustedUntil: ContinuousClock.Instant?

    /// - Returns: by how many seconds the clock was set forward since the last look, if by more than an hour.
    mutating func look(at date: Date, _ instant: ContinuousClock.Instant) -> Double? {
        defer { last = (date, instant) }
        guard let last else { return nil }
        let jump = date.timeIntervalSince(last.date) - (instant - last.instant) / .seconds(1)
        guard jump > 3600 else { return nil }
        mistrustedUntil = instant + .seconds(86_400)
        return jump
    }

    func isTrusted(at instant: ContinuousClock.Instant) -> Bool {
        mistrustedUntil.map { instant >= $0 } ?? true
    }
}
