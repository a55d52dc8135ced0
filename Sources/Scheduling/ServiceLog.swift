// What the server says about itself: one JSON object a line.

package import Configs
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
        line(level, message, fields.map { ($0, .string($1)) })
    }

    /// A line whose fields are not all text. Time, level and message come first, for people.
    package func line(
        _ level: Level,
        _ message: String,
        _ fields: [(name: String, value: JSONValue)],
    ) {
        let first: [(name: String, value: JSONValue)] = [
            ("ts", .string(Timestamp.text(Date()))), ("level", .string(level.rawValue)),
            ("message", .string(message)),
        ]
        var text = "{"
        for (name, value) in first + fields {
            if text.utf8.count > 1 { text += "," }
            JSONValue.string(name).write(to: &text)
            text += ":"
            value.write(to: &text)
        }
        write(text + "}")
    }
}
