// What reading a data set and reading a list of detections have in common.

import Foundation

/// A file being read: where it is, what was found wrong so far.
struct AnnotationFile {
    var json: JSONScanner
    var problems: [AnnotationProblem] = []

    /// Reads `url` with `body`; what JSON lacks is reported with its line and column.
    static func read<Value>(
        _ url: URL,
        _ body: (inout AnnotationFile) throws(JSONFault) -> Value,
    ) throws(AnnotationError) -> (Value, [AnnotationProblem]) {
        let data: Data
        do {
            data = try Data(contentsOf: url)
        } catch {
            throw .unreadable(file: url.path, reason: reason(error))
        }
        let result: Result<(Value, [AnnotationProblem]), AnnotationError> =
            data.withUnsafeBytes { raw in
                let bytes = raw.bindMemory(to: UInt8.self)
                var file = AnnotationFile(json: JSONScanner(bytes))
                do throws(JSONFault) {
                    let value = try body(&file)
                    try file.json.end()
                    return .success((value, file.problems))
                } catch {
                    return .failure(
                        malformed(url.path, bytes, at: error.offset, expected: error.expected)
                    )
                }
            }
        return try result.get()
    }

    /// All of a file that is no folder, pipe or device, and has at most so many bytes.
    static func content(
        of url: URL,
        atMost limit: Int,
    ) throws(AnnotationError) -> Data {
        var status = stat()
        guard stat(url.path, &status) == 0 else {
            throw .unreadable(file: url.path, reason: String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(file: url.path, reason: "is not a file")
        }
        guard status.st_size <= limit else {
            throw .unreadable(
                file: url.path,
                reason: "has \(status.st_size) bytes; at most \(limit) are read",
            )
        }
        do {
            return try Data(contentsOf: url)
        } catch {
            throw .unreadable(file: url.path, reason: reason(error))
        }
    }

    static func reason(_ error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        guard let underlying, underlying.domain == NSPOSIXErrorDomain else { return "\(error)" }
        return String(cString: strerror(Int32(underlying.code)))
    }

    /// What is wrong at `offset`, as line and column.
    static func malformed(
        _ file: String,
        _ bytes: UnsafeBufferPointer<UInt8>,
        at offset: Int,
        expected: String,
    ) -> AnnotationError {
        let before = bytes[..<offset]
        let newline = UInt8(ascii: "\n")
        let lineStart = before.lastIndex(of: newline).map { $0 + 1 } ?? 0
        let ahead = bytes[offset...].prefix(20).prefix { $0 != newline }
        return .malformed(
            file: file,
            line: before.reduce(1) { $0 + ($1 == newline ? 1 : 0) },
            column: offset - lineStart + 1,
            expected: expected,
            found: offset == bytes.count
                ? "the end of the file" : "\"\(String(decoding: ahead, as: UTF8.self))\"",
        )
    }

    // MARK: Fields

    /// Reads the elements of a list of objects; `body` consumes the object whose index it is given.
    mutating func readList(
        _ body: (inout AnnotationFile, _ index: Int) throws(JSONFault) -> Void
    ) throws(JSONFault) {
        try json.enterArray()
        var index = 0
        while try json.nextElement() {
            try json.enterObject()
            try body(&self, index)
            index += 1
        }
    }

    /// A value, and what to call it in a problem.
    struct Field {
        var value: JSONScalar = .null
        var isMissing = true
        fileprivate(set) var containerText = ""

        var text: String {
            switch value {
            case .null: isMissing ? "missing" : "null"
            case .bool(let bool): "\(bool)"
            case .integer(let integer): "\(integer)"
            case .double(let double): "\(double)"
            case .string(let string): "\"\(string.prefix(80))\""
            case .container: containerText
            }
        }
    }

    mutating func field() throws(JSONFault) -> Field {
        var field = Field(value: try json.scalar(), isMissing: false)
        if case .container(let start) = field.value { field.containerText = json.text(from: start) }
        return field
    }

    /// A box; nil where the file has anything but four numbers, which lies at `range`.
    struct BoxField {
        var box: Box?
        var range = 0..<0
        var isMissing: Bool { range.isEmpty }
    }

    /// A box ahead, `[x, y, width, height]`; `null` counts as missing.
    mutating func boxField() throws(JSONFault) -> BoxField {
        let isArray = json.isAtArray  // and now at the value, white space skipped
        let start = json.offset
        guard isArray else {
            let isNull = try json.scalar() == .null
            return isNull ? BoxField() : BoxField(box: nil, range: start..<json.offset)
        }
        let numbers = try numbers()
        let range = start..<json.offset
        guard let numbers, numbers.count == 4 else { return BoxField(box: nil, range: range) }
        return BoxField(
            box: Box(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3]),
            range: range,
        )
    }

    func text(_ field: BoxField) -> String {
        field.isMissing ? "missing" : json.text(field.range)
    }

    /// An array ahead; nil where not all of it is numbers.
    mutating func numbers() throws(JSONFault) -> [Double]? {
        try json.enterArray()
        var numbers: [Double] = []
        var areNumbers = true
        while try json.nextElement() {
            if let number = try json.scalar().number {
                numbers.append(number)
            } else {
                areNumbers = false
            }
        }
        return areNumbers ? numbers : nil
    }

    mutating func report(
        _ kind: AnnotationProblem.Kind,
        at place: AnnotationProblem.Place,
        _ name: String,
        _ value: String,
        allowed: String,
        isDropped: Bool,
    ) {
        problems.append(
            AnnotationProblem(
                kind,
                at: place,
                field: name,
                value: value,
                allowed: allowed,
                isDropped: isDropped,
            )
        )
    }

    /// The id in a field, or a problem that leaves the entry out.
    mutating func id(
        _ field: Field,
        _ name: String,
        at place: AnnotationProblem.Place,
    ) -> Int64? {
        if let id = field.value.whole { return id }
        report(
            field.value == .null ? .missingField : .wrongType,
            at: place,
            name,
            field.text,
            allowed: "a whole number of at most 64 bits",
            isDropped: true,
        )
        return nil
    }
}

extension JSONScalar {
    var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// `5` and `5.0` alike.
    var whole: Int64? {
        switch self {
        case .integer(let value): value
        case .double(let value): Int64(exactly: value)
        default: nil
        }
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// `true` and every number but 0.
    var isTrue: Bool { self == .bool(true) || (number.map { $0 != 0 } ?? false) }
}
