// One HTTP/1.1 exchange over a socket: what the command line needs to speak to its daemon, over TCP or a Unix socket.

import Foundation
import Glibc

/// Why there was no answer.
package struct ClientError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Where a daemon listens.
package enum ServerAddress: Equatable, Sendable {
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    /// `http://HOST:PORT`, `HOST:PORT`, or `unix:PATH`.
    package init(_ text: String) throws(ClientError) {
        if text.hasPrefix("unix:"), text.count > 5 {
            self = .unix(path: String(text.dropFirst(5)))
            return
        }
        guard !text.hasPrefix("https:") else {
            throw ClientError(
                "\(text): this command speaks plain HTTP; use a tunnel or curl for TLS"
            )
        }
        var rest = text.hasPrefix("http://") ? text.dropFirst(7) : text[...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts[0].isEmpty, !rest.contains("/"),
            let port = parts.count == 2 ? UInt16(parts[1]) : 8080
        else {
            throw ClientError(
                "\(text) is no server; allowed: http://HOST:PORT, HOST:PORT, unix:PATH"
            )
        }
        self = .tcp(host: String(parts[0]), port: port)
    }

    /// For messages and the Host field.
    package var name: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): path
        }
    }
}

/// What came before the content.
package struct ResponseHead: Sendable {
    package var status: Int
    /// By names in lower case.
    package var fields: [String: String]
}

/// Reads from one socket.
///
/// Not `Sendable`: one thread uses it.
final class Connection {
    private let socket: Int32
    private var buffer = Data()

    init(to address: ServerAddress) throws(ClientError) {
        socket = try Connection.open(address)
    }

    deinit { close(socket) }

    func send(_ data: Data) throws(ClientError) {
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Connection.fault("cannot send") }
            rest = rest.dropFirst(count)
        }
    }

    /// The next line, without its end.
    func line() throws(ClientError) -> String {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = buffer[..<end]
                buffer = buffer[(end + 1)...]
                return String(decoding: line.last == 13 ? line.dropLast() : line, as: UTF8.self)
            }
            guard buffer.count < 1 << 20 else {
                throw ClientError("a line of the answer has no end")
            }
            guard try fill() else {
                throw ClientError("the server closed in the middle of its answer")
            }
        }
    }

    /// At most `most` bytes; nil at the end.
    func some(_ most: Int) throws(ClientError) -> Data? {
        if buffer.isEmpty, try !fill() { return nil }
        let part = buffer.prefix(most)
        buffer = buffer.dropFirst(part.count)
        return Data(part)
    }

    private func fill() throws(ClientError) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(socket, &bytes, bytes.count, 0)
            if count > 0 {
                buffer = buffer.isEmpty ? Data(bytes[..<count]) : Data(buffer) + bytes[..<count]
                return true
            }
            if count == 0 { return false }
            if errno != EINTR { throw Connection.fault("cannot receive") }
        }
    }

    private static func fault(_ what: String) -> ClientError {
        ClientError("\(what): \(String(cString: strerror(errno)))")
    }

    private static func open(_ address: ServerAddress) throws(ClientError) -> Int32 {
        switch address {
        case .unix(let path):
            var place = sockaddr_un()
            place.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8)
            let room = MemoryLayout.size(ofValue: place.sun_path) - 1
            guard bytes.count <= room else {
                throw ClientError("\(path): a socket's path has at most \(room) bytes")
            }
            withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: bytes) }
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let result = withUnsafePointer(to: place) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard result == 0 else {
                defer { close(socket) }
                throw fault("no server at \(path)")
            }
            return socket
        case .tcp(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var found: UnsafeMutablePointer<addrinfo>?
            let code = getaddrinfo(host, "\(port)", &hints, &found)
            guard code == 0 else {
                throw ClientError("\(host): \(String(cString: gai_strerror(code)))")
            }
            defer { freeaddrinfo(found) }
            var next = found
            while let entry = next?.pointee {
                let socket = Glibc.socket(entry.ai_family, entry.ai_socktype, entry.ai_protocol)
                if connect(socket, entry.ai_addr, entry.ai_addrlen) == 0 { return socket }
                close(socket)
                next = entry.ai_next
            }
            throw fault("no server at \(host):\(port)")
        }
    }
}
