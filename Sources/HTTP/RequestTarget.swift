// The target of a request line: its path as decoded segments, and its query.

/// What a request asks for.
struct RequestTarget: Sendable {
    /// As it was sent.
    var raw: String
    /// The path's segments, each decoded by itself: an encoded slash stays inside its segment.
    var segments: [String]
    var query: [(name: String, value: String)]
    /// From the absolute form `SCHEME://name:port/path`; it then counts instead of `Host`.
    var authority: String?
    /// Whether the target is `*`: the server as a whole.
    var isServer = false

    /// The decoded path.
    var path: String { isServer ? "*" : "/" + segments.joined(separator: "/") }

    /// - Throws: 400 for anything but `/path?query`, `SCHEME://host/path?query`, or `*` with OPTIONS; for a
    ///   broken percent-encoding, bytes that are not UTF-8, and NUL.
    init(
        parsing bytes: ArraySlice<UInt8>,
        method: String,
        scheme: String,
    ) throws(HTTPProblem) {
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw .malformed("the target has a byte that must be percent-encoded")
        }
        raw = String(decoding: bytes, as: UTF8.self)
        segments = []
        query = []
        var rest = bytes
        let scheme = scheme + "://"
        if rest.count == 1, rest.first == UInt8(ascii: "*"), method == "OPTIONS" {
            isServer = true
            return
        }
        if String(decoding: rest.prefix(scheme.utf8.count), as: UTF8.self).equalsIgnoringCase(
            scheme
        ) {
            rest = rest.dropFirst(scheme.utf8.count)
            let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
            authority = String(decoding: rest[..<(end ?? rest.endIndex)], as: UTF8.self)
            rest = rest[(end ?? rest.endIndex)...]
            if rest.first != UInt8(ascii: "/") { rest = [UInt8(ascii: "/")] + rest }
        }
        guard rest.first == UInt8(ascii: "/") else {
            throw .malformed("the target starts neither with \"/\" nor with \"\(scheme)\"")
        }
        let question = rest.firstIndex(of: UInt8(ascii: "?"))
        let path = rest[..<(question ?? rest.endIndex)].dropFirst()
        if !path.isEmpty {
            for segment in path.split(
                separator: UInt8(ascii: "/"),
                omittingEmptySubsequences: false,
            ) {
                segments.append(try Self.decode(segment, plusIsSpace: false))
            }
        }
        guard let question else { return }
        for pair in rest[(question + 1)...].split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            query.append(
                (
                    try Self.decode(pair[..<equals], plusIsSpace: true),
                    try Self.decode(pair[equals...].dropFirst(), plusIsSpace: true),
                )
            )
        }
    }

    /// - Parameter plusIsSpace: as forms and `URLSearchParams` encode a query.
    private static func decode(
        _ bytes: ArraySlice<UInt8>,
        plusIsSpace: Bool,
    ) throws(HTTPProblem) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < bytes.endIndex, let high = bytes[index + 1].hexadecimalValue,
                    let low = bytes[index + 2].hexadecimalValue
                else { throw .malformed("the target has a % without two hexadecimal digits") }
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(byte == UInt8(ascii: "+") && plusIsSpace ? .space : byte)
                index += 1
            }
        }
        guard !decoded.contains(0) else { throw .malformed("the target has a NUL") }
        guard let text = String(validating: decoded, as: UTF8.self) else {
            throw .malformed("the target is not UTF-8")
        }
        return text
    }
}
