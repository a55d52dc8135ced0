// Numbers over time, as a job's events tell them.

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
    /// The values called `name` in a job's metrics, evaluations and generations, by step. Where a job was cut off and
    /// did steps again, the later value counts.
    ///
    /// - Parameters:
    ///   - name: letters, digits and `_`.
    ///   - stage: of a job that has several; nil: all.
    ///   - steps: which are wanted.
    package func series(
        of job: JobID,
        _ name: String,
        stage: String? = nil,
        in steps: ClosedRange<Double> = -.infinity ... .infinity,
    ) throws -> [SeriesPoint] {
        // Row by row: a job of a million steps has as many.
        let last = try database.read { db in
            var last: [Double: SeriesPoint] = [:]
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT ts, COALESCE(json_extract(data, '$.step'),
                        json_extract(data, '$.generation')) AS step, json_extract(data, ?) AS value
                    FROM events
                    WHERE job = ? AND type IN ('metric', 'evaluation', 'generation.finished')
                        AND step IS NOT NULL AND typeof(value) IN ('real', 'integer')
                        AND (? IS NULL OR json_extract(data, '$.stage') = ?)
                    ORDER BY seq
                    """,
                arguments: ["$.\(name)", job.rawValue, stage, stage],
            )
            while let row = try rows.next() {
                let point = SeriesPoint(step: row["step"], ts: row["ts"], value: row["value"])
                if steps.contains(point.step) { last[point.step] = point }
            }
            return last
        }
        return last.values.sorted { $0.step < $1.step }
    }
}

extension [SeriesPoint] {
    /// At most about `count` of them: of each of equal stretches the least and the greatest value, so that no peak is lost.
    package func thinned(to count: Int) -> [SeriesPoint] {
        guard self.count > count, count >= 2 else { return self }
        let stretches = Swift.max(1, count / 2)
        return (0..<stretches).flatMap { stretch -> [SeriesPoint] in
            let part = self[
                stretch * self.count / stretches..<(stretch + 1) * self.count / stretches
            ]
            guard let low = part.indices.min(by: { part[$0].value < part[$1].value }),
                let high = part.indices.max(by: { part[$0].value < part[$1].value })
            else { return [] }
            return Set([low, high]).sorted().map { self[$0] }
        }
    }
}
