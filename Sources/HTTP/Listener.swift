// The socket that takes connections: made, named in errors, and accepted from.

internal import CHTTP
internal import Glibc

/// Let go, it is closed.
final class Listener {
    let descriptor: Int32
    /// 0 for a Unix socket.
    let port: UInt16
    /// Whether TLS is spoken there.
    let isEncrypted: Bool
    private let file: SocketFile?

    /// Listens at a path.
    init(_ place: HTTPServer.UnixSocket) throws(HTTPServerError) {
        let (descriptor, file) = try SocketFile.listen(place)
        self.descriptor = descriptor
        self.file = file
        port = 0
        isEncrypted = false
    }

    deinit {
        file?.remove()
        close(descriptor)
    }

    /// Listens on a loopback address, or on any.
    init(
        host: String,
        port: UInt16,
        isEncrypted: Bool,
        takesAny: Bool,
    ) throws(HTTPServerError) {
        self.isEncrypted = isEncrypted
        file = nil
        let name = host == "localhost" ? "127.0.0.1" : host
        var v4 = sockaddr_in()
        var v6 = sockaddr_in6()
        if inet_pton(AF_INET, name, &v4.sin_addr) == 1 {
            // 127.0.0.0/8, in network order.
            guard takesAny || v4.sin_addr.s_addr & 0xFF == 127 else {
                throw .notLoopback(host: host)
            }
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = port.bigEndian
            descriptor = try Self.listen(v4, AF_INET, host: host, port: port)
        } else if inet_pton(AF_INET6, name, &v6.sin6_addr) == 1,
            takesAny || Self.text(v6) == "::1"
        {
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = port.bigEndian
            descriptor = try Self.listen(v6, AF_INET6, host: host, port: port)
        } else {
            throw .notLoopback(host: host)
        }
        self.port = Self.boundPort(descriptor)
    }

    private static func listen<Address>(
        _ address: Address,
        _ family: Int32,
        host: String,
        port: UInt16,
    ) throws(HTTPServerError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        var on: Int32 = 1
        setsockopt(
            descriptor,
            SOL_SOCKET,
            SO_REUSEADDR,
            &on,
            socklen_t(MemoryLayout<Int32>.size),
        )
        let isBound = withUnsafeBytes(of: address) { bytes in
            guard let base = bytes.baseAddress else { return false }
            return bind(
                descriptor,
                base.assumingMemoryBound(to: sockaddr.self),
                socklen_t(bytes.count),
            )
                == 0
        }
        guard descriptor >= 0, isBound, Glibc.listen(descriptor, 1024) == 0 else {
            let code = errno
            if descriptor >= 0 { close(descriptor) }
            if code == EADDRINUSE { throw .addressInUse(host: host, port: port) }
            throw .cannotListen(
                at: "\(host):\(port)",
                reason: String(cString: strerror(code)),
            )
        }
        return descriptor
    }

    private static func boundPort(_ descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.baseAddress.map {
                getsockname(descriptor, $0.assumingMemoryBound(to: sockaddr.self), &length)
            }
        }
        // The port has the same place in both families.
        return withUnsafeBytes(of: storage) { $0.loadUnaligned(as: sockaddr_in.self) }.sin_port
            .bigEndian
    }

    enum Accepted {
        case connection(socket: Int32, peer: String)
        case none
        /// A connection that was gone again; there may be others.
        case aborted
        /// No descriptor or no memory is left.
        case exhausted
    }

    func accept() -> Accepted {
        var storage = sockaddr_storage()
        let socket = chttp_accept(descriptor, &storage)
        switch socket {
        case 0...: return .connection(socket: socket, peer: Self.peer(storage))
        case -EAGAIN: return .none
        case -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: return .exhausted
        default: return .aborted
        }
    }

    private static func peer(_ storage: sockaddr_storage) -> String {
        if Int32(storage.ss_family) == AF_UNIX { return HTTPRequest.unixPeer }
        return withUnsafeBytes(of: storage) { bytes in
            if Int32(storage.ss_family) == AF_INET6 {
                return text(bytes.loadUnaligned(as: sockaddr_in6.self))
            }
            var address = bytes.loadUnaligned(as: sockaddr_in.self).sin_addr
            return text(AF_INET, &address)
        }
    }

    /// The usual text of an IPv4 or IPv6 address, as `peer` has it; nil for what is none.
    static func address(_ text: String) -> String? {
        var address = in6_addr()
        if inet_pton(AF_INET, text, &address) == 1 { return Self.text(AF_INET, &address) }
        var place = sockaddr_in6()
        guard inet_pton(AF_INET6, text, &place.sin6_addr) == 1 else { return nil }
        return Self.text(place)
    }

    /// An IPv4 address that came over IPv6 is one.
    private static func text(_ address: sockaddr_in6) -> String {
        var address = address.sin6_addr
        let text = text(AF_INET6, &address)
        let mapped = "::ffff:"
        return text.hasPrefix(mapped) && text.contains(".")
            ? String(text.dropFirst(mapped.count)) : text
    }

    private static func text(_ family: Int32, _ address: UnsafeRawPointer) -> String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(family, address, &buffer, socklen_t(buffer.count)) != nil else { return "" }
        return String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
            as: UTF8.self,
        )
    }
}
