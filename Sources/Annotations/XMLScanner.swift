// Reads XML from front to back without building a tree, as far as annotation files use it: elements
// and their text. There are no entities but the five of XML itself and character numbers, so that no
// file unfolds into more than it holds; the time taken is linear in the bytes. Foundation's parser
// has neither property, and takes a file that ends in the middle for whole.

/// Where XML stops being what was expected.
struct XMLFault: Error {
    let offset: Int
    let expected: String
}

/// A place in a text, moved over one element at a time.
struct XMLScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private(set) var offset = 0
    /// The names of the elements that are open, the innermost last.
    private var open: [Range<Int>] = []
    /// Whether the innermost element was `<name/>`, and so has ended already.
    private var isEmptyElement = false
    private static let deepest = 64

    /// The bytes must outlive the scanner.
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    // MARK: Elements

    /// Enters the outermost element, which must be called `name`.
    mutating func enterRoot(_ name: String) throws(XMLFault) {
        try skipMarkup(upTo: "the element <\(name)>")
        let start = offset
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "<"), try nextChild() == name
        else {
            throw XMLFault(offset: start, expected: "the element <\(name)>")
        }
    }

    /// The name of the next element within the one entered last, and enters it; nil where that has
    /// ended, and leaves it.
    mutating func nextChild() throws(XMLFault) -> String? {
        while let part = try nextPart() {
            if case .element(let name) = part {
                return String(decoding: bytes[name], as: UTF8.self)
            }
        }
        return nil
    }

    /// The text directly within the element entered last, without white space around it; leaves
    /// the element.
    mutating func text() throws(XMLFault) -> String {
        var text: [UInt8] = []
        while let part = try nextPart() {
            switch part {
            case .element: try leave()
            case .text(let range): appendResolved(range, to: &text)
            case .verbatim(let range): text += bytes[range]
            }
        }
        let isBlank: (UInt8) -> Bool = { $0 <= 0x20 }
        let end = text.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? 0
        return String(decoding: text[..<end].drop(while: isBlank), as: UTF8.self)
    }

    /// Leaves the element entered last, whatever is in it.
    mutating func leave() throws(XMLFault) {
        let depth = open.count
        while open.count >= depth { _ = try nextPart() }
    }

    /// Nothing but white space and comments may follow.
    mutating func end() throws(XMLFault) {
        try skipMarkup(upTo: "the end of the file")
        guard offset == bytes.count else { throw fault("the end of the file") }
    }

    // MARK: Parts

    private enum Part {
        case element(Range<Int>)  // its name
        case text(Range<Int>)
        case verbatim(Range<Int>)  // CDATA
    }

    /// The next thing within the element entered last; nil where the element ends.
    private mutating func nextPart() throws(XMLFault) -> Part? {
        if isEmptyElement {
            isEmptyElement = false
            open.removeLast()
            return nil
        }
        while offset < bytes.count {
            guard bytes[offset] == UInt8(ascii: "<") else {
                let start = offset
                offset = bytes[offset...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
                return .text(start..<offset)
            }
            if isAhead("<![CDATA[") {
                let start = offset + 9
                try skip(past: "]]>", from: start)
                return .verbatim(start..<offset - 3)
            }
            if try skipComment() { continue }
            if isAhead("<!") {
                throw fault("an element: declarations such as DOCTYPE are not read")
            }
            if isAhead("</") {
                try endTag()
                return nil
            }
            return .element(try startTag())
        }
        throw fault(endOfInnermost)
    }

    private var endOfInnermost: String {
        open.last.map { "</\(String(decoding: bytes[$0.prefix(80)], as: UTF8.self))>" }
            ?? "an element"
    }

    private mutating func startTag() throws(XMLFault) -> Range<Int> {
        guard open.count < Self.deepest else {
            throw fault("at most \(Self.deepest) levels of elements")
        }
        offset += 1
        let name = try self.name()
        // Attributes are passed over; a `>` may stand in their quotes.
        var quote: UInt8?
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            if let mark = quote {
                if byte == mark { quote = nil }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if byte == UInt8(ascii: ">") {
                open.append(name)
                isEmptyElement = bytes[offset - 2] == UInt8(ascii: "/")
                return name
            } else if byte == UInt8(ascii: "<") {
                offset -= 1
                break
            }
        }
        throw fault("a closing >")
    }

    private mutating func endTag() throws(XMLFault) {
        let start = offset
        offset += 2
        let name = try self.name()
        guard let last = open.last, bytes[last].elementsEqual(bytes[name]) else {
            throw XMLFault(offset: start, expected: endOfInnermost)
        }
        open.removeLast()
        skipBlanks()
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: ">") else {
            throw fault("a closing >")
        }
        offset += 1
    }

    private mutating func name() throws(XMLFault) -> Range<Int> {
        let start = offset
        while offset < bytes.count, Self.isNameByte(bytes[offset]) { offset += 1 }
        guard offset > start else { throw fault("the name of an element") }
        return start..<offset
    }

    /// Every byte above ASCII may be part of a name.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x80..., UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: ":"):
            true
        default: false
        }
    }

    // MARK: What is passed over

    /// Passes over white space, comments and `<? ?>` outside the outermost element.
    private mutating func skipMarkup(upTo expected: String) throws(XMLFault) {
        repeat { skipBlanks() } while try skipComment()
        if isAhead("<!") { throw fault("\(expected): declarations such as DOCTYPE are not read") }
    }

    /// Whether a comment or a processing instruction was ahead.
    private mutating func skipComment() throws(XMLFault) -> Bool {
        if isAhead("<!--") {
            try skip(past: "-->", from: offset + 4)
        } else if isAhead("<?") {
            try skip(past: "?>", from: offset + 2)
        } else {
            return false
        }
        return true
    }

    private mutating func skip(past mark: StaticString, from start: Int) throws(XMLFault) {
        let begin = offset
        offset = start
        while offset < bytes.count {
            if isAhead(mark) {
                offset += mark.utf8CodeUnitCount
                return
            }
            offset += 1
        }
        throw XMLFault(offset: begin, expected: "a closing \(mark)")
    }

    private mutating func skipBlanks() {
        while offset < bytes.count, bytes[offset] <= 0x20 { offset += 1 }
    }

    private func isAhead(_ text: StaticString) -> Bool {
        let end = offset + text.utf8CodeUnitCount
        return end <= bytes.count
            && text.withUTF8Buffer { bytes[offset..<end].elementsEqual($0) }
    }

    private func fault(_ expected: String) -> XMLFault {
        XMLFault(offset: offset, expected: expected)
    }

    // MARK: References

    /// `&amp;`, `&#233;` and their like as what they stand for. A bare `&`, which people write into
    /// names and paths, stands for itself.
    private func appendResolved(_ range: Range<Int>, to text: inout [UInt8]) {
        var rest = bytes[range]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "&"),
                let end = rest.prefix(10).firstIndex(of: UInt8(ascii: ";")),
                let character = Self.character(
                    String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
                )
            else {
                text.append(byte)
                continue
            }
            text += Array(String(character).utf8)
            rest = rest[(end + 1)...]
        }
    }

    private static func character(_ reference: String) -> Character? {
        switch reference {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "quot": return "\""
        case "apos": return "'"
        default: break
        }
        let number =
            reference.hasPrefix("#x")
            ? UInt32(reference.dropFirst(2), radix: 16)
            : reference.hasPrefix("#") ? UInt32(reference.dropFirst()) : nil
        return number.flatMap(Unicode.Scalar.init).map(Character.init)
    }
}
