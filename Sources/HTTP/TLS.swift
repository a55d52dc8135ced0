// TLS for connections: the certificate that new ones are shown, and the session of each. OpenSSL does the work.

internal import COpenSSL
internal import Glibc
internal import Synchronization

/// What new connections are shown; it can be read again from its files while the server runs.
final class TLSIdentity: Sendable {
    private let files: HTTPServer.TLS
    private let context: Mutex<TLSContext>

    /// - Throws: `certificate`, with the file that is at fault.
    init(_ files: HTTPServer.TLS) throws(HTTPServerError) {
        self.files = files
        context = Mutex(try TLSContext(files))
    }

    /// Reads the files again. Connections that are open keep what they were shown.
    ///
    /// - Throws: `certificate`; then the former one stays.
    func reload() throws(HTTPServerError) {
        let fresh = try TLSContext(files)
        context.withLock { $0 = fresh }
    }

    /// Nil when no memory is left.
    func session(on socket: Int32) -> TLSSession? {
        TLSSession(context.withLock { $0 }, socket: socket)
    }
}

/// A certificate with its key and the rules of its use.
///
/// Needs no lock: nothing of it changes, and OpenSSL counts its references with atomics.
final class TLSContext: @unchecked Sendable {
    fileprivate let pointer: OpaquePointer

    init(_ files: HTTPServer.TLS) throws(HTTPServerError) {
        var fault: Int32 = 0
        var reason = [CChar](repeating: 0, count: Int(COPENSSL_REASON_SIZE))
        let made = copenssl_server(
            files.certificate,
            files.key,
            files.clientAuthorities,
            &fault,
            &reason,
        )
        guard let made else {
            let file: String? =
                switch Int(fault) {
                case COPENSSL_CERTIFICATE: files.certificate
                case COPENSSL_KEY: files.key
                case COPENSSL_AUTHORITIES: files.clientAuthorities
                default: nil
                }
            let bytes = reason.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            throw .certificate(
                file: file ?? files.certificate,
                reason: String(decoding: bytes, as: UTF8.self),
            )
        }
        pointer = made
    }

    deinit { SSL_CTX_free(pointer) }
}

extension HTTPServer.TLS {
    /// From when until when the certificate in a PEM file is valid, in seconds since 1970.
    /// - Throws: `certificate`, with the reason.
    package static func validity(
        of file: String
    ) throws(HTTPServerError) -> (from: Int64, until: Int64) {
        var (from, until) = (Int64(0), Int64(0))
        var reason = [CChar](repeating: 0, count: Int(COPENSSL_REASON_SIZE))
        guard copenssl_validity(file, &from, &until, &reason) != 0 else {
            let bytes = reason.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            throw .certificate(file: file, reason: String(decoding: bytes, as: UTF8.self))
        }
        return (from, until)
    }
}

/// The TLS of one connection; used by the I/O thread alone.
final class TLSSession {
    /// What came of a step of the handshake.
    enum Handshake {
        case done
        case waiting
        /// The client speaks HTTP without TLS.
        case plain
        case failed
    }

    private let pointer: OpaquePointer
    /// Whether reading or shaking hands goes on only when the socket takes bytes.
    private(set) var awaitsOutput = false
    private var isAgreed = false
    private var isBroken = false

    init?(_ context: TLSContext, socket: Int32) {
        guard let made = copenssl_session(context.pointer, socket) else { return nil }
        pointer = made
    }

    deinit { SSL_free(pointer) }

    func shakeHands() -> Handshake {
        let result = Int(copenssl_handshake(pointer))
        awaitsOutput = result == COPENSSL_WANTS_OUTPUT
        switch result {
        case 0:
            isAgreed = true
            return .done
        case COPENSSL_WANTS_INPUT, COPENSSL_WANTS_OUTPUT: return .waiting
        case COPENSSL_PLAIN_HTTP: return .plain
        default: return .failed
        }
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        guard !isBroken else { return .failed }
        let result = copenssl_read(pointer, buffer.baseAddress, buffer.count)
        awaitsOutput = result == COPENSSL_WANTS_OUTPUT
        if result == COPENSSL_WANTS_INPUT { return .wouldBlock }
        return transfer(result)
    }

    func send(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        guard !isBroken else { return .failed }
        // To want input here means that the client sent a message of TLS itself in pieces: not taken.
        return transfer(copenssl_write(pointer, bytes.baseAddress, bytes.count))
    }

    /// Sends up to `count` bytes of a file from `offset`, 256 KiB at the most; `.ended` when it ends before.
    func send(_ file: OpenFile, from offset: Int64, count: Int) -> Transfer {
        withUnsafeTemporaryAllocation(byteCount: min(count, 262_144), alignment: 16) { buffer in
            let got = pread(file.descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if got == 0 { return .ended }
            guard got > 0 else { return errno == EINTR ? .moved(0) : .failed }
            return send(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
        }
    }

    /// Tells the client that nothing more comes, so that it knows this end from a cut.
    ///
    /// - Returns: false while the socket takes nothing; then it must be called again.
    func finish() -> Bool {
        guard isAgreed, !isBroken else { return true }
        return transfer(Int64(copenssl_finish(pointer))) != .wouldBlock
    }

    private func transfer(_ result: Int64) -> Transfer {
        switch Int(result) {
        case 0...: return .moved(Int(result))
        case COPENSSL_WANTS_OUTPUT: return .wouldBlock
        case COPENSSL_ENDED: return .ended
        default:
            isBroken = true
            return .failed
        }
    }
}
