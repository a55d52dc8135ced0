// Job files in YAML, whose comments can say where a number comes from; what is sent is JSON.

package import Foundation
import Yams

/// Why a text is not read as YAML.
package struct YAMLError: Error, CustomStringConvertible {
    package let description: String
}

extension JSONValue {
    /// The value of a YAML document: maps with text as keys, lists, numbers, texts, flags and nulls.
    ///
    /// - Throws: `YAMLError` with the place of what is not that; a key that stands twice is such a thing.
    package init(parsingYAML data: Data) throws(YAMLError) {
        let node: Node?
        do {
            node = try Yams.compose(yaml: String(decoding: data, as: UTF8.self))
        } catch {
            throw YAMLError(description: "\(error)")
        }
        guard let node else { throw YAMLError(description: "the file is empty") }
        self = try JSONValue(node)
    }

    private init(_ node: Node) throws(YAMLError) {
        switch node {
        case .scalar: self = try JSONValue(scalar: node)
        case .sequence(let sequence):
            var elements: [JSONValue] = []
            for element in sequence { elements.append(try JSONValue(element)) }
            self = .array(elements)
        case .mapping(let mapping):
            var members: [String: JSONValue] = [:]
            for (key, value) in mapping {
                guard let name = key.string else { throw JSONValue.fault(key, "a key is no text") }
                guard members.updateValue(try JSONValue(value), forKey: name) == nil else {
                    throw JSONValue.fault(key, "the key \(name) stands twice")
                }
            }
            self = .object(members)
        case .alias: throw JSONValue.fault(node, "an alias; write out what it stands for")
        }
    }

    private init(scalar node: Node) throws(YAMLError) {
        switch node.any {
        case let flag as Bool: self = .bool(flag)
        case let whole as Int: self = .int(Int64(whole))
        case let number as Double: self = .double(number)
        case let text as String: self = .string(text)
        case is NSNull: self = .null
        default:
            throw JSONValue.fault(node, "neither text nor number; put it in quotes to mean text")
        }
    }

    private static func fault(_ node: Node, _ what: String) -> YAMLError {
        let place = node.mark.map { "line \($0.line), column \($0.column): " } ?? ""
        return YAMLError(description: place + what)
    }
}
