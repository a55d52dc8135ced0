// What can go wrong between a command and its daemon, and how a command then ends.

package import Configs

/// Why there was no answer, or none that can be used.
package struct ClientError: Error, CustomStringConvertible {
    /// What may be done about it.
    package enum Kind: Sendable {
        /// Nobody listens, or the connection broke: it may be there again in a moment.
        case unreachable
        /// There is no such host.
        case noHost
        /// What answers is not to be trusted, or no daemon.
        case stranger
        case forbidden
        /// An id or a file that is not there.
        case notFound
        /// A file whose content is wrong.
        case badInput
        case usage
        case other
    }

    package let description: String
    package let kind: Kind

    package init(_ description: String, _ kind: Kind = .other) {
        self.description = description
        self.kind = kind
    }
}

/// What a daemon answered that is no success.
package struct ServerProblem: Error, CustomStringConvertible {
    package let status: Int
    package let body: JSONValue

    /// The problem's words, and a line for each violation.
    package var description: String {
        let title = body["title"]?.string ?? "the server answered \(status)"
        let faults = body["errors"]?.array ?? []
        // Beside violations the detail tells the only one again, or their number.
        let detail = faults.isEmpty ? body["detail"]?.string.map { ": \($0)" } ?? "" : ":"
        return
            ([title + detail]
            + faults.map { fault in
                let place = fault["pointer"]?.string ?? ""
                let allowed = fault["allowed"]?.string.map { "; allowed: \($0)" } ?? ""
                return "  \(place.isEmpty ? "the whole" : place): \(fault["detail"]?.string ?? "")"
                    + allowed
            }).joined(separator: "\n")
    }
}

/// How a command ends: for a followed job as its state says, else by `sysexits.h`.
package enum ExitStatus {
    /// The time was over before the job.
    package static let timeOver: Int32 = 3

    package static func of(state: String?) -> Int32 {
        switch state {
        case "succeeded": 0
        case "cancelled": 2
        default: 1
        }
    }

    /// - Returns: nil for an error that is none of a client's.
    package static func of(_ error: any Error) -> Int32? {
        switch error {
        case let error as ClientError:
            switch error.kind {
            case .usage: 64
            case .badInput: 65
            case .notFound: 66
            case .unreachable, .noHost: 69
            case .stranger: 76
            case .forbidden: 77
            case .other: 1
            }
        case let problem as ServerProblem:
            switch problem.status {
            case 401, 403: 77
            case 404, 410: 66
            case 429, 507: 75
            case 502...504: 69
            case ..<500: 65
            default: 70
            }
        default: nil
        }
    }
}

/// Whether it may go well in a moment: the daemon is being restarted, or the way to it is broken.
func isPassing(_ error: any Error) -> Bool {
    switch error {
    case let error as ClientError: error.kind == .unreachable
    case let problem as ServerProblem: (502...504).contains(problem.status)
    default: false
    }
}
