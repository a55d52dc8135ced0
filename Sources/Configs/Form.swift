// How values stand in JSON, in both directions. A form reads a value, notes everything wrong with
// it instead of stopping at the first fault, writes the value back as it would read it, and describes
// what it reads.

/// How a `Value` is read from JSON and written to it.
package struct Form<Value> {
    /// What is read, as JSON Schema (2020-12): at least as wide as what `read` takes.
    let schema: JSONValue
    /// The value of `json`; nil after at least one violation was noted. `place` is its pointer.
    let read: (_ json: JSONValue, _ place: String, _ faults: inout [Violation]) -> Value?
    let write: (Value) -> JSONValue
}

/// The pointer to the member `key` of what is at `place` (RFC 6901).
func pointer(_ place: String, _ key: String) -> String {
    let escaped = key.replacing("~", with: "~0").replacing("/", with: "~1")
    return "\(place)/\(escaped)"
}

/// A value from a request in an error message: quoted, and not long.
func quoted(_ text: String) -> String {
    text.unicodeScalars.count > 80 ? "\"\(text.prefix(80))...\"" : "\"\(text)\""
}

func wrongType(_ json: JSONValue, _ place: String, expected: String) -> Violation {
    Violation(place, .wrongType, "expected \(expected), found \(json.typeName)", allowed: expected)
}

extension Form<Bool> {
    static var flag: Form {
        Form(schema: ["type": "boolean"]) { json, place, faults in
            if let flag = json.bool { return flag }
            faults.append(wrongType(json, place, expected: "true or false"))
            return nil
        } write: {
            .bool($0)
        }
    }
}

extension Form<Int> {
    /// A whole number in `range`; an upper end of `Int.max` is not told.
    static func int(_ range: ClosedRange<Int>) -> Form {
        let allowed =
            range.upperBound == .max
            ? ">= \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
        var schema: [String: JSONValue] = [
            "type": "integer", "minimum": .int(Int64(range.lowerBound)),
        ]
        if range.upperBound != .max { schema["maximum"] = .int(Int64(range.upperBound)) }
        return Form(schema: .object(schema)) { json, place, faults in
            guard let number = json.double else {
                faults.append(wrongType(json, place, expected: "a whole number"))
                return nil
            }
            if number.rounded() != number {
                faults.append(
                    Violation(place, .wrongType, "\(number) is not whole", allowed: allowed)
                )
                return nil
            }
            if let whole = json.int, range.contains(whole) { return whole }
            let detail = "\(json.canonical) is out of range"
            faults.append(Violation(place, .outOfRange, detail, allowed: allowed))
            return nil
        } write: {
            .int(Int64($0))
        }
    }
}

/// The finite numbers that a field may have.
struct Interval: Sendable {
    let text: String
    /// Its ends, in the words of JSON Schema.
    let ends: [String: JSONValue]
    let contains: @Sendable (Double) -> Bool

    static let positive = Interval(text: "> 0", ends: ["exclusiveMinimum": 0]) { $0 > 0 }
    static let notNegative = Interval(text: ">= 0", ends: ["minimum": 0]) { $0 >= 0 }
    /// A share or a probability.
    static let share = Interval(text: "0 to 1", ends: ["minimum": 0, "maximum": 1]) {
        0 <= $0 && $0 <= 1
    }
    static let properShare = Interval(
        text: "> 0 and < 1",
        ends: ["exclusiveMinimum": 0, "exclusiveMaximum": 1],
    ) { 0 < $0 && $0 < 1 }
    static let belowOne = Interval(
        text: ">= 0 and < 1",
        ends: ["minimum": 0, "exclusiveMaximum": 1],
    ) { 0 <= $0 && $0 < 1 }
    static let positiveShare = Interval(
        text: "> 0 and <= 1",
        ends: ["exclusiveMinimum": 0, "maximum": 1],
    ) { 0 < $0 && $0 <= 1 }
    static let any = Interval(text: "a finite number", ends: [:]) { _ in true }
    static let atLeastOne = Interval(text: ">= 1", ends: ["minimum": 1]) { $0 >= 1 }
}

extension Form<Double> {
    static func number(_ interval: Interval) -> Form {
        let schema = interval.ends.merging(["type": "number"]) { $1 }
        return Form(schema: .object(schema)) { json, place, faults in
            guard let number = json.double else {
                faults.append(wrongType(json, place, expected: "a number"))
                return nil
            }
            if number.isFinite, interval.contains(number) { return number }
            let detail = "\(json.canonical) is out of range"
            faults.append(Violation(place, .outOfRange, detail, allowed: interval.text))
            return nil
        } write: {
            .double($0)
        }
    }
}

extension Form<String> {
    /// A string of `length` Unicode scalars, none of them a control character.
    static func text(_ length: ClosedRange<Int>) -> Form {
        let schema: JSONValue = [
            "type": "string", "minLength": .int(Int64(length.lowerBound)),
            "maxLength": .int(Int64(length.upperBound)),
        ]
        return Form(schema: schema) { json, place, faults in
            guard let text = json.string else {
                faults.append(wrongType(json, place, expected: "a string"))
                return nil
            }
            let allowed = "\(length.lowerBound) to \(length.upperBound) characters"
            let count = text.unicodeScalars.count
            guard length.contains(count) else {
                let detail = "the string has \(count) characters"
                faults.append(Violation(place, .outOfRange, detail, allowed: allowed))
                return nil
            }
            guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else {
                let detail = "the string has a control character"
                faults.append(Violation(place, .notAllowed, detail, allowed: allowed))
                return nil
            }
            return text
        } write: {
            .string($0)
        }
    }

    /// A path below a folder, with `/`, that cannot leave it.
    static var path: Form { path(orFolder: false) }

    /// The same; with `orFolder`, `.` alone is the folder itself.
    static func path(orFolder: Bool) -> Form {
        let text = text(1...1024)
        return Form(schema: text.schema) { json, place, faults in
            guard let path = text.read(json, place, &faults) else { return nil }
            // By scalars, as the system does: a `/` with an accent is another character to Swift.
            let segments = path.unicodeScalars.split(
                separator: "/",
                omittingEmptySubsequences: false,
            )
            let isSafe = segments.allSatisfy { !["", ".", ".."].contains(String($0)) }
            if (orFolder && path == ".") || (isSafe && !path.contains("\\")) {
                return path
            }
            faults.append(
                Violation(
                    place,
                    .notAllowed,
                    "\(quoted(path)) is not a plain relative path",
                    allowed: "names with `/` between them; no `..`, no `\\`, no `/` at either end",
                )
            )
            return nil
        } write: {
            .string($0)
        }
    }
}

extension Form where Value: RawRepresentable<String> & CaseIterable {
    /// One of the names of an enum.
    static var choice: Form {
        let names = Value.allCases.map(\.rawValue)
        return Form(schema: .names(names)) { json, place, faults in
            guard let name = json.string else {
                faults.append(wrongType(json, place, expected: named(names)))
                return nil
            }
            if let value = Value(rawValue: name) { return value }
            faults.append(noSuchName(name, place, among: names))
            return nil
        } write: {
            .string($0.rawValue)
        }
    }
}

extension Form {
    /// `null` for nil.
    static func optional<Wrapped>(_ form: Form<Wrapped>) -> Form where Value == Wrapped? {
        Form(schema: ["anyOf": [form.schema, ["type": "null"]]]) { json, place, faults in
            if json == .null { return .some(nil) }
            return form.read(json, place, &faults).map { .some($0) }
        } write: {
            $0.map(form.write) ?? .null
        }
    }

    /// An array of `count` values of one form.
    static func list<Element>(_ form: Form<Element>, count: ClosedRange<Int>) -> Form
    where Value == [Element] {
        let allowed =
            count.count == 1
            ? "\(count.lowerBound) elements"
            : "\(count.lowerBound) to \(count.upperBound) elements"
        let schema: JSONValue = [
            "type": "array", "items": form.schema, "minItems": .int(Int64(count.lowerBound)),
            "maxItems": .int(Int64(count.upperBound)),
        ]
        return Form(schema: schema) { json, place, faults in
            guard let array = json.array else {
                faults.append(wrongType(json, place, expected: "an array"))
                return nil
            }
            guard count.contains(array.count) else {
                let detail = "the array has \(array.count) elements"
                faults.append(Violation(place, .outOfRange, detail, allowed: allowed))
                return nil
            }
            let elements = array.enumerated().map {
                form.read($0.element, pointer(place, "\($0.offset)"), &faults)
            }
            let whole = elements.compactMap { $0 }
            return whole.count == array.count ? whole : nil
        } write: {
            .array($0.map(form.write))
        }
    }

    /// One value of a form, or an array of up to `most`.
    static func oneOrMore<Element>(_ form: Form<Element>, most: Int) -> Form
    where Value == [Element] {
        let list = Form.list(form, count: 1...most)
        return Form(schema: ["anyOf": [form.schema, list.schema]]) { json, place, faults in
            json.array == nil
                ? form.read(json, place, &faults).map { [$0] } : list.read(json, place, &faults)
        } write: { values in
            values.count == 1 ? form.write(values[0]) : list.write(values)
        }
    }
}

extension JSONValue {
    /// The schema of a string that is one of `names`.
    static func names(_ names: [String]) -> JSONValue {
        ["type": "string", "enum": .array(names.map { .string($0) })]
    }
}
