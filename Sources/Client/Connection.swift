// One HTTP/1.1 exchange over a socket: what the command line needs to speak to its daemon, over TCP, TLS or a Unix
// socket.

import Foundation
import Glibc

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
    private let socket: Socket
    private let tls: TLSSession?
    private var buffer = Data()

    /// - Parameters:
    ///   - authorities: a PEM file with whom alone to trust.
    ///   - silence: seconds after which a server that sends nothing is given up; nil: never.
    init(
        to address: ServerAddress,
        authorities: String? = nil,
        silence: Int? = nil,
    ) throws(ClientError) {
        socket = Socket(descriptor: try Connection.open(address))
        socket.set(silence: silence)
        guard case .tls(let host, _) = address else {
            tls = nil
            return
        }
        tls = try TLSSession(
            socket.descriptor,
            host: host,
            name: address.name,
            authorities: authorities,
        )
    }

    func send(_ data: Data) throws(ClientError) {
        if let tls {
            if let error = data.withUnsafeBytes({ tls.send($0) }) { throw error }
            return
        }
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(socket.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
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
                throw ClientError("a line of the answer has no end", .stranger)
            }
            guard try fill() else {
                throw ClientError(
                    "the server closed in the middle of its answer",
                    .unreachable,
                )
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
            let count = try receive(into: &bytes)
            if count > 0 {
                buffer = buffer.isEmpty ? Data(bytes[..<count]) : Data(buffer) + bytes[..<count]
                return true
            }
            if count == 0 { return false }
            guard errno != EINTR else { continue }
            throw errno == EAGAIN
                ? ClientError("the server was silent for too long", .unreachable)
                : Connection.fault("cannot receive")
        }
    }

    private func receive(into bytes: inout [UInt8]) throws(ClientError) -> Int {
        guard let tls else { return recv(socket.descriptor, &bytes, bytes.count, 0) }
        return try bytes.withUnsafeMutableBytes { tls.receive(into: $0) }.get()
    }

    private static func fault(_ what: String) -> ClientError {
        ClientError(
            "\(what): \(String(cString: strerror(errno)))",
            errno == EACCES ? .forbidden : .unreachable,
        )
    }

    private static func open(_ address: ServerAddress) throws(ClientError) -> Int32 {
        switch address {
        case .unix(let path):
            var place = sockaddr_un()
            place.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8)
            let room = MemoryLayout.size(ofValue: place.sun_path) - 1
            guard bytes.count <= room else {
                throw ClientError("\(path): a socket's path has at most \(room) bytes", .usage)
            }
            withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: bytes) }
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let result = withUnsafePointer(to: place) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            guard result == 0 else {
                let error = fault("no server at \(path)")
                close(socket)
                throw error
            }
            return socket
        case .tcp(let host, let port), .tls(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var found: UnsafeMutablePointer<addrinfo>?
            let code = getaddrinfo(host, "\(port)", &hints, &found)
            guard code == 0 else {
                throw ClientError(
                    "\(host): \(String(cString: gai_strerror(code)))",
                    code == EAI_AGAIN ? .unreachable : .noHost,
                )
            }
            defer { freeaddrinfo(found) }
            var next = found
            while let entry = next?.pointee {
                let socket = Glibc.socket(entry.ai_family, entry.ai_socktype, entry.ai_protocol)
                if connect(socket, entry.ai_addr, entry.ai_addrlen) == 0 { return socket }
                let reason = errno
                close(socket)
                errno = reason
                next = entry.ai_next
            }
            throw fault("no server at \(address.name)")
        }
    }
}

/// Closed with the value.
private final class Socket {
    let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Has a server that is gone noticed, where it could not say so: after `silence` seconds without a byte, and by
    /// the kernel after some minutes in any case.
    func set(silence: Int?) {
        func set(_ level: Int32, _ option: Int32, _ value: Int32) {
            var value = value
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        set(SOL_SOCKET, SO_KEEPALIVE, 1)
        set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
        set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
        guard let silence else { return }
        var span = timeval(tv_sec: silence, tv_usec: 0)
        setsockopt(
            descriptor,
            SOL_SOCKET,
            SO_RCVTIMEO,
            &span,
            socklen_t(MemoryLayout<timeval>.size),
        )
    }
}
