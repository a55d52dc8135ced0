// libFuzzer's target: any bytes, as a connection reads them. What comes of them must not depend on how they were cut up on
// the way, and nothing may trap or read past its end.

import Foundation

// What the parser's files name of the rest of the server.
package enum HTTPServer {}
package final class HTTPUpload: Sendable {}
package struct HTTPUploadError: Error { var reason = "" }

/// What the bytes of one connection say, up to the first fault.
private struct Reading {
    private var inbox = Inbox()
    private var scanner = HeadScanner()
    private var reader: BodyReader?
    private var limits = HTTPServer.Limits()
    /// One line for each head, body and fault.
    private(set) var told: [String] = []
    private var isOver = false

    init() { limits.head = 1024 }

    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        guard !isOver else { return }
        inbox.append(bytes)
        do throws(HTTPProblem) {
            while try readOn() {}
        } catch {
            told.append("\(error.status) \(error.slug)")
            isOver = true
        }
    }

    private mutating func readOn() throws(HTTPProblem) -> Bool {
        if var body = reader {
            try body.read(&inbox)
            reader = body
            guard body.isWhole else { return false }
            told.append("body \(Array(body.body))")
            reader = nil
            return true
        }
        guard !inbox.isEmpty, let length = try scanner.scan(inbox, limit: limits.head) else {
            return false
        }
        let head = try RequestHead(
            parsing: inbox.prefix(length).dropFirst(scanner.leading),
            limits: limits,
            hostNames: ["localhost"],
        )
        inbox.drop(length)
        scanner = HeadScanner()
        _ = (ByteRange(head.headers["Range"] ?? ""), head.headers.holds(etag: "\"a\""))
        told.append(
            "\(head.method) \(head.target.path) \(head.target.query.map { "\($0.name)=\($0.value)" })"
                + " \(head.headers.fields.map { "\($0.name):\($0.value)" }) \(head.framing)"
                + " \(head.keepsAlive) \(head.expectsContinue)"
        )
        reader = try BodyReader(head.framing, limit: 1000, limits: limits)
        return true
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func parse(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    var (whole, parts) = (Reading(), Reading())
    whole.take(bytes)
    // The first byte says where it is cut.
    let size = Int(start[0] % 16) + 1
    var first = 0
    while first < bytes.count {
        let last = min(bytes.count, first + size)
        parts.take(UnsafeRawBufferPointer(rebasing: bytes[first..<last]))
        first = last
    }
    guard whole.told == parts.told else {
        fatalError("in one piece: \(whole.told)\nin pieces of \(size): \(parts.told)")
    }
    return 0
}
