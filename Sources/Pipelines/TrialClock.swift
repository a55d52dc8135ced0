// Times the units of work that a run tells of, and knows when there were enough.

import Configs
import Foundation

/// Sendable: `lock` guards what changes.
final class TrialClock: @unchecked Sendable {
    struct Figures {
        var unit: String
        var total: Int
        /// Units that were done.
        var count: Int
        /// Seconds.
        var perUnit: Double
        /// Seconds before the first unit.
        var start: Double
    }

    /// How long the first unit and those after it may take together, beyond `seconds`.
    private static let patience = 60.0

    private let seconds: Double
    private let began = ContinuousClock.now
    private let lock = NSLock()
    private var first: (done: Int, at: ContinuousClock.Instant)?
    private var last: (done: Int, at: ContinuousClock.Instant)?
    private var told: (phase: String, unit: String, from: Int, total: Int)?

    /// - Parameter seconds: how long units are timed after the first one.
    init(seconds: Double) { self.seconds = seconds }

    /// Nil before the first unit. That is timed by itself: it pays for what is done once.
    var figures: Figures? {
        lock.withLock {
            guard let first, let last, let told else { return nil }
            let toFirst = began.duration(to: first.at) / .seconds(1)
            let count = last.done - first.done
            let perUnit =
                count > 0
                ? first.at.duration(to: last.at) / .seconds(1) / Double(count)
                : toFirst / Double(max(first.done - told.from, 1))
            return Figures(
                unit: told.unit,
                total: told.total,
                count: last.done - told.from,
                perUnit: perUnit,
                start: max(0, toFirst - perUnit * Double(first.done - told.from)),
            )
        }
    }

    var hasSeenEnough: Bool {
        lock.withLock {
            guard let first, let last, let told else { return false }
            return last.done >= told.total
                || last.done > first.done && first.at.duration(to: .now) >= .seconds(seconds)
                || began.duration(to: .now) >= .seconds(Self.patience + seconds)
        }
    }

    /// Takes an event of the run; those that tell how far its first phase is count.
    func note(_ type: String, _ data: JSONValue) {
        guard type == "job.progress", let done = data["done"]?.int.map({ Int($0) }),
            let phase = data["phase"]?.string
        else { return }
        lock.withLock {
            let told =
                told ?? (
                    phase, data["unit"]?.string ?? "units", done, Int(data["total"]?.int ?? 0),
                )
            self.told = told
            guard phase == told.phase, done > told.from else { return }
            let now = (done, ContinuousClock.now)
            first = first ?? now
            last = now
        }
    }
}
