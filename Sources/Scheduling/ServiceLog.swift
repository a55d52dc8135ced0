// What the server says about itself: one line an event, as `key=value` pairs.

internal import Foundation
internal import Jobs

package struct ServiceLog: Sendable {
    package enum Level: String, Sendable {
        case info, warning, error
    }

    private let write: @Sendable (String) -> Void

    /// - Parameter write: takes one line, without its end; called from any thread.
    package init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

    package static let silent = ServiceLog { _ in }

    package static let standardError = ServiceLog { line in
        // One write: lines of several threads do not mix.
        try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
    }

    package func callAsFunction(
        _ level: Level,
        _ message: String,
        _ fields: KeyValuePairs<String, String> = [:],
    ) {
        var line = "\(Timestamp.text(Date())) \(level.rawValue) \(message)"
        for (key, value) in fields {
            let isPlain = value.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x3d
            }
            line += " \(key)=" + (isPlain && !value.isEmpty ? value : value.debugDescription)
        }
        write(line)
    }
}
