// The reader takes JSON and nothing else, and says where it stops; the writer is canonical.

import Foundation
import Testing

@testable import Configs

@Test(arguments: [
    ("", 1, 1, "ends"), ("{", 1, 2, "key"), ("[1,", 1, 4, "ends"), ("[1 2]", 1, 4, "`,` or `]`"),
    ("{\"a\": 1,}", 1, 9, "key"), ("{\"a\" 1}", 1, 6, "`:`"), ("[1,]", 1, 4, "value"),
    ("{\n  \"lr\": .5\n}", 2, 9, "value"), ("[\n\n  tru]", 3, 3, "true"), ("01", 1, 2, "end"),
    ("1.", 1, 3, "digit"), ("-", 1, 2, "digit"), ("1e", 1, 3, "digit"), ("+1", 1, 1, "value"),
    ("NaN", 1, 1, "value"), ("1e999", 1, 1, "large"), ("\"a", 1, 1, "no end"),
    ("\"a\nb\"", 1, 3, "control"), ("\"\\x\"", 1, 2, "escape"), ("\"\\u12g4\"", 1, 6, "hexa"),
    ("\"\\ud800\"", 1, 2, "surrogate"), ("\"\\ud800\\u0041\"", 1, 2, "surrogate"),
    ("\"\\udc00\"", 1, 2, "surrogate"), ("{\"a\":1,\n \"\\u0061\":2}", 2, 2, "twice"),
    ("{} {}", 1, 4, "end"), ("'a'", 1, 1, "value"), ("[1] // no", 1, 5, "end"),
])
func `a malformed document is refused at its line and column`(
    text: String,
    line: Int,
    column: Int,
    word: String,
) throws {
    let error = try #require(throws: JSONError.self) { try JSONValue(parsing: text) }
    #expect(error.line == line && error.column == column, "\(error)")
    #expect(error.message.contains(word), "\(error)")
}

@Test func `bytes that are not UTF-8 are refused`() throws {
    let error = try #require(throws: JSONError.self) {
        try JSONValue(parsing: [0x5B, 0x22, 0xC3, 0x28, 0x22, 0x5D])
    }
    #expect(error.offset == 1)
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0xEF, 0xBB, 0xBF, 0x31]) }
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x31, 0x00]) }
}

@Test func `32 levels are read and 33 are not, however many follow`() throws {
    func nested(_ levels: Int) -> String {
        String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    _ = try JSONValue(parsing: nested(32))
    let error = try #require(throws: JSONError.self) { try JSONValue(parsing: nested(33)) }
    #expect(error.offset == 32)
    #expect(throws: JSONError.self) { try JSONValue(parsing: nested(100_000)) }
}

@Test func `numbers keep their kind and value`() throws {
    let text = "[0, -0, 9223372036854775807, 9223372036854775808, 1.0, 1e3, 0.1, -2.5E-3]"
    let value = try JSONValue(parsing: text)
    #expect(
        value == [
            0, 0, .int(.max), .double(9_223_372_036_854_775_808), 1.0, .double(1000), 0.1,
            .double(-0.0025),
        ]
    )
    #expect(value[4]?.int == 1 && value[5]?.int == 1000 && value[6]?.int == nil)
    #expect(value[3]?.int == nil && value[2]?.int == .max)
}

@Test func `escapes give the characters they stand for`() throws {
    let value = try JSONValue(parsing: #""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é""#)
    #expect(value == .string("\"\\/\u{8}\u{c}\n\r\té😀é"))
}

@Test func `canonical bytes do not depend on order or spelling`() throws {
    let a = try JSONValue(parsing: #"{"b": [1, 2.50, 1e0], "a": "\u00e9\u0001/", "B": null}"#)
    let b = try JSONValue(parsing: #"{"B":null,"a":"é\u0001\/","b":[1,2.5,1.0]}"#)
    #expect(a.canonical == #"{"B":null,"a":"é\u0001/","b":[1,2.5,1.0]}"#)
    #expect(a.canonical == b.canonical)
    #expect(JSONValue.array([.double(.nan), .double(1e22)]).canonical == "[null,1e+22]")
}

@Test func `random values survive writing and reading`() throws {
    var random = SplitMix(state: 1)
    for _ in 0..<500 {
        let value = JSONValue.random(depth: 4, &random)
        #expect(try JSONValue(parsing: value.canonical) == value)
    }
}

@Test func `Codable and the reader agree`() throws {
    let text = #"{"a": [1, 2.5, "x", true, null, {"b": {}}]}"#
    let read = try JSONValue(parsing: text)
    let decoded = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    #expect(decoded == read)
    #expect(try JSONValue(parsing: JSONEncoder().encode(decoded)) == read)
}

@Test func `spoilt bytes are read or refused within the document, never a trap`() throws {
    var random = SplitMix(state: 2)
    let sample = Array(Samples.most(.subnetRetrain).canonical.utf8)
    for _ in 0..<2000 {
        var bytes = sample
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: place)
            default: bytes.removeSubrange(place...)
            }
            if bytes.isEmpty { break }
        }
        do throws(JSONError) {
            _ = try JSONValue(parsing: bytes)
        } catch {
            #expect((0...bytes.count).contains(error.offset))
        }
    }
}

extension JSONValue {
    static func random(depth: Int, _ random: inout SplitMix) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .int(Int64.random(in: .min ... .max, using: &random))
        case 3:
            let number = Double(bitPattern: random.next())
            return .double(number.isFinite ? number : 0.5)
        case 4:
            let letters = ["a", "é", "\"", "\\", "\u{1}", "😀", "~", "/"]
            return .string(
                (0..<3).map { _ in letters.randomElement(using: &random) ?? "" }.joined()
            )
        case 5: return .array((0..<3).map { _ in .random(depth: depth - 1, &random) })
        default:
            let members = (0..<3).map { ("k\($0)", JSONValue.random(depth: depth - 1, &random)) }
            return .object(Dictionary(members) { first, _ in first })
        }
    }
}
