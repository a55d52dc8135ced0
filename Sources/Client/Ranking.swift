// What a search ranks its candidates by, and how one reads on a line.

package import Configs
import Foundation

/// The score of a search.
package struct Ranking: Equatable, Sendable {
    /// As candidates call it: `map`, `map50`, `top1` or `loss`.
    package let field: String

    /// The best first.
    package var sort: String { field == "loss" ? field : "-" + field }

    private var word: String {
        switch field {
        case "map": "AP"
        case "map50": "AP50"
        case "top1": "top-1"
        default: field
        }
    }

    package init(field: String) { self.field = field }

    /// - Parameter job: as the API shows it.
    /// - Throws: `ClientError` where it is no search.
    package init(_ job: JSONValue) throws(ClientError) {
        let kind = job["kind"]?.string ?? ""
        guard kind == "search.evolution" else {
            throw ClientError(
                "\(job["id"]?.string ?? "") is a \(kind), no search.evolution: it has no candidates",
                .badInput,
            )
        }
        field =
            switch job["spec"]?["objective"]?.string {
            case "ap50": "map50"
            case "loss": "loss"
            case "top1": "top1"
            default: "map"
            }
    }

    /// A candidate on one line.
    package func line(_ candidate: JSONValue) -> String {
        let words =
            candidate["failure"]?.string.map { "failed: \($0)" }
            ?? candidate[field]?.double.map { word + String(format: " %.4f", $0) } ?? "halted"
        return Ranking.cost(candidate) + "  \(words)  \(candidate["genome"]?.string ?? "")"
    }

    /// What a candidate or an architecture costs.
    package static func cost(_ found: JSONValue) -> String {
        String(
            format: "%8.1f M MACs  %7.2f M params",
            (found["macs"]?.double ?? 0) / 1e6,
            (found["params"]?.double ?? 0) / 1e6,
        )
    }
}
