// What a request asks for: values in a path or a query are percent-encoded where they stand.

/// The path and query of a request, as in `"/v1/jobs/\(id)?wait=\(seconds)s"`.
package struct Target: ExpressibleByStringInterpolation, Hashable, Sendable {
    /// As it is sent.
    package private(set) var text: String

    package init(stringLiteral text: String) { self.text = text }

    package init(stringInterpolation parts: StringInterpolation) { text = parts.text }

    package static func += (left: inout Target, right: Target) { left.text += right.text }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) {}

        package mutating func appendLiteral(_ literal: String) { text += literal }

        /// A part that is encoded already.
        package mutating func appendInterpolation(_ part: Target) { text += part.text }

        package mutating func appendInterpolation(_ value: some CustomStringConvertible) {
            text += Target.encoded(value.description)
        }
    }

    /// All but the unreserved characters of RFC 3986 encoded.
    private static func encoded(_ value: String) -> String {
        var text = ""
        for byte in value.utf8 {
            let scalar = Unicode.Scalar(byte)
            let isUnreserved =
                scalar.isASCII
                && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                    || "-._~".unicodeScalars.contains(scalar))
            if isUnreserved {
                text.unicodeScalars.append(scalar)
            } else {
                let hex = String(byte, radix: 16, uppercase: true)
                text += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return text
    }
}
