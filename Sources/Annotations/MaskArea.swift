// Areas of COCO's three forms of a mask: polygons, run lengths, and run lengths packed in a string.

/// How many square pixels a mask covers.
enum MaskArea {
    /// The sum over polygons, each `[x1, y1, x2, y2, ...]`, by the shoelace formula.
    ///
    /// COCO counts the pixels of the drawn polygon instead: the two differ by parts of the border.
    static func polygons(_ polygons: [[Double]]) -> Double {
        polygons.reduce(0) { sum, polygon in
            let points = polygon.count / 2
            var doubled = 0.0
            for point in 0..<points {
                let next = (point + 1) % points
                doubled +=
                    polygon[2 * point] * polygon[2 * next + 1]
                    - polygon[2 * next] * polygon[2 * point + 1]
            }
            return sum + abs(doubled) / 2
        }
    }

    /// Run lengths tell pixels outside and inside by turns, column by column, outside first.
    static func runs(_ counts: [Double]) -> Double {
        stride(from: 1, to: counts.count, by: 2).reduce(0) { $0 + counts[$1] }
    }

    /// Packed run lengths: five bits a character from `0` on, low bits first, the sixth bit saying
    /// that more follow, the last character's fifth bit the sign; from the fourth number on each is
    /// the difference to the one two before. Nil where the text is not of that form.
    static func packedRuns(_ text: String) -> Double? {
        var counts: [Int] = []
        var value = 0
        var shift = 0
        for byte in text.utf8 {
            guard (48..<112).contains(byte), shift < 60 else { return nil }
            let bits = Int(byte) - 48
            value |= (bits & 31) << shift
            shift += 5
            if bits & 32 != 0 { continue }
            if bits & 16 != 0 { value |= -1 << shift }
            let (count, overflow) = value.addingReportingOverflow(
                counts.count > 2 ? counts[counts.count - 2] : 0
            )
            guard !overflow, count >= 0 else { return nil }
            counts.append(count)
            value = 0
            shift = 0
        }
        return shift == 0 ? runs(counts.map(Double.init)) : nil
    }
}
