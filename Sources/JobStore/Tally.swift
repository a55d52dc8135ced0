// What has happened since this server started, counted: for whoever watches it over weeks.

import Configs
import Foundation
package import Jobs
import Synchronization

/// Numbers by the name of a metric and its labels.
package final class Tally: Sendable {
    package struct Key: Hashable, Sendable {
        package let name: String
        package let labels: [String: String]
    }

    /// Values in ranges, as Prometheus counts them.
    package struct Histogram: Sendable {
        /// Upper ends, seconds.
        package static let ends: [Double] = [
            0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 7200, 43_200, 259_200,
        ]

        /// How many were at most as great as each end.
        package private(set) var counts = Array(repeating: 0, count: Histogram.ends.count)
        package private(set) var count = 0
        package private(set) var sum = 0.0

        mutating func add(_ value: Double) {
            count += 1
            sum += value
            for (index, end) in Histogram.ends.enumerated() where value <= end {
                counts[index] += 1
            }
        }
    }

    /// The most different labels of all: a client must not be able to fill the memory.
    private static let most = 5000

    private let state = Mutex<(counters: [Key: Int], histograms: [Key: Histogram])>(([:], [:]))

    package init() {}

    package func count(_ name: String, _ labels: [String: String] = [:]) {
        let key = Key(name: name, labels: labels)
        state.withLock { state in
            guard state.counters[key] != nil || state.counters.count < Tally.most else { return }
            state.counters[key, default: 0] += 1
        }
    }

    package func measure(_ name: String, _ labels: [String: String] = [:], seconds: Double) {
        let key = Key(name: name, labels: labels)
        state.withLock { state in
            guard state.histograms[key] != nil || state.histograms.count < Tally.most else {
                return
            }
            state.histograms[key, default: Histogram()].add(seconds)
        }
    }

    package var counters: [Key: Int] { state.withLock { $0.counters } }
    package var histograms: [Key: Histogram] { state.withLock { $0.histograms } }

    /// Counts what an event of a job tells.
    func note(_ event: NewEvent, of job: Job) {
        let kind = ["kind": job.kind.rawValue]
        switch event.type {
        case EventType.state where event.data["from"] == .null || event.data["from"] == nil:
            count("detnas_jobs_submitted_total", kind)
        case EventType.attemptStarted:
            count("detnas_job_attempts_total", kind)
            if job.attempt == 1 {
                let wait = max(0, (job.startedAt ?? Date()).timeIntervalSince(job.createdAt))
                measure("detnas_job_queue_wait_seconds", seconds: wait)
            }
        case EventType.interrupted:
            count(
                "detnas_job_interruptions_total",
                ["cause": event.data["cause"]?.string ?? "unknown"],
            )
        case EventType.end:
            count(
                "detnas_jobs_finished_total",
                kind.merging(["outcome": job.state.rawValue]) { $1 },
            )
            measure("detnas_job_duration_seconds", kind, seconds: job.runSeconds)
        case EventType.checkpoint:
            count("detnas_checkpoint_writes_total")
        case EventType.candidate:
            count("detnas_candidates_evaluated_total")
            if let seconds = event.data["seconds"]?.double {
                measure("detnas_candidate_evaluation_seconds", seconds: seconds)
            }
        default:
            break
        }
    }
}
