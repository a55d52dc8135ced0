// Points in a frame of text.

import Foundation

enum TextPlot {
    private static let width = 60
    private static let height = 16

    /// - Parameter points: `x` to the right, `y` upwards.
    static func drawing(_ points: [(Double, Double)], x: String, y: String) -> String {
        guard let left = points.map(\.0).min(), let right = points.map(\.0).max(),
            let low = points.map(\.1).min(), let high = points.map(\.1).max()
        else { return "no candidate has a score" }
        func place(_ value: Double, _ low: Double, _ high: Double, _ count: Int) -> Int {
            high > low ? Int(((value - low) / (high - low) * Double(count - 1)).rounded()) : 0
        }
        var rows = Array(repeating: Array(repeating: " ", count: width), count: height)
        for point in points {
            let row = height - 1 - place(point.1, low, high, height)
            rows[row][place(point.0, left, right, width)] = "*"
        }
        var lines = rows.enumerated().map { index, row in
            let mark =
                index == 0 ? label(high) : index == height - 1 ? label(low) : label(nil)
            return mark + "|" + row.joined()
        }
        lines.append(label(nil) + "+" + String(repeating: "-", count: width))
        let ends = (short(left), short(right))
        let gap = String(repeating: " ", count: max(1, width - ends.0.count - ends.1.count))
        lines.append(label(nil) + " " + ends.0 + gap + ends.1)
        lines.append("\(y) by \(x), \(points.count) candidates")
        return lines.joined(separator: "\n")
    }

    private static func label(_ value: Double?) -> String {
        guard let value else { return String(repeating: " ", count: 8) }
        return String(format: "%7.4f ", value)
    }

    private static func short(_ value: Double) -> String {
        value >= 1e6 ? String(format: "%.1f M", value / 1e6) : String(format: "%.0f", value)
    }
}
