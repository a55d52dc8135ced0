// What happened to a job: one numbered line each, written by the server or by the job's worker.

package import Configs
package import Foundation

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
package struct NewEvent: Codable, Equatable, Sendable {
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
    package static let candidate = "candidate.evaluated"
    package static let generation = "generation.finished"
    package static let warning = "warning"
    package static let log = "log"
    /// Tells that the worker lives; it is noted, never stored.
    package static let heartbeat = "heartbeat"
}

/// Times as they are sent: RFC 3339, UTC, milliseconds.
package enum Timestamp {
    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    package static func text(_ date: Date) -> String { style.format(date) }

    package static func date(_ text: String) -> Date? { try? style.parse(text) }
}
