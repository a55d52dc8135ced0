// Reads JSON from front to back without building a tree: annotation files run to hundreds of
// megabytes, most of it masks nobody asks for. Beyond RFC 8259 it takes `NaN` and `Infinity`, which
// Python writes, and a byte-order mark.

/// Where JSON stops being what was expected.
struct JSONFault: Error {
    let offset: Int
    let expected: String
}

/// A value as far as a reader of annotations cares.
enum JSONScalar: Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case double(Double)
    case string(String)
    /// An object or an array, skipped; it starts at `offset`.
    case container(offset: Int)
}

/// A place in a text, moved over one value, key or bracket at a time.
struct JSONScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private(set) var offset = 0
    /// Whether a value ended here, so that a comma or a bracket must follow.
    private var isAfterValue = false
    private static let deepest = 256

    /// The bytes must outlive the scanner.
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    /// Goes to where a value starts.
    mutating func seek(to offset: Int) {
        self.offset = offset
        isAfterValue = false
    }

    /// The text from `start` to here, at most 80 bytes of it.
    func text(from start: Int) -> String { text(start..<offset) }

    /// The text in `range`, at most 80 bytes of it.
    func text(_ range: Range<Int>) -> String {
        String(decoding: bytes[range.prefix(80)], as: UTF8.self) + (range.count > 80 ? "..." : "")
    }

    // MARK: Objects and arrays

    mutating func enterObject() throws(JSONFault) { try enter("{", "an object") }
    mutating func enterArray() throws(JSONFault) { try enter("[", "a list") }

    private mutating func enter(_ bracket: Unicode.Scalar, _ what: String) throws(JSONFault) {
        guard next == UInt8(ascii: bracket) else { throw fault(what) }
        offset += 1
        isAfterValue = false
    }

    /// The next key of the object entered last, its value ahead; nil when the object has ended.
    mutating func nextKey() throws(JSONFault) -> String? {
        if try ends("}") { return nil }
        guard next == UInt8(ascii: "\"") else { throw fault("a key in double quotes") }
        let key = try string()
        guard next == UInt8(ascii: ":") else { throw fault("a colon after the key \"\(key)\"") }
        offset += 1
        isAfterValue = false
        return key
    }

    /// Whether another element of the array entered last lies ahead; false when it has ended.
    mutating func nextElement() throws(JSONFault) -> Bool {
        if try ends("]") { return false }
        guard next != UInt8(ascii: "]") else { throw fault("a value after the comma") }
        return true
    }

    private mutating func ends(_ bracket: Unicode.Scalar) throws(JSONFault) -> Bool {
        if next == UInt8(ascii: bracket) {
            offset += 1
            isAfterValue = true
            return true
        }
        if isAfterValue {
            guard next == UInt8(ascii: ",") else { throw fault("a comma or \(bracket)") }
            offset += 1
            isAfterValue = false
        }
        return false
    }

    /// Nothing but white space may follow.
    mutating func end() throws(JSONFault) {
        guard next == nil else { throw fault("the end of the file") }
    }

    // MARK: Values

    /// Whether an array lies ahead.
    var isAtArray: Bool { mutating get { next == UInt8(ascii: "[") } }

    /// Reads one value; an object or an array is checked and skipped.
    mutating func scalar() throws(JSONFault) -> JSONScalar {
        guard let byte = next else { throw fault("a value") }
        let value: JSONScalar
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            value = .container(offset: offset)
            try skipContainer(depth: 1)
        case UInt8(ascii: "\""): value = .string(try string())
        case UInt8(ascii: "t"): value = try word("true", .bool(true))
        case UInt8(ascii: "f"): value = try word("false", .bool(false))
        case UInt8(ascii: "n"): value = try word("null", .null)
        case UInt8(ascii: "N"): value = try word("NaN", .double(.nan))
        case UInt8(ascii: "I"): value = try word("Infinity", .double(.infinity))
        default: value = try number()
        }
        isAfterValue = true
        return value
    }

    private mutating func skipContainer(depth: Int) throws(JSONFault) {
        guard depth <= Self.deepest else {
            throw fault("at most \(Self.deepest) levels of brackets")
        }
        if next == UInt8(ascii: "[") {
            try enterArray()
            while try nextElement() { try skipValue(depth: depth) }
        } else {
            try enterObject()
            while try nextKey() != nil { try skipValue(depth: depth) }
        }
    }

    private mutating func skipValue(depth: Int) throws(JSONFault) {
        if let byte = next, byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
            try skipContainer(depth: depth + 1)
        } else {
            _ = try scalar()
        }
    }

    private mutating func word(
        _ word: StaticString,
        _ value: JSONScalar,
    ) throws(JSONFault) -> JSONScalar {
        let end = offset + word.utf8CodeUnitCount
        let isThere = word.withUTF8Buffer {
            end <= bytes.count && bytes[offset..<end].elementsEqual($0)
        }
        guard isThere else { throw fault("a value") }
        offset = end
        return value
    }

    private mutating func string() throws(JSONFault) -> String {
        let start = offset + 1
        offset = start
        var isPlain = true
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\"") {
            guard bytes[offset] >= 0x20 else { throw fault("a closing quote on the same line") }
            if bytes[offset] == UInt8(ascii: "\\") {
                isPlain = false
                offset += 1
            }
            offset += 1
        }
        guard offset < bytes.count else {
            offset = bytes.count
            throw fault("a closing quote")
        }
        let content = bytes[start..<offset]
        offset += 1
        return isPlain
            ? String(decoding: content, as: UTF8.self) : try unescaped(content)
    }

    private func unescaped(_ content: Slice<UnsafeBufferPointer<UInt8>>) throws(JSONFault) -> String
    {
        var units: [UInt16] = []
        var text = ""
        var rest = content
        // UTF-16, as `\u` gives surrogates one by one.
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
                text += String(decoding: units, as: UTF16.self)
                units = []
                var plain = [byte]
                while let more = rest.first, more != UInt8(ascii: "\\") {
                    plain.append(more)
                    rest.removeFirst()
                }
                text += String(decoding: plain, as: UTF8.self)
                continue
            }
            switch escape {
            case UInt8(ascii: "n"): units.append(0x0A)
            case UInt8(ascii: "t"): units.append(0x09)
            case UInt8(ascii: "r"): units.append(0x0D)
            case UInt8(ascii: "b"): units.append(0x08)
            case UInt8(ascii: "f"): units.append(0x0C)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
                units.append(UInt16(escape))
            case UInt8(ascii: "u"):
                let digits = String(decoding: rest.prefix(4), as: UTF8.self)
                guard digits.utf8.count == 4, digits.allSatisfy(\.isHexDigit),
                    let unit = UInt16(digits, radix: 16)
                else { throw JSONFault(offset: rest.startIndex, expected: "four hex digits") }
                units.append(unit)
                rest = rest.dropFirst(4)
            default:
                throw JSONFault(offset: rest.startIndex - 1, expected: "an escape of JSON")
            }
        }
        return text + String(decoding: units, as: UTF16.self)
    }

    // MARK: White space and faults

    /// The byte ahead, white space skipped; nil at the end.
    private var next: UInt8? {
        mutating get {
            while offset < bytes.count {
                switch bytes[offset] {
                case 0x20, 0x0A, 0x0D, 0x09: offset += 1
                default: return bytes[offset]
                }
            }
            return nil
        }
    }

    private func fault(_ expected: String) -> JSONFault {
        JSONFault(offset: offset, expected: expected)
    }

    // MARK: Numbers

    private func digit(at offset: Int) -> UInt64? {
        guard offset < bytes.count, case let byte = bytes[offset], byte >= 48, byte <= 57 else {
            return nil
        }
        return UInt64(byte - 48)
    }

    private mutating func number() throws(JSONFault) -> JSONScalar {
        let start = offset
        let isNegative = bytes[offset] == UInt8(ascii: "-")
        if isNegative {
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "I") {
                return try word("Infinity", .double(-.infinity))
            }
        }
        guard let first = digit(at: offset) else {
            offset = start
            throw fault("a value")
        }
        if first == 0, digit(at: offset + 1) != nil {
            throw fault("a number without leading zeros")
        }

        var mantissa: UInt64 = 0
        var isExact = true
        var exponent = 0
        func take(_ digit: UInt64) {
            let (tens, over) = mantissa.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(digit)
            if over || carry { isExact = false } else { mantissa = sum }
        }
        while let digit = digit(at: offset) {
            take(digit)
            offset += 1
        }
        var isWhole = true
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            isWhole = false
            offset += 1
            guard digit(at: offset) != nil else { throw fault("a digit after the point") }
            while let digit = digit(at: offset) {
                take(digit)
                exponent -= 1
                offset += 1
            }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            offset += 1
            var sign = 1
            if offset < bytes.count,
                bytes[offset] == UInt8(ascii: "-") || bytes[offset] == UInt8(ascii: "+")
            {
                sign = bytes[offset] == UInt8(ascii: "-") ? -1 : 1
                offset += 1
            }
            guard digit(at: offset) != nil else { throw fault("a digit in the exponent") }
            var power = 0
            while let digit = digit(at: offset) {
                power = min(power * 10 + Int(digit), 100_000)
                offset += 1
            }
            exponent += sign * power
        }

        if isWhole, isExact {
            if !isNegative, let value = Int64(exactly: mantissa) { return .integer(value) }
            if isNegative, mantissa <= 1 << 63 {
                return .integer(Int64(truncatingIfNeeded: 0 &- mantissa))
            }
        }
        // One correctly rounded operation on two exact numbers is correctly rounded.
        if isExact, mantissa <= 1 << 53, abs(exponent) < Self.powersOfTen.count {
            let power = Self.powersOfTen[abs(exponent)]
            let size = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            return .double(isNegative ? -size : size)
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        guard let value = Double(text) else { throw fault("a number") }
        return .double(value)
    }

    /// Those that a `Double` holds exactly.
    private static let powersOfTen: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]
}
