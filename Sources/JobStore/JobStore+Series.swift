// Numbers over time, as a job's events tell them. Its log may have millions: none of these reads holds more than it gives.

import Configs
import GRDB
package import Jobs

/// One value of a series.
package struct SeriesPoint: Equatable, Sendable {
    /// The step, or the generation.
    package var step: Double
    package var ts: String
    package var value: Double

    package init(step: Double, ts: String, value: Double) {
        self.step = step
        self.ts = ts
        self.value = value
    }
}

extension JobStore {
    /// The types of events that have numbers by step.
    private static let numbered = "events.type IN ('metric', 'evaluation', 'generation.finished')"
    private static let stepOfData =
        "COALESCE(json_extract(data, '$.step'), json_extract(data, '$.generation'))"

    /// The values called `name` in a job's metrics, evaluations and generations, oldest first. Where a job was cut off and
    /// did steps again, the later values count.
    ///
    /// - Parameters:
    ///   - name: letters, digits and `_`.
    ///   - stage: of a job that has several; nil: all, one after another.
    ///   - steps: which are wanted.
    ///   - count: about how many at most; see `Thinning`.
    package func series(
        of job: JobID,
        _ name: String,
        stage: String? = nil,
        in steps: ClosedRange<Double> = -.infinity ... .infinity,
        most count: Int,
    ) throws -> [SeriesPoint] {
        try database.read { db in
            // The newest first: a step is told anew exactly if what came after it went on from no later step.
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT ts, \(JobStore.stepOfData) AS step, json_extract(data, ?) AS value,
                        json_extract(data, '$.stage') AS stage
                    FROM events
                    WHERE job = ? AND \(JobStore.numbered)
                        AND step IS NOT NULL AND typeof(value) IN ('real', 'integer')
                        AND (? IS NULL OR stage = ?)
                    ORDER BY seq DESC
                    """,
                arguments: ["$.\(name)", job.rawValue, stage, stage],
            )
            var firstTold: [String?: Double] = [:]
            var thinning = Thinning(to: count)
            while let row = try rows.next() {
                let step: Double = row["step"]
                guard step < firstTold[row["stage"], default: .infinity] else { continue }
                firstTold[row["stage"]] = step
                guard steps.contains(step) else { continue }
                thinning.add(SeriesPoint(step: step, ts: row["ts"], value: row["value"]))
            }
            return thinning.points.reversed()
        }
    }

    /// Gives all numbers of a job that count, as `series` has them, oldest first.
    package func forEachPoint(
        of job: JobID,
        _ body: (_ name: String, SeriesPoint) throws -> Void,
    ) throws {
        try database.read { db in
            let dropped = try toldAnew(of: job, db)
            var next = dropped[...]
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT seq, ts, \(JobStore.stepOfData) AS step, key, value FROM events, json_each(data)
                    WHERE job = ? AND \(JobStore.numbered) AND step IS NOT NULL
                        AND json_each.type IN ('real', 'integer') AND key NOT IN ('step', 'generation')
                    ORDER BY seq
                    """,
                arguments: [job.rawValue],
            )
            while let row = try rows.next() {
                let seq: Int = row["seq"]
                while let range = next.first, range.upperBound < seq { next.removeFirst() }
                if let range = next.first, range.contains(seq) { continue }
                try body(
                    row["key"],
                    SeriesPoint(step: row["step"], ts: row["ts"], value: row["value"]),
                )
            }
        }
    }

    /// The events, by number and oldest first, whose steps were done again later.
    private func toldAnew(of job: JobID, _ db: Database) throws -> [ClosedRange<Int>] {
        struct Kind: Hashable {
            var type: String
            var stage: String?
        }
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT seq, type, \(JobStore.stepOfData) AS step, json_extract(data, '$.stage') AS stage
                FROM events WHERE job = ? AND \(JobStore.numbered) AND step IS NOT NULL ORDER BY seq DESC
                """,
            arguments: [job.rawValue],
        )
        var firstTold: [Kind: Double] = [:]
        var ranges: [ClosedRange<Int>] = []
        var isOpen = false
        while let row = try rows.next() {
            let (seq, step): (Int, Double) = (row["seq"], row["step"])
            let kind = Kind(type: row["type"], stage: row["stage"])
            if step < firstTold[kind, default: .infinity] {
                firstTold[kind] = step
                isOpen = false
            } else if isOpen, let last = ranges.popLast() {
                ranges.append(seq...last.upperBound)
            } else {
                ranges.append(seq...seq)
                isOpen = true
            }
        }
        return ranges.reversed()
    }
}

/// Of points that come one after another, at most about `count`: of each of equal stretches the least and the greatest
/// value, so that no peak is lost. Holds no more than it gives.
package struct Thinning {
    private struct Stretch {
        var low: SeriesPoint
        var high: SeriesPoint
        /// Whether the least came first.
        var ascends = true

        init(_ point: SeriesPoint) {
            low = point
            high = point
        }

        /// This one and the one after it.
        func joined(with next: Self) -> Self {
            var whole = self
            let (lower, higher) = (next.low.value < low.value, next.high.value > high.value)
            if lower { whole.low = next.low }
            if higher { whole.high = next.high }
            whole.ascends = lower == higher ? (lower ? next.ascends : ascends) : higher
            return whole
        }

        var points: [SeriesPoint] {
            low == high ? [low] : ascends ? [low, high] : [high, low]
        }
    }

    private let count: Int
    private var ends: (first: SeriesPoint, last: SeriesPoint)?
    private var stretches: [Stretch] = []
    /// How many points a stretch has, and how many the one at the end has yet.
    private var (length, filled) = (1, 1)

    package init(to count: Int) { self.count = max(1, count / 2) * 2 }

    package mutating func add(_ point: SeriesPoint) {
        ends = (ends?.first ?? point, point)
        take(point)
    }

    private mutating func take(_ point: SeriesPoint) {
        if filled < length, let last = stretches.last {
            stretches[stretches.count - 1] = last.joined(with: Stretch(point))
            filled += 1
            return
        }
        // Two points of each stretch, and room for the ends.
        if stretches.count >= (length == 1 ? count : max(1, count / 2 - 1)) {
            filled = stretches.count.isMultiple(of: 2) ? length * 2 : length
            stretches = stride(from: 0, to: stretches.count, by: 2).map {
                $0 + 1 < stretches.count
                    ? stretches[$0].joined(with: stretches[$0 + 1]) : stretches[$0]
            }
            length *= 2
            return take(point)
        }
        stretches.append(Stretch(point))
        filled = 1
    }

    package var points: [SeriesPoint] {
        var points = stretches.flatMap(\.points)
        guard let ends, count >= 4 else { return points }
        if points.first != ends.first { points.insert(ends.first, at: 0) }
        if points.last != ends.last { points.append(ends.last) }
        return points
    }
}
