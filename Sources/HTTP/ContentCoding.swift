// gzip: which answers are worth it, whether the client takes it, and what it does to their fields (RFC 9110,
// sections 8.4 and 12.5.3). Files and streams go as they are: checkpoints do not shrink, and a range is one of
// the bytes that lie in the file.

internal import CZlib
internal import Foundation

enum ContentCoding {
    /// Smaller content fits into a packet or two anyway.
    private static let threshold = 1024
    /// Of zlib's 1 to 9: lines of JSON come out a sixth larger than at 6, in less than half the time.
    private static let level: Int32 = 3

    /// Compresses `body` where its type is worth it and the client takes it, and says so in `headers`.
    static func apply(to body: inout Data, _ headers: inout HTTPHeaders, for asked: HTTPHeaders) {
        guard body.count > threshold, isWorthIt(headers) else { return }
        addVary(to: &headers)
        guard acceptsGzip(asked), let compressed = gzip(body) else { return }
        body = compressed
        headers.add("Content-Encoding", "gzip")
        // The bytes are no longer those that a strong tag stands for, but they mean the same.
        if let tag = headers["ETag"], !tag.hasPrefix("W/") { headers.set("ETag", "W/" + tag) }
    }

    /// Says that the answer depends on what the client takes.
    static func addVary(to headers: inout HTTPHeaders) {
        let named = headers.values(of: "Vary").flatMap(\.listMembers)
        let isSaid = named.contains {
            $0 == "*" || String($0).equalsIgnoringCase("Accept-Encoding")
        }
        if !isSaid { headers.add("Vary", "Accept-Encoding") }
    }

    /// Whether content with these fields is text. A digest of it, or a coding that it has already, keeps it as it is.
    private static func isWorthIt(_ headers: HTTPHeaders) -> Bool {
        let fixed = ["Content-Encoding", "Content-Range", "Repr-Digest", "Content-Digest"]
        guard fixed.allSatisfy({ headers[$0] == nil }),
            let type = headers["Content-Type"]?.split(separator: ";").first
        else { return false }
        let name = type.trimmedOfBlanks.lowercased()
        let texts: Set<String> = [
            "application/json", "application/x-ndjson", "application/yaml", "application/x-yaml",
        ]
        return texts.contains(name) || name.hasSuffix("+json") || name.hasSuffix("+yaml")
            || name.hasPrefix("text/") && name != "text/event-stream"
    }

    /// Whether `Accept-Encoding` prefers gzip to content as it is, which is always allowed here: a client
    /// that refuses both gets it rather than nothing.
    static func acceptsGzip(_ asked: HTTPHeaders) -> Bool {
        var weights: [String: Double] = [:]
        for member in asked.values(of: "Accept-Encoding").flatMap(\.listMembers) {
            let parts = member.split(separator: ";", omittingEmptySubsequences: false)
            let name = parts[0].trimmedOfBlanks.lowercased()
            guard parts.count <= 2, let weight = parts.count == 1 ? 1 : Self.weight(parts[1])
            else { continue }
            weights[name == "x-gzip" ? "gzip" : name] = weight
        }
        guard let gzip = weights["gzip"] ?? weights["*"], gzip > 0 else { return false }
        return gzip >= weights["identity"] ?? 0
    }

    /// Reads `q=0.5`; nil for what is no weight.
    private static func weight(_ parameter: Substring) -> Double? {
        let text = parameter.trimmedOfBlanks
        guard text.hasPrefix("q=") || text.hasPrefix("Q=") else { return nil }
        let number = text.dropFirst(2)
        guard (1...5).contains(number.utf8.count),
            number.utf8.allSatisfy({ $0.isDigit || $0 == UInt8(ascii: ".") }),
            let weight = Double(number), weight <= 1
        else { return nil }
        return weight
    }

    /// Nil when it would not be smaller.
    static func gzip(_ bytes: Data) -> Data? {
        var compressed = Data(count: bytes.count - 1)
        let size = bytes.withUnsafeBytes { input in
            compressed.withUnsafeMutableBytes { output in
                czlib_gzip(input.baseAddress, input.count, output.baseAddress, output.count, level)
            }
        }
        // Copied, so that the rest of the room is not kept.
        return size < 0 ? nil : Data(compressed.prefix(Int(size)))
    }
}
