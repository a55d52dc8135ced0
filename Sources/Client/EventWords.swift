// What happened to a job, in words.

package import Configs
import Foundation

package enum EventWords {
    /// Those that a line of progress shows as well.
    private static let passing: Set = ["job.progress", "metric"]

    /// Whether it is of the moment, and shown by `JobLine`.
    package static func isPassing(_ event: JSONValue) -> Bool {
        passing.contains(event["type"]?.string ?? "")
    }

    /// - Returns: nil for what needs no telling.
    package static func text(_ event: JSONValue) -> String? {
        let data = event["data"] ?? .null
        func number(_ name: String) -> String? {
            data[name]?.double.map { String(format: "%.4g", $0) }
        }
        let time = String((event["ts"]?.string ?? "").dropFirst(11).prefix(8))
        switch event["type"]?.string {
        case "job.state":
            return "\(time)  \(data["state"]?.string ?? "")  \(data["phase"]?.string ?? "")"
        case "job.progress":
            let left = data["etaSeconds"]?.double.map { "  \(Span.text($0)) left" } ?? ""
            let done = "\(data["done"]?.int ?? 0) of \(data["total"]?.int ?? 0)"
            return
                "\(time)  \(data["phase"]?.string ?? "")  \(done) \(data["unit"]?.string ?? "")\(left)"
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
