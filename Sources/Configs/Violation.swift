// What is wrong with a request, told all at once: the `errors` of an API answer.

/// One thing wrong, and where.
package struct Violation: Hashable, Sendable, Codable {
    package enum Code: String, Codable, Sendable {
        case unknownField = "unknown_field"
        case missing
        case wrongType = "wrong_type"
        case outOfRange = "out_of_range"
        case notAllowed = "not_allowed"
        case conflict  // two fields, each fine alone, that cannot both hold
        case notFound = "not_found"  // what it names is not there
    }

    /// Where: a JSON pointer (RFC 6901), such as `/spec/training/batch`.
    package let pointer: String
    package let code: Code
    /// What is wrong, with the value found.
    package let detail: String
    /// What would be right, such as `> 0` or `"rgb", "bgr"`.
    package let allowed: String?

    package init(_ pointer: String, _ code: Code, _ detail: String, allowed: String? = nil) {
        self.pointer = pointer
        self.code = code
        self.detail = detail
        self.allowed = allowed
    }
}

/// Everything wrong with one request; never empty.
package struct Violations: Error, Hashable, Sendable, CustomStringConvertible {
    package let all: [Violation]

    package init(_ all: [Violation]) { self.all = all }

    /// The same, each where `place` finds its pointer; what then is told twice is told once.
    package func told(by place: (String) -> String) -> Violations {
        var told: [Violation] = []
        for fault in all {
            let moved = Violation(
                place(fault.pointer),
                fault.code,
                fault.detail,
                allowed: fault.allowed,
            )
            if !told.contains(moved) { told.append(moved) }
        }
        return Violations(told)
    }

    /// One line for each violation.
    package var description: String {
        all.map { violation in
            let allowed = violation.allowed.map { " (allowed: \($0))" } ?? ""
            return "\(violation.pointer): \(violation.detail)\(allowed)"
        }.joined(separator: "\n")
    }
}
