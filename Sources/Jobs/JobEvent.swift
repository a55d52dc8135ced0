// What happened to a job: one numbered line each, written by the server or by the job's worker.

package import Configs
package import Foundation
internal import Synchronization

/// An event as it is stored and sent. `seq` counts from 1 without a gap, across the attempts of its job.
package struct JobEvent: Codable, Equatable, Sendable {
    package var seq: Int
    /// RFC 3339, UTC, milliseconds.
    package var ts: String
    package var job: JobID
    /// The attempt it belongs to; 0 before the first.
    package var attempt: Int
    package var type: String
    package var data: JSONValue

    package init(
        seq: Int,
        ts: String,
        job: JobID,
        attempt: Int,
        type: String,
        data: JSONValue,
    ) {
        self.seq = seq
        self.ts = ts
        self.job = job
        self.attempt = attempt
        self.type = type
        self.data = data
    }
}

/// An event that has no number yet, and the form of a line of `events.jsonl`.
package struct NewEvent: Codable, HoldsJSON, Equatable, Sendable {
    package var ts: String
    package var type: String
    package var data: JSONValue

    package init(_ type: String, _ data: [String: JSONValue] = [:], at date: Date = Date()) {
        ts = Timestamp.text(date)
        self.type = type
        self.data = .object(data)
    }
}

/// The types that the server makes itself or acts on; others pass through as they are.
package enum EventType {
    package static let state = "job.state"
    package static let end = "job.end"
    package static let attemptStarted = "attempt.started"
    package static let interrupted = "job.interrupted"
    package static let progress = "job.progress"
    package static let metric = "metric"
    package static let evaluation = "evaluation"
    package static let checkpoint = "checkpoint.created"
    package static let checkpointDeleted = "checkpoint.deleted"
    package static let candidate = "candidate.evaluated"
    package static let generation = "generation.finished"
    package static let front = "pareto.changed"
    package static let warning = "warning"
    package static let log = "log"
    /// Tells that the worker lives; it is noted, never stored.
    package static let heartbeat = "heartbeat"

    /// Those of single steps, which only the job's own log has.
    package static let details: Set<String> = [metric, log, progress]
}

/// Times as they are sent and stored: RFC 3339, UTC, milliseconds. A time that was read is written as the same text.
package enum Timestamp {
    private static let style = Date.ISO8601FormatStyle()
    private static let lastSecond = Mutex<(second: Int64, text: String)>((.min, ""))

    package static func text(_ date: Date) -> String {
        let milliseconds = Int64((date.timeIntervalSince1970 * 1000).rounded())
        let (seconds, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        // Many times in a row are of one second.
        let whole = lastSecond.withLock { last in
            if last.second != seconds {
                last = (seconds, style.format(Date(timeIntervalSince1970: Double(seconds))))
            }
            return last.text
        }
        let fraction = String(1000 + rest).dropFirst()
        return whole.dropLast() + "." + fraction + "Z"
    }

    /// Any time of RFC 3339: with or without a fraction, in any offset, a leap second counted as the second after.
    package static func anyDate(_ text: String) -> Date? {
        let form =
            /(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d(?:\.\d{1,9})?)(?:[Zz]|([+-])(\d\d):(\d\d))/
        guard let found = text.wholeMatch(of: form)?.output,
            let minute = try? style.parse("\(found.1)T\(found.2):00Z"),
            let seconds = Double(found.3), seconds < 61
        else { return nil }
        guard let sign = found.4, let hours = found.5.flatMap({ Double($0) }),
            let minutes = found.6.flatMap({ Double($0) })
        else { return minute + seconds }
        guard hours < 24, minutes < 60 else { return nil }
        let offset = hours * 3600 + minutes * 60
        return minute + seconds - (sign == "-" ? -offset : offset)
    }

    package static func date(_ text: String) -> Date? {
        let parts = text.split(separator: ".")
        guard parts.count == 2, parts[1].count == 4, parts[1].last == "Z",
            let rest = Int64(parts[1].dropLast()), let whole = try? style.parse(parts[0] + "Z")
        else { return nil }
        let milliseconds = Int64(whole.timeIntervalSince1970) * 1000 + rest
        return Date(timeIntervalSince1970: Double(milliseconds) / 1000)
    }
}
