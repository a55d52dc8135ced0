// Lists of jobs for people: a job a line.

package import Configs
package import Foundation

package enum JobTable {
    private static let widths = [30, 9, 6, 20, 11]

    package static let header = line(["ID", "STATE", "DONE", "KIND", "AGE", "NAME"])

    package static func line(_ job: JSONValue, now: Date) -> String {
        let done = job["progress"]?["fraction"]?.double.map { "\(Int($0 * 100)) %" }
        return line([
            job["id"]?.string ?? "", job["state"]?.string ?? "", done ?? "",
            job["kind"]?.string ?? "", Span.since(job["createdAt"]?.string, now: now) ?? "",
            job["name"]?.string ?? "",
        ])
    }

    private static func line(_ cells: [String]) -> String {
        let padded = cells.enumerated().map { index, cell in
            let width = widths.indices.contains(index) ? widths[index] : 0
            return cell + String(repeating: " ", count: max(0, width - cell.count))
        }
        return padded.joined(separator: "  ").replacing(#/ +$/#, with: "")
    }
}
