// The one place through which a connection's bytes come and go.

internal import CHTTP
internal import Glibc

/// What came of a call on a socket that never waits.
enum Transfer: Equatable {
    case moved(Int)
    case wouldBlock
    /// The peer sends nothing more.
    case ended
    case failed
}

/// What a descriptor is, or is to be, ready for.
enum Readiness {
    static let input = UInt32(CHTTP_IN)
    static let output = UInt32(CHTTP_OUT)
    /// Broken, or closed on both sides.
    static let broken = UInt32(CHTTP_ERR | CHTTP_HUP)
    /// The peer sends nothing more.
    static let peerDone = UInt32(CHTTP_RDHUP)
}

struct Transport {
    let descriptor: Int32
    /// Nil where bytes go as they are.
    private let session: TLSSession?

    init(descriptor: Int32, session: TLSSession? = nil) {
        self.descriptor = descriptor
        self.session = session
    }

    var isEncrypted: Bool { session != nil }
    /// Whether reading goes on only when the socket takes bytes.
    var awaitsOutput: Bool { session?.awaitsOutput ?? false }

    func shakeHands() -> TLSSession.Handshake { session?.shakeHands() ?? .done }

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        session?.receive(into: buffer) ?? receiveRaw(into: buffer)
    }

    /// Takes bytes off the socket that nobody is to read; after it, `receive` has no meaning any more.
    func discard(_ buffer: UnsafeMutableRawBufferPointer) -> Transfer { receiveRaw(into: buffer) }

    private func receiveRaw(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        let result = chttp_receive(descriptor, buffer.baseAddress, buffer.count)
        return result == 0 ? .ended : Self.transfer(result)
    }

    /// - Parameter more: whether further bytes follow at once, so that they may share a packet.
    func send(_ bytes: UnsafeRawBufferPointer, more: Bool) -> Transfer {
        if let session { return session.send(bytes) }
        return Self.transfer(chttp_send(descriptor, bytes.baseAddress, bytes.count, more ? 1 : 0))
    }

    /// Sends up to `count` bytes of a file from `offset`; `.ended` when the file ends before.
    func send(_ file: OpenFile, from offset: Int64, count: Int) -> Transfer {
        if let session { return session.send(file, from: offset, count: count) }
        let result = chttp_sendfile(descriptor, file.descriptor, offset, count)
        return result == 0 ? .ended : Self.transfer(result)
    }

    /// Tells the peer that nothing more comes.
    ///
    /// - Returns: false while the socket has no room to say so; then it must be called again.
    func finishSending() -> Bool {
        guard session?.finish() ?? true else { return false }
        _ = shutdown(descriptor, Int32(SHUT_WR))
        return true
    }

    func close() {
        _ = Glibc.close(descriptor)
    }

    private static func transfer(_ result: Int64) -> Transfer {
        if result >= 0 { return .moved(Int(result)) }
        return result == -Int64(EAGAIN) || result == -Int64(EINTR) ? .wouldBlock : .failed
    }
}

/// A file held open, so that it can be sent whole even when its name is removed meanwhile.
final class OpenFile: Sendable {
    let descriptor: Int32
    let size: Int64

    enum Failure: Error {
        case missing
        case unreadable(reason: String)
    }

    /// - Throws: `missing` where no file has that name, `unreadable` for whatever is no regular file.
    init(_ path: String) throws(Failure) {
        // O_NONBLOCK: opening a pipe must not wait for its writer.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let code = errno
            throw code == ENOENT || code == ENOTDIR
                ? .missing : .unreadable(reason: String(cString: strerror(code)))
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            _ = Glibc.close(descriptor)
            throw .unreadable(reason: "not a regular file")
        }
        size = Int64(status.st_size)
    }

    deinit { _ = Glibc.close(descriptor) }
}
