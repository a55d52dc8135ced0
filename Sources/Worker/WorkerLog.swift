// What a worker prints of its events, for whoever reads a job's log: one line each, without what programs alone need.

import Configs
import Foundation
import Jobs

/// Which events are printed, and how. Those of single steps and candidates come up to a thousand times a minute, so of each
/// such type one is printed in a while.
struct WorkerLog {
    private static let frequent: Set<String> = [EventType.metric, EventType.candidate]
    private static let silent: Set<String> = [EventType.heartbeat, EventType.progress]

    /// Between two lines of a frequent type, seconds.
    private let interval: Double
    private var printed: [String: Date] = [:]

    init(interval: Double = 30) { self.interval = interval }

    /// - Returns: nil for what is not printed.
    mutating func line(_ event: NewEvent, at now: Date = Date()) -> String? {
        guard !Self.silent.contains(event.type) else { return nil }
        if Self.frequent.contains(event.type) {
            if let last = printed[event.type], (0..<interval).contains(now.timeIntervalSince(last))
            {
                return nil
            }
            printed[event.type] = now
        }
        let values = (event.data.object ?? [:]).sorted { $0.key < $1.key }.compactMap(Self.text)
        return ([event.ts, event.type] + values).joined(separator: " ") + "\n"
    }

    /// `name=value`; nothing of lists, objects and digests.
    private static func text(_ name: String, _ value: JSONValue) -> String? {
        guard name != "sha256" else { return nil }
        switch value {
        case .double(let number): return "\(name)=\(String(format: "%.5g", number))"
        case .string(let text):
            let isPlain = !text.isEmpty && !text.contains { $0.isWhitespace || $0 == "\"" }
            return "\(name)=\(isPlain ? text : value.canonical)"
        case .array, .object, .null: return nil
        default: return "\(name)=\(value.canonical)"
        }
    }
}
