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

    /// A request as it is counted: thousands come in a second, so that it has no dictionary of labels.
    private struct Request: Hashable {
        let route: String
        let method: String
        let code: Int
    }

    private struct State {
        var counters: [Key: Int] = [:]
        var histograms: [Key: Histogram] = [:]
        var requests: [Request: Int] = [:]
        /// By route.
        var durations: [String: Histogram] = [:]
        /// By the kind of job, seconds since 1970.
        var checkpoints: [String: Double] = [:]
    }

    private let state = Mutex(State())

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

    /// Counts an answered request. Routes and methods are few; nil stands for none.
    package func request(_ route: String?, _ method: String, _ code: Int?, seconds: Double) {
        let request = Request(
            route: route ?? "none",
            method: route == nil ? "any" : method,
            code: code ?? 0,
        )
        state.withLock { state in
            state.requests[request, default: 0] += 1
            state.durations[request.route, default: Histogram()].add(seconds)
        }
    }

    /// When the last checkpoint was written, seconds since 1970, by the kind of its job.
    package var lastCheckpoints: [String: Double] { state.withLock(\.checkpoints) }

    package var counters: [Key: Int] {
        let (counters, requests) = state.withLock { ($0.counters, $0.requests) }
        return requests.reduce(into: counters) { all, entry in
            let labels = [
                "route": entry.key.route, "method": entry.key.method, "code": "\(entry.key.code)",
            ]
            all[Key(name: "detnas_http_requests_total", labels: labels)] = entry.value
        }
    }

    package var histograms: [Key: Histogram] {
        let (histograms, durations) = state.withLock { ($0.histograms, $0.durations) }
        return durations.reduce(into: histograms) { all, entry in
            let labels = ["route": entry.key]
            all[Key(name: "detnas_http_request_duration_seconds", labels: labels)] = entry.value
        }
    }

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
            let date = Timestamp.date(event.ts) ?? Date()
            state.withLock { $0.checkpoints[job.kind.rawValue] = date.timeIntervalSince1970 }
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
