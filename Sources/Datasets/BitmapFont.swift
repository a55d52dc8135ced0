// Letters of 8 x 16 pixels, for ASCII and the rest of Latin-1: enough for class names and numbers, without
// a font file beside the program.

import Foundation

enum BitmapFont {
    static let width = 8
    static let height = 16

    private static let glyphs = Data(base64Encoded: base64).map { [UInt8]($0) } ?? []

    /// The letters of `text` as the font has them: what it lacks becomes `?`.
    static func scalars(of text: String) -> [Unicode.Scalar] {
        text.precomposedStringWithCanonicalMapping.unicodeScalars.map {
            switch $0.value {
            case 0x20...0x7E, 0xA1...0xFF: $0
            case 0xA0, 0x09: " "
            default: "?"
            }
        }
    }

    /// A letter's rows from the top, the leftmost pixel the highest bit.
    /// - Precondition: `scalar` is one that `scalars(of:)` gives.
    static func rows(of scalar: Unicode.Scalar) -> ArraySlice<UInt8> {
        let value = Int(scalar.value)
        let place = value < 0x7F ? value - 0x20 : value - 0xA1 + 95
        return glyphs[place * height..<(place + 1) * height]
    }
}
