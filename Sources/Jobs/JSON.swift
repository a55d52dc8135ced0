// One way to write and read JSON in files, in the store and on the wire.

package import Configs
package import Foundation

/// What has members of type `JSONValue`, which are read faster for it.
package protocol HoldsJSON: Decodable {}

/// Keys sorted and slashes plain, so that equal values are equal bytes.
package enum JSON {
    package static func data(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(Timestamp.text(date))
        }
        return try encoder.encode(value)
    }

    package static func read<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value
    {
        if Value.self == JSONValue.self, let value = try? JSONValue(parsing: data) as? Value {
            return value
        }
        let decoder = JSONDecoder()
        if Value.self is any HoldsJSON.Type, let key = JSONDocument.key {
            decoder.userInfo[key] = JSONDocument(data)
        }
        decoder.dateDecodingStrategy = .custom { decoder in
            let text = try decoder.singleValueContainer().decode(String.self)
            guard let date = Timestamp.date(text) else {
                throw DecodingError.dataCorrupted(
                    DecodingError.Context(
                        codingPath: decoder.codingPath,
                        debugDescription: "no time: \(text)",
                    )
                )
            }
            return date
        }
        return try decoder.decode(type, from: data)
    }

    /// `value` as a tree, by way of its JSON.
    package static func value(_ value: some Encodable) throws -> JSONValue {
        try read(JSONValue.self, from: data(value))
    }
}

extension JSONValue {
    /// The member `key`, unless it is null.
    package func present(_ key: String) -> JSONValue? {
        guard let value = self[key], value != .null else { return nil }
        return value
    }

    package static func int(_ value: Int) -> JSONValue { .int(Int64(value)) }

    /// The value, or null where there is none.
    package static func optional(_ value: String?) -> JSONValue {
        value.map { .string($0) } ?? .null
    }
    package static func optional(_ value: Double?) -> JSONValue {
        value.map { .double($0) } ?? .null
    }
    package static func optional(_ value: Int?) -> JSONValue { value.map { .int($0) } ?? .null }
}
