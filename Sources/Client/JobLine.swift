// How a job goes, on one line that is drawn again and again.

package import Configs
import Foundation

/// What is known of a running job.
package struct JobLine: Sendable {
    private static let barWidth = 24

    private var state = ""
    private var phase = ""
    private var unit = ""
    private var done = 0
    private var total = 0
    private var left: Double?
    private var figures: [Figure: Double] = [:]

    /// What is shown of what is measured, in this order.
    private enum Figure: String, CaseIterable {
        case loss, map, top1, best, mean

        var word: String {
            switch self {
            case .map: "mAP"
            case .top1: "top-1"
            default: rawValue
            }
        }
    }

    /// - Parameter job: as the API shows it.
    package init(_ job: JSONValue) {
        state = job["state"]?.string ?? ""
        phase = job["phase"]?.string ?? ""
        if let progress = job["progress"] { take(progress: progress) }
        take(figures: job["latestMetrics"])
    }

    /// Learns from an event.
    package mutating func take(_ event: JSONValue) {
        let data = event["data"] ?? .null
        switch event["type"]?.string {
        case "job.state", "job.end":
            state = data["state"]?.string ?? state
            phase = data["phase"]?.string ?? ""
        case "job.progress":
            phase = data["phase"]?.string ?? phase
            take(progress: data)
        case "metric", "evaluation", "generation.finished": take(figures: data)
        default: break
        }
    }

    private mutating func take(progress: JSONValue) {
        unit = progress["unit"]?.string ?? unit
        done = progress["done"]?.int ?? done
        total = progress["total"]?.int ?? total
        left = progress["etaSeconds"]?.double
    }

    private mutating func take(figures data: JSONValue?) {
        for figure in Figure.allCases {
            if let value = data?[figure.rawValue]?.double { figures[figure] = value }
        }
    }

    /// At most `width` characters.
    package func text(width: Int) -> String {
        var parts = [state == phase || phase.isEmpty ? state : "\(state) \(phase)"]
        if total > 0 {
            let fraction = min(1, max(0, Double(done) / Double(total)))
            let full = Int(fraction * Double(JobLine.barWidth))
            let bar =
                String(repeating: "#", count: full)
                + String(repeating: ".", count: JobLine.barWidth - full)
            parts.append(String(format: "[%@] %3d %%", bar, Int(fraction * 100)))
            parts.append("\(done)/\(total) \(unit)")
        }
        for figure in Figure.allCases {
            if let value = figures[figure] {
                parts.append("\(figure.word) " + String(format: "%.4g", value))
            }
        }
        if let left { parts.append("\(Span.text(left)) left") }
        return String(parts.joined(separator: "  ").prefix(max(0, width)))
    }
}
