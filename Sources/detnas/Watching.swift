// How `submit --follow` and `watch` tell of a job.

import ArgumentParser
import Client
import Configs
import Foundation

/// Follows a job's events and tells of them in words.
struct Watching {
    private let client: Client

    init(_ client: Client) { self.client = client }

    static func exitCode(_ state: String?) -> ExitCode {
        switch state {
        case "succeeded": .success
        case "cancelled": ExitCode(2)
        default: .failure
        }
    }

    /// - Returns: as `wait` exits.
    func follow(_ job: String) throws -> ExitCode {
        var end: String?
        var last = 0
        while end == nil {
            try client.lines("/v1/jobs/\(job)/events?after=\(last)&follow=true") { line in
                let event = try JSONValue(parsing: line)
                last = event["seq"]?.int ?? last
                if let text = words(event) {
                    say(text)
                }
                if event["type"]?.string == "job.end" { end = event["data"]?["state"]?.string }
                return end == nil
            }
            if end == nil {
                // A stream that ends before its job does: the daemon was restarted, or the job ended before.
                let found = try client.get("/v1/jobs/\(job)")
                if found["terminal"]?.bool == true { end = found["state"]?.string }
            }
        }
        return Watching.exitCode(end)
    }

    private func words(_ event: JSONValue) -> String? {
        let data = event["data"] ?? .null
        func number(_ name: String) -> String? {
            data[name]?.double.map { String(format: "%.4g", $0) }
        }
        let time = String((event["ts"]?.string ?? "").dropFirst(11).prefix(8))
        switch event["type"]?.string {
        case "job.state":
            return "\(time)  \(data["state"]?.string ?? "")  \(data["phase"]?.string ?? "")"
        case "job.progress":
            let eta = data["etaSeconds"]?.double.map { "  \(Int($0)) s left" } ?? ""
            let done = "\(data["done"]?.int ?? 0) of \(data["total"]?.int ?? 0)"
            return
                "\(time)  \(data["phase"]?.string ?? "")  \(done) \(data["unit"]?.string ?? "")\(eta)"
        case "evaluation", "generation.finished":
            let names = ["map", "map50", "top1", "best", "mean", "evaluated"]
            let figures = names.compactMap { name in number(name).map { "\(name) \($0)" } }
            return "\(time)  \(figures.joined(separator: "  "))"
        case "metric":
            return number("loss").map { "\(time)  step \(data["step"]?.int ?? 0)  loss \($0)" }
        case "checkpoint.created":
            return "\(time)  checkpoint \(data["id"]?.string ?? "")  \(data["name"]?.string ?? "")"
        case "warning", "job.interrupted":
            return "\(time)  \(data["message"]?.string ?? data["cause"]?.string ?? "")"
        case "job.end":
            let reason = data["error"]?["message"]?.string.map { ": \($0)" } ?? ""
            return "\(time)  \(data["state"]?.string ?? "")\(reason)"
        default:
            return nil
        }
    }
}
