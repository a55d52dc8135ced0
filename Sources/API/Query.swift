// The query of a request, read strictly: what is misspelt is told, not ignored.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

struct Query {
    private var values: [String: String] = [:]

    /// - Parameter families: for `label`, any `label.NAME` is allowed.
    /// - Throws: `Problem` when a parameter is none of `allowed`, or comes twice.
    init(_ request: HTTPRequest, allowed: [String], families: [String] = []) throws {
        for (name, value) in request.query {
            let isOfFamily = families.contains {
                name.hasPrefix($0 + ".") && name.utf8.count > $0.utf8.count + 1
            }
            guard allowed.contains(name) || isOfFamily else {
                let allowed = allowed + families.map { $0 + ".NAME" }
                throw Problem(
                    400,
                    "bad_query",
                    "A query parameter is wrong",
                    "there is no parameter \"\(name.prefix(100))\" here; allowed: "
                        + (allowed.isEmpty ? "none" : allowed.joined(separator: ", ")),
                )
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw Problem(
                    400,
                    "bad_query",
                    "A query parameter is wrong",
                    "\(name) stands twice",
                )
            }
        }
    }

    subscript(name: String) -> String? { values[name] }

    func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = values[name] else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw Problem.badQuery(
                name,
                text,
                allowed: "a whole number, \(range.lowerBound)...\(range.upperBound)",
            )
        }
        return value
    }

    /// How many elements a page may have: 50 unless told, at most 500.
    func limit() throws -> Int { try integer("limit", in: 1...500) ?? 50 }

    func cursor() throws -> ListCursor? {
        guard let text = values["after"] else { return nil }
        guard let cursor = ListCursor(text) else {
            throw Problem.badQuery("after", text, allowed: "the `nextCursor` of a page before")
        }
        return cursor
    }

    /// The values of `family.NAME`, by name.
    func family(_ family: String) -> [String: String] {
        let own = values.filter { $0.key.hasPrefix(family + ".") }
        return Dictionary(
            own.map { (String($0.key.dropFirst(family.count + 1)), $0.value) },
            uniquingKeysWith: { first, _ in first },
        )
    }

    /// Names separated by commas; nil where the parameter is missing.
    func names(_ name: String, among allowed: [String]) throws -> Set<String>? {
        guard let text = values[name] else { return nil }
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if let stranger = names.first(where: { !allowed.contains($0) }) {
            throw Problem.badQuery(name, stranger, allowed: allowed.joined(separator: ", "))
        }
        return Set(names)
    }

    func number(_ name: String) throws -> Double? {
        guard let text = values[name] else { return nil }
        guard let value = Double(text), value.isFinite else {
            throw Problem.badQuery(name, text, allowed: "a number")
        }
        return value
    }

    func time(_ name: String) throws -> Date? {
        guard let text = values[name] else { return nil }
        guard let date = Timestamp.anyDate(text) ?? Timestamp.anyDate(text + "T00:00:00Z") else {
            throw Problem.badQuery(
                name,
                text,
                allowed: "a time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31",
            )
        }
        return date
    }

    func flag(_ name: String) throws -> Bool? {
        switch values[name] {
        case nil: nil
        case "true", "1": true
        case "false", "0": false
        case .some(let text): throw Problem.badQuery(name, text, allowed: "true, false")
        }
    }

    /// Values separated by commas.
    func choices<Choice: RawRepresentable & CaseIterable>(
        _ name: String,
        _ type: Choice.Type,
    ) throws -> [Choice] where Choice.RawValue == String {
        guard let text = values[name] else { return [] }
        return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let choice = Choice(rawValue: String(part)) else {
                throw Problem.badQuery(
                    name,
                    String(part),
                    allowed: Choice.allCases.map(\.rawValue).joined(separator: ", "),
                )
            }
            return choice
        }
    }

    /// One of the names of an enum.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String,
        _ type: Choice.Type,
    ) throws -> Choice? where Choice.RawValue == String {
        let found = try choices(name, type)
        guard found.count <= 1 else {
            throw Problem.badQuery(name, values[name] ?? "", allowed: "one value")
        }
        return found.first
    }

    /// How long to wait: `30s`, `0.5s` or `30`; `Prefer: wait=30` means the same. At most 300 seconds.
    func wait(_ request: HTTPRequest) throws -> Double? {
        let preferred = request.headers["Prefer"]?.split(separator: ",").lazy
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .first { $0.hasPrefix("wait=") }?.dropFirst(5)
        guard let text = values["wait"] ?? preferred.map(String.init) else { return nil }
        let number = text.hasSuffix("s") ? text.dropLast() : text[...]
        guard let seconds = Double(number), (0...300).contains(seconds) else {
            throw Problem.badQuery("wait", text, allowed: "0s...300s, such as 30s")
        }
        return seconds
    }
}
