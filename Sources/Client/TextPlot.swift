// Points in a frame of text.

import Foundation

package enum TextPlot {
    private static let width = 60
    private static let height = 16

    /// - Parameter points: `x` to the right, `y` upwards.
    package static func drawing(_ points: [(Double, Double)], x: String, y: String) -> String {
        guard let across = Axis(points.map(\.0), cells: width),
            let up = Axis(points.map(\.1), cells: height)
        else { return "no candidate has a score" }
        var rows = Array(repeating: Array(repeating: " ", count: width), count: height)
        let marks = Dictionary([up.low, up.high].map { (up.cell($0), label($0)) }) { first, _ in
            first
        }
        for point in points {
            rows[up.cell(point.1)][across.cell(point.0)] = "*"
        }
        var lines = rows.enumerated().reversed().map { index, row in
            ((marks[index] ?? label(nil)) + "|" + row.joined())
                .replacing(#/ +$/#, with: "")
        }
        lines.append(label(nil) + "+" + String(repeating: "-", count: width))
        lines.append(label(nil) + " " + ends(across))
        let count = points.count == 1 ? "1 candidate" : "\(points.count) candidates"
        lines.append("\(y) by \(x), \(count)")
        return lines.joined(separator: "\n")
    }

    /// What stands under the frame: both ends, or the only place in the middle.
    private static func ends(_ axis: Axis) -> String {
        let (low, high) = (short(axis.low), short(axis.high))
        guard axis.low < axis.high else {
            let place = max(0, axis.cell(axis.low) - low.count / 2)
            return String(repeating: " ", count: place) + low
        }
        return low + String(repeating: " ", count: max(1, width - low.count - high.count)) + high
    }

    private static func label(_ value: Double?) -> String {
        guard let value else { return String(repeating: " ", count: 8) }
        return String(format: "%7.4f ", value)
    }

    private static func short(_ value: Double) -> String {
        value >= 1e6 ? String(format: "%.1f M", value / 1e6) : String(format: "%.0f", value)
    }
}

/// Where values lie in a row of cells; a single value in the middle.
private struct Axis {
    let low: Double
    let high: Double
    let cells: Int

    init?(_ values: [Double], cells: Int) {
        guard let low = values.min(), let high = values.max() else { return nil }
        (self.low, self.high, self.cells) = (low, high, cells)
    }

    func cell(_ value: Double) -> Int {
        high > low
            ? Int(((value - low) / (high - low) * Double(cells - 1)).rounded()) : cells / 2
    }
}
