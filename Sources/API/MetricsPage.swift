// Numbers as Prometheus reads them.

internal import Foundation
internal import JobStore

/// The text format of Prometheus, version 0.0.4.
struct MetricsPage {
    enum Kind: String { case gauge, counter }

    private(set) var text = ""

    mutating func add(
        _ name: String,
        _ kind: Kind,
        _ help: String,
        _ samples: [(labels: [String: String], value: Double)],
    ) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in samples { line(name, labels, value) }
    }

    private mutating func line(_ name: String, _ labels: [String: String], _ value: Double) {
        let pairs = labels.sorted { $0.key < $1.key }.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
                .replacing("\n", with: "\\n")
            return "\(name)=\"\(escaped)\""
        }
        let braces = pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
        text += "\(name)\(braces) \(value)\n"
    }

    /// What has happened since the server started.
    mutating func add(_ tally: Tally) {
        let counters = Dictionary(grouping: tally.counters, by: \.key.name)
        for (name, found) in counters.sorted(by: { $0.key < $1.key }) {
            let samples = found.map { (labels: $0.key.labels, value: Double($0.value)) }
            let ordered = samples.sorted {
                "\($0.labels.sorted(by: <))" < "\($1.labels.sorted(by: <))"
            }
            add(name, .counter, MetricsPage.help[name] ?? "A count.", ordered)
        }
        let histograms = Dictionary(grouping: tally.histograms, by: \.key.name)
        for (name, found) in histograms.sorted(by: { $0.key < $1.key }) {
            text +=
                "# HELP \(name) \(MetricsPage.help[name] ?? "Seconds.")\n# TYPE \(name) histogram\n"
            for (key, histogram) in found {
                let ends = Tally.Histogram.ends.map { "\($0)" } + ["+Inf"]
                for (end, count) in zip(ends, histogram.counts + [histogram.count]) {
                    line(name + "_bucket", key.labels.merging(["le": end]) { $1 }, Double(count))
                }
                line(name + "_sum", key.labels, histogram.sum)
                line(name + "_count", key.labels, Double(histogram.count))
            }
        }
    }

    private static let help = [
        "detnas_jobs_submitted_total": "Jobs that were taken.",
        "detnas_jobs_finished_total": "Jobs that have ended.",
        "detnas_job_attempts_total": "Workers that were started.",
        "detnas_job_interruptions_total": "Attempts that ended before their job.",
        "detnas_checkpoint_writes_total": "Checkpoints written.",
        "detnas_candidates_evaluated_total": "Candidates that searches have told of.",
        "detnas_http_requests_total": "Requests answered.",
        "detnas_http_request_duration_seconds":
            "From the head of a request to the end of its answer, waits and streams included.",
        "detnas_job_queue_wait_seconds": "From submission to the first attempt.",
        "detnas_job_duration_seconds": "Running time of jobs that have ended.",
        "detnas_candidate_evaluation_seconds": "Of one candidate.",
    ]

    /// This process's memory, descriptors and time.
    mutating func addProcess(since start: Date) {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        for line in status.split(separator: "\n") where line.hasPrefix("VmRSS:") {
            let kilobytes = line.split(separator: " ").compactMap { Double($0) }.first ?? 0
            add(
                "process_resident_memory_bytes",
                .gauge,
                "Memory in use.",
                [([:], kilobytes * 1024)],
            )
        }
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count
        add("process_open_fds", .gauge, "Open descriptors.", [([:], Double(open ?? 0))])
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            func seconds(_ time: timeval) -> Double {
                Double(time.tv_sec) + Double(time.tv_usec) / 1e6
            }
            add(
                "process_cpu_seconds_total",
                .counter,
                "Processor time of this process, workers not counted.",
                [([:], seconds(usage.ru_utime) + seconds(usage.ru_stime))],
            )
        }
        add(
            "process_start_time_seconds",
            .gauge,
            "When the server was started.",
            [([:], start.timeIntervalSince1970)],
        )
    }
}
