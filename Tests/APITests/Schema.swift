// The part of JSON Schema that `openapi.yaml` uses, to hold examples and real answers to it.

import Configs
import Foundation
import Testing
import Yams

struct OpenAPI {
    let document: JSONValue

    init() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "openapi.yaml")
        let yaml = try Yams.load(yaml: String(contentsOf: file, encoding: .utf8))
        document = OpenAPI.value(yaml)
    }

    private static func value(_ any: Any?) -> JSONValue {
        switch any {
        case let flag as Bool: .bool(flag)
        case let number as Int: .int(Int64(number))
        case let number as Double: .double(number)
        case let text as String: .string(text)
        case let list as [Any]: .array(list.map(value))
        case let members as [String: Any]: .object(members.mapValues(value))
        case let members as [AnyHashable: Any]:
            .object(
                Dictionary(members.map { ("\($0.key)", value($0.value)) }) { first, _ in first }
            )
        default: .null
        }
    }

    /// `METHOD path` of every operation.
    var operations: Set<String> {
        var all: Set<String> = []
        for (path, methods) in document["paths"]?.object ?? [:] {
            for method in (methods.object ?? [:]).keys {
                all.insert("\(method.uppercased()) \(path)")
            }
        }
        return all
    }

    func resolve(_ value: JSONValue) -> JSONValue {
        guard let reference = value["$ref"]?.string else { return value }
        var found: JSONValue? = document
        for part in reference.dropFirst(2).split(separator: "/") { found = found?[String(part)] }
        return found ?? .null
    }

    func schema(_ name: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(name)")] }

    /// What is wrong with `value`, each with its place.
    func faults(_ value: JSONValue, _ schema: JSONValue, at place: String = "") -> [String] {
        let schema = resolve(schema)
        guard schema != .null else { return ["\(place): the schema is missing"] }
        if let all = schema["allOf"]?.array {
            return all.flatMap { faults(value, $0, at: place) }
        }
        if let any = schema["anyOf"]?.array {
            let each = any.map { faults(value, $0, at: place) }
            return each.contains([]) ? [] : each.min { $0.count < $1.count } ?? []
        }
        var found: [String] = []
        if let only = schema["const"], only != value {
            found.append("\(place): \(value.canonical.prefix(80)) is not \(only.canonical)")
        }
        let types = schema["type"].map { $0.array?.compactMap(\.string) ?? [$0.string ?? ""] } ?? []
        if !types.isEmpty, !types.contains(where: { matches(value, $0) }) {
            found.append(
                "\(place): \(value.canonical.prefix(80)) is no \(types.joined(separator: "/"))"
            )
        }
        if let allowed = schema["enum"]?.array, !allowed.contains(value) {
            found.append("\(place): \(value.canonical) is none of \(allowed.map(\.canonical))")
        }
        if let pattern = schema["pattern"]?.string, let text = value.string,
            text.range(of: pattern, options: .regularExpression) == nil
        {
            found.append("\(place): \(text) does not match \(pattern)")
        }
        if let members = value.object {
            let properties = schema["properties"]?.object ?? [:]
            for name in schema["required"]?.array?.compactMap(\.string) ?? []
            where members[name] == nil {
                found.append("\(place)/\(name): missing")
            }
            for (name, member) in members {
                if let property = properties[name] {
                    found += faults(member, property, at: "\(place)/\(name)")
                } else if schema["additionalProperties"] == false {
                    found.append("\(place)/\(name): not in the schema")
                } else if let other = schema["additionalProperties"], other.object != nil {
                    found += faults(member, other, at: "\(place)/\(name)")
                }
            }
        }
        if let items = schema["items"] {
            for (index, element) in (value.array ?? []).enumerated() {
                found += faults(element, items, at: "\(place)/\(index)")
            }
        }
        return found
    }

    /// Every property name that the schema knows, through `allOf` and references.
    func names(_ schema: JSONValue) -> Set<String> {
        let schema = resolve(schema)
        let own = Set((schema["properties"]?.object ?? [:]).keys)
        return (schema["allOf"]?.array ?? []).reduce(own) { $0.union(names($1)) }
    }

    private func matches(_ value: JSONValue, _ type: String) -> Bool {
        switch type {
        case "null": value == .null
        case "string": value.string != nil
        case "boolean": value.bool != nil
        case "integer": value.int != nil
        case "number": value.double != nil
        case "array": value.array != nil
        case "object": value.object != nil
        default: false
        }
    }
}
