// TLS of one connection to a daemon: whom it trusts, and what is said when it does not.

internal import COpenSSL

/// Not `Sendable`: one thread uses it.
final class TLSSession {
    private let session: OpaquePointer
    private let name: String

    /// Agrees on a session over a connected socket, which stays the caller's.
    ///
    /// - Parameters:
    ///   - host: what the server's certificate must be for, a name or an address.
    ///   - name: what messages call the server.
    ///   - authorities: a PEM file with whom alone to trust; nil: whom this machine trusts.
    init(
        _ socket: Int32,
        host: String,
        name: String,
        authorities: String?,
    ) throws(ClientError) {
        self.name = name
        var reason = Reason()
        guard let context = copenssl_client(authorities, &reason.bytes) else {
            let file = authorities ?? "the certificates that this machine trusts"
            throw ClientError("cannot use \(file) for TLS: \(reason.text)", .notFound)
        }
        // The session keeps it alive.
        defer { SSL_CTX_free(context) }
        var fault: Int32 = 0
        guard let made = copenssl_connect(context, socket, host, &fault, &reason.bytes) else {
            throw switch Int(fault) {
            case COPENSSL_UNTRUSTED:
                ClientError(
                    "the certificate of \(name) is not trusted: \(reason.text); name the file of whom to trust"
                        + " with --ca or DETNAS_CA",
                    .stranger,
                )
            case COPENSSL_WRONG_NAME:
                ClientError(
                    "the certificate of \(name) is for another name than \(host); call the server by a name that"
                        + " its certificate has",
                    .stranger,
                )
            case COPENSSL_NO_TLS:
                ClientError(
                    "\(name) does not speak TLS (\(reason.text)); is it http://?",
                    .stranger,
                )
            case COPENSSL_CUT:
                ClientError("no TLS with \(name): \(reason.text)", .unreachable)
            default: ClientError("no TLS with \(name): \(reason.text)", .stranger)
            }
        }
        session = made
    }

    deinit { SSL_free(session) }

    /// - Returns: why they were not sent.
    func send(_ bytes: UnsafeRawBufferPointer) -> ClientError? {
        var reason = Reason()
        let result = copenssl_send(session, bytes.baseAddress, bytes.count, &reason.bytes)
        return result < 0 ? fault("cannot send", result: Int(result), reason) : nil
    }

    /// How many bytes came; 0 at the end.
    func receive(into bytes: UnsafeMutableRawBufferPointer) -> Result<Int, ClientError> {
        var reason = Reason()
        let count = Int(
            copenssl_receive(session, bytes.baseAddress, bytes.count, &reason.bytes)
        )
        if count == COPENSSL_ENDED { return .success(0) }
        guard count >= 0 else {
            return .failure(fault("cannot receive", result: count, reason))
        }
        return .success(count)
    }

    private func fault(_ what: String, result: Int, _ reason: Reason) -> ClientError {
        ClientError(
            "\(what) (\(name)): \(reason.text)",
            result == COPENSSL_FAILED ? .stranger : .unreachable,
        )
    }
}

/// OpenSSL's words.
private struct Reason {
    var bytes = [CChar](repeating: 0, count: Int(COPENSSL_REASON_SIZE))

    var text: String {
        String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
