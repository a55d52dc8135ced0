// Why a file of another program could not be taken over.

/// Everything that is wrong with a file, all at once.
package struct ExchangeError: Error, Hashable, CustomStringConvertible {
    /// One fault: where it is, what is there, and what may stand there.
    package struct Fault: Hashable, Sendable, CustomStringConvertible {
        /// A line, a key, a tensor.
        package let place: String
        package let found: String
        package let allowed: String

        package init(_ place: String, found: String, allowed: String) {
            self.place = place
            self.found = found
            self.allowed = allowed
        }

        package var description: String { "\(place): found \(found); allowed: \(allowed)" }
    }

    package let file: String
    package let faults: [Fault]

    package init(file: String, _ faults: [Fault]) {
        self.file = file
        self.faults = faults
    }

    package init(file: String, _ place: String, found: String, allowed: String) {
        self.init(file: file, [Fault(place, found: found, allowed: allowed)])
    }

    package var description: String {
        faults.count == 1
            ? "\(file): \(faults[0])"
            : "\(file): \(faults.count) faults\n"
                + faults.map { "    \($0)" }.joined(separator: "\n")
    }
}

/// `text` as it may stand in a message: at most 80 characters, control characters spelled out.
func quoted(_ text: some StringProtocol) -> String {
    var shown = ""
    for (count, scalar) in text.unicodeScalars.enumerated() {
        guard count < 80 else { return "`\(shown)...`" }
        shown +=
            scalar.properties.isWhitespace || scalar.value >= 0x20 && scalar.value != 0x7F
            ? String(scalar) : scalar.escaped(asASCII: true)
    }
    return "`\(shown)`"
}
