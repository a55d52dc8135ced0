// How long something takes, for people.

package import Foundation

package enum Span {
    /// Such as `45 s`, `12 min`, `3 h 05 min`, `2 d 4 h`.
    package static func text(_ seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 1e10)).rounded())
        let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400)
        if whole < 120 { return "\(whole) s" }
        if minutes < 120 { return "\(minutes) min" }
        if hours < 48 { return String(format: "%d h %02d min", hours, minutes % 60) }
        return "\(days) d \(hours % 24) h"
    }

    /// Since a time of the API; nil for what is none.
    package static func since(_ time: String?, now: Date) -> String? {
        guard let time, let date = try? Date(time, strategy: style) else { return nil }
        return text(now.timeIntervalSince(date))
    }

    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}
