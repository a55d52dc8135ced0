// The header of a safetensors file: 8 bytes of length, then JSON of a fixed depth.
//
// Read by a scanner of exactly that depth: nothing recurses, a key given twice is seen, and every
// error knows its place. Source: the format's description in its reference implementation.

/// What a header says, checked against the size of its file.
struct SafeTensorsHeader {
    /// In the order of their bytes.
    let records: [TensorRecord]
    let metadata: [String: String]
    /// Where the data begins in the file.
    let dataStart: Int

    /// A longer header is taken for a lie, as in the reference implementation.
    static let maximumLength = 100_000_000

    /// Reads and checks the header of a whole file.
    init(_ bytes: UnsafeRawBufferPointer, file: String) throws(CheckpointError) {
        var cursor = ByteCursor(bytes, file: file)
        let length = try cursor.integer(UInt64.self, "header length")
        let allowed = min(Self.maximumLength, cursor.remaining)
        guard length >= 2, length <= UInt64(allowed) else {
            throw .malformed(
                file: file,
                place: "header length",
                found: "\(length)",
                allowed: "2 to \(allowed)",
            )
        }
        dataStart = 8 + Int(length)
        var scanner = HeaderScanner(
            UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]),
            file: file,
        )
        try scanner.readAll()
        records = scanner.records.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        metadata = scanner.metadata ?? [:]
        try check(dataLength: bytes.count - dataStart, file: file)
    }

    /// Ranges follow each other from the first byte of the data to its last.
    private func check(dataLength: Int, file: String) throws(CheckpointError) {
        var end = 0
        for record in records {
            guard record.range.lowerBound == end, record.range.upperBound <= dataLength else {
                throw .malformed(
                    file: file,
                    place: "tensor \(CheckpointError.quoted(record.name)), data_offsets",
                    found: "[\(record.range.lowerBound), \(record.range.upperBound)]",
                    allowed: "a start at \(end), where the tensor before ends, "
                        + "and an end up to \(dataLength), where the file ends",
                )
            }
            end = record.range.upperBound
        }
        guard end == dataLength else {
            throw .malformed(
                file: file,
                place: "data",
                found: "\(dataLength) bytes",
                allowed: "\(end), which the header describes",
            )
        }
    }
}

/// Reads the JSON of a header; offsets in errors count from the start of the JSON.
private struct HeaderScanner {
    private(set) var records: [TensorRecord] = []
    private(set) var metadata: [String: String]?
    private var names: Set<String> = []
    private var cursor: ByteCursor

    init(_ json: UnsafeRawBufferPointer, file: String) { cursor = ByteCursor(json, file: file) }

    mutating func readAll() throws(CheckpointError) {
        guard cursor.peek == UInt8(ascii: "{") else {
            throw cursor.error("header", found: "no `{`", allowed: "a JSON object from byte 0")
        }
        try object("header") { (scanner, key) throws(CheckpointError) in
            if key == "__metadata__" {
                try scanner.readMetadata()
            } else {
                try scanner.readTensor(key)
            }
        }
        skipSpace()
        guard cursor.remaining == 0 else {
            throw cursor.error("header", found: "more after the object", allowed: "spaces")
        }
    }

    private mutating func readMetadata() throws(CheckpointError) {
        guard metadata == nil else {
            throw cursor.error("__metadata__", found: "the key twice", allowed: "once")
        }
        var read: [String: String] = [:]
        try object("__metadata__") { (scanner, key) throws(CheckpointError) in
            let place = "__metadata__, \(CheckpointError.quoted(key))"
            let value = try scanner.string(place)
            guard read.updateValue(value, forKey: key) == nil else {
                throw scanner.cursor.error(place, found: "the key twice", allowed: "once")
            }
        }
        metadata = read
    }

    private mutating func readTensor(_ name: String) throws(CheckpointError) {
        let place = "tensor \(CheckpointError.quoted(name))"
        guard names.insert(name).inserted else {
            throw cursor.error(place, found: "the name twice", allowed: "once")
        }
        var typeName: String?
        var shape: [Int]?
        var offsets: [Int]?
        try object(place) { (scanner, key) throws(CheckpointError) in
            switch key {
            case "dtype" where typeName == nil: typeName = try scanner.string("\(place), dtype")
            case "shape" where shape == nil: shape = try scanner.numbers("\(place), shape")
            case "data_offsets" where offsets == nil:
                offsets = try scanner.numbers("\(place), data_offsets")
            default:
                throw scanner.cursor.error(
                    place,
                    found: "the key \(CheckpointError.quoted(key))",
                    allowed: "dtype, shape and data_offsets, each once",
                )
            }
        }
        guard let typeName, let shape, let offsets else {
            throw cursor.error(
                place,
                found: "too few keys",
                allowed: "dtype, shape and data_offsets, each once",
            )
        }
        guard let type = ElementType(rawValue: typeName) else {
            throw cursor.error(
                "\(place), dtype",
                found: CheckpointError.quoted(typeName),
                allowed: ElementType.allowed,
            )
        }
        guard offsets.count == 2, offsets[0] <= offsets[1] else {
            throw cursor.error(
                "\(place), data_offsets",
                found: "\(offsets)",
                allowed: "[start, end], start <= end",
            )
        }
        guard let size = type.byteCount(of: shape), size == offsets[1] - offsets[0] else {
            throw cursor.error(
                "\(place), data_offsets",
                found: "\(offsets[1] - offsets[0]) bytes",
                allowed: "what \(typeName) \(shape) takes: "
                    + (type.byteCount(of: shape).map(String.init) ?? "more than 2^63"),
            )
        }
        records.append(
            TensorRecord(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
        )
    }

    // MARK: JSON

    private mutating func skipSpace() {
        while let byte = cursor.peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
            cursor.skip()
        }
    }

    /// Whether the next character is `character`; it is then read.
    private mutating func read(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard cursor.peek == UInt8(ascii: character) else { return false }
        cursor.skip()
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar, _ place: String)
        throws(CheckpointError)
    {
        guard read(character) else {
            let found = cursor.peek.map { CheckpointError.quoted(String(Unicode.Scalar($0))) }
            throw cursor.error(place, found: found ?? "the end", allowed: "`\(character)`")
        }
    }

    /// Reads an object; `member` is called with each key and reads its value.
    private mutating func object(
        _ place: String,
        _ member: (inout HeaderScanner, String) throws(CheckpointError) -> Void,
    ) throws(CheckpointError) {
        try expect("{", place)
        if read("}") { return }
        repeat {
            let key = try string("\(place), key")
            try expect(":", place)
            try member(&self, key)
        } while read(",")
        try expect("}", place)
    }

    /// Reads an array of whole numbers from 0.
    private mutating func numbers(_ place: String) throws(CheckpointError) -> [Int] {
        try expect("[", place)
        if read("]") { return [] }
        var read: [Int] = []
        repeat { read.append(try number(place)) } while self.read(",")
        try expect("]", place)
        return read
    }

    private mutating func number(_ place: String) throws(CheckpointError) -> Int {
        skipSpace()
        var value = 0
        var digits = 0
        while let byte = cursor.peek, (0x30...0x39).contains(byte) {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, more) = tens.addingReportingOverflow(Int(byte - 0x30))
            guard !overflow, !more, digits == 0 || value > 0 else { break }
            value = sum
            digits += 1
            cursor.skip()
        }
        let next = cursor.peek
        let ends = next == 0x20 || next == 0x2C || next == 0x5D || (0x09...0x0D).contains(next ?? 0)
        guard digits > 0, ends else {
            let found = next.map { CheckpointError.quoted(String(Unicode.Scalar($0))) } ?? "the end"
            throw cursor.error(
                place,
                found: "\(found) in a number",
                allowed: "whole numbers, 0 to 2^63 - 1",
            )
        }
        return value
    }

    private mutating func string(_ place: String) throws(CheckpointError) -> String {
        try expect("\"", place)
        var units: [UInt8] = []
        while true {
            let byte = try cursor.byte(place)
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF8.self) else {
                    throw cursor.error(place, found: "bytes that are no UTF-8", allowed: "UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): units += try escape(place)
            case 0..<0x20:
                throw cursor.error(
                    place,
                    found: "control character \(byte)",
                    allowed: "\\u escapes",
                )
            default: units.append(byte)
            }
        }
    }

    /// The UTF-8 of the escape after a backslash.
    private mutating func escape(_ place: String) throws(CheckpointError) -> String.UTF8View {
        let byte = try cursor.byte(place)
        switch byte {
        case UInt8(ascii: "n"): return "\n".utf8
        case UInt8(ascii: "t"): return "\t".utf8
        case UInt8(ascii: "r"): return "\r".utf8
        case UInt8(ascii: "b"): return "\u{8}".utf8
        case UInt8(ascii: "f"): return "\u{C}".utf8
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            return String(Unicode.Scalar(byte)).utf8
        case UInt8(ascii: "u"): break
        default:
            throw cursor.error(
                place,
                found: "the escape \\\(Unicode.Scalar(byte).escaped(asASCII: true))",
                allowed: "JSON's escapes",
            )
        }
        var code = try hexadecimal(place)
        if (0xD800..<0xDC00).contains(code), cursor.peek == UInt8(ascii: "\\") {
            cursor.skip()
            guard try cursor.byte(place) == UInt8(ascii: "u") else {
                throw cursor.error(place, found: "half a surrogate pair", allowed: "both halves")
            }
            let low = try hexadecimal(place)
            guard (0xDC00..<0xE000).contains(low) else {
                throw cursor.error(place, found: "half a surrogate pair", allowed: "both halves")
            }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else {
            throw cursor.error(place, found: "half a surrogate pair", allowed: "both halves")
        }
        return String(scalar).utf8
    }

    private mutating func hexadecimal(_ place: String) throws(CheckpointError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            let byte = try cursor.byte(place)
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw cursor.error(place, found: "byte \(byte)", allowed: "4 hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
        }
        return code
    }
}
