// A strict JSON reader (RFC 8259) that says where a document is wrong: line, column and byte. It
// refuses duplicate keys, lone surrogates, bytes that are not UTF-8, and documents nested too deep.

/// Why bytes are no JSON document, and where.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    package let message: String
    /// Bytes before the place.
    package let offset: Int
    /// From 1; a column is a byte of its line.
    package let line: Int
    package let column: Int

    package var description: String {
        "line \(line), column \(column) (byte \(offset)): \(message)"
    }
}

extension JSONValue {
    /// The most that arrays and objects may be nested.
    package static let depthLimit = 32

    /// Reads one JSON document in UTF-8; white space may stand around it, nothing else.
    package init(parsing bytes: some Sequence<UInt8>) throws(JSONError) {
        var parser = JSONParser(bytes: Array(bytes))
        do {
            self = try parser.document()
        } catch {
            throw parser.error(error)
        }
    }

    package init(parsing text: String) throws(JSONError) {
        try self.init(parsing: text.utf8)
    }
}

private struct JSONParser {
    /// What is wrong at the byte `offset`.
    struct Failure: Error {
        let message: String
        let offset: Int
    }

    let bytes: [UInt8]
    private var next = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    func error(_ failure: Failure) -> JSONError {
        let before = bytes.prefix(failure.offset)
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return JSONError(
            message: failure.message,
            offset: failure.offset,
            line: before.count { $0 == UInt8(ascii: "\n") } + 1,
            column: failure.offset - lineStart + 1,
        )
    }

    mutating func document() throws(Failure) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        if let byte = peek { throw unexpected(byte, "the end of the document") }
        return value
    }

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        skipSpace()
        guard let byte = peek else { throw failure("the document ends before a value") }
        switch byte {
        case UInt8(ascii: "{"):
            try enter(depth)
            return try object(depth: depth + 1)
        case UInt8(ascii: "["):
            try enter(depth)
            return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: throw unexpected(byte, "a value")
        }
    }

    private mutating func enter(_ depth: Int) throws(Failure) {
        if depth >= JSONValue.depthLimit {
            throw failure("nested deeper than \(JSONValue.depthLimit) arrays and objects")
        }
        next += 1
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            let place = next
            guard peek == UInt8(ascii: "\"") else { throw expected("a key in double quotes") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw expected("`:` after the key") }
            let member = try value(depth: depth)
            if members.updateValue(member, forKey: key) != nil {
                throw Failure(message: "the key \"\(key.prefix(80))\" stands twice", offset: place)
            }
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw expected("`,` or `}`") }
        }
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(elements) }
        while true {
            elements.append(try value(depth: depth))
            skipSpace()
            if take("]") { return .array(elements) }
            guard take(",") else { throw expected("`,` or `]`") }
        }
    }

    private mutating func number() throws(Failure) -> JSONValue {
        let start = next
        _ = take("-")
        if !take("0") { try digits() }
        var isWhole = true
        if take(".") {
            isWhole = false
            try digits()
        }
        if take("e") || take("E") {
            isWhole = false
            if !take("+") { _ = take("-") }
            try digits()
        }
        let text = String(decoding: bytes[start..<next], as: UTF8.self)
        if isWhole, let number = Int64(text) { return .int(number) }
        guard let number = Double(text), number.isFinite else {
            throw Failure(message: "the number is too large", offset: start)
        }
        return .double(number)
    }

    private mutating func digits() throws(Failure) {
        let start = next
        while let byte = peek, isDigit(byte) { next += 1 }
        if next == start { throw expected("a digit") }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Failure) -> JSONValue {
        guard bytes[next...].starts(with: word.utf8) else { throw failure("expected `\(word)`") }
        next += word.utf8.count
        return value
    }

    private mutating func string() throws(Failure) -> String {
        let start = next
        next += 1
        var text: [UInt8] = []
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                next += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw Failure(message: "the string is not UTF-8", offset: start)
                }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw failure("a control character in a string: escape it")
            default:
                text.append(byte)
                next += 1
            }
        }
        throw Failure(message: "the string has no end", offset: start)
    }

    private mutating func escape(into text: inout [UInt8]) throws(Failure) {
        let start = next
        next += 1
        guard let byte = peek else { throw failure("the document ends in a string") }
        next += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), take("\\"), take("u") {
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else {
                    throw Failure(message: "half a surrogate pair", offset: start)
                }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else {
                throw Failure(message: "half a surrogate pair", offset: start)
            }
            text.append(contentsOf: String(scalar).utf8)
        default: throw Failure(message: "no such escape", offset: start)
        }
    }

    private mutating func hexadecimal() throws(Failure) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw expected("four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            next += 1
        }
        return code
    }

    private var peek: UInt8? { next < bytes.count ? bytes[next] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        next += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            next += 1
        }
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private func failure(_ message: String) -> Failure { Failure(message: message, offset: next) }

    private func expected(_ what: String) -> Failure {
        peek.map { unexpected($0, what) }
            ?? failure("expected \(what), but the document ends")
    }

    private func unexpected(_ byte: UInt8, _ what: String) -> Failure {
        let found =
            (0x21..<0x7F).contains(byte)
            ? "`\(Character(Unicode.Scalar(byte)))`" : "the byte \(byte)"
        return failure("expected \(what), found \(found)")
    }
}
