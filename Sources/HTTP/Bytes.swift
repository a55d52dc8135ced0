// Which bytes HTTP allows where (RFC 9110, section 5.6.2), and ASCII comparisons that ask no locale.

extension UInt8 {
    static let tab = UInt8(ascii: "\t")
    static let space = UInt8(ascii: " ")
    static let carriageReturn = UInt8(ascii: "\r")
    static let lineFeed = UInt8(ascii: "\n")
    static let colon = UInt8(ascii: ":")

    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    var isLetter: Bool {
        let lower = self | 0x20
        return lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")
    }

    /// A byte of a token: a method or the name of a field.
    var isTokenByte: Bool {
        if isDigit || isLetter { return true }
        switch self {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
            UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            return true
        default: return false
        }
    }

    /// A byte of a field's value: anything but control characters; a tab is allowed.
    var isFieldByte: Bool { self >= 0x20 && self != 0x7F || self == .tab }

    /// What the hexadecimal digit stands for, or nil.
    var hexadecimalValue: UInt8? {
        if isDigit { return self - UInt8(ascii: "0") }
        let lower = self | 0x20
        guard lower >= UInt8(ascii: "a"), lower <= UInt8(ascii: "f") else { return nil }
        return lower - UInt8(ascii: "a") + 10
    }
}

extension String {
    /// Whether both are the same but for the case of ASCII letters.
    func equalsIgnoringCase(_ other: String) -> Bool {
        utf8.count == other.utf8.count
            && utf8.elementsEqual(other.utf8) {
                $0 == $1 || $0.isLetter && $1.isLetter && $0 ^ $1 == 0x20
            }
    }

    /// The members of a comma-separated list, trimmed; empty ones are left out.
    var listMembers: [Substring] {
        split(separator: ",").map(\.trimmedOfBlanks).filter { !$0.isEmpty }
    }
}

extension StringProtocol where SubSequence == Substring {
    /// Without spaces and tabs at either end.
    var trimmedOfBlanks: Substring {
        let blank = { (character: Character) in character == " " || character == "\t" }
        var rest = drop(while: blank)
        while let last = rest.last, blank(last) { rest.removeLast() }
        return rest
    }
}
