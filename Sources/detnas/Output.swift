// What commands print.

import Configs
import Foundation

/// A line at once, also into a pipe or a file.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

/// Lines with their ends, at once.
@Sendable func put(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

/// A line for people beside what is printed.
@Sendable func complain(_ line: String) {
    FileHandle.standardError.write(Data("\(line)\n".utf8))
}

/// JSON for people and for jq.
func show(_ value: JSONValue) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    say(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// The terminal that is printed to.
enum Terminal {
    static var isThere: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Characters of a line.
    static var width: Int {
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }
}
