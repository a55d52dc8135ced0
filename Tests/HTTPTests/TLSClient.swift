// The other side of TLS, and certificates made on the spot: OpenSSL's own calls, as the server does not need them.

import COpenSSL
import Foundation

@testable import HTTP

enum CertificateError: Error {
    case openssl(String)
}

/// A certificate with its key, in two files that are removed with the value.
///
/// Needs no lock: nothing of it changes.
final class Certificate: @unchecked Sendable {
    let name: String
    let file: String
    let keyFile: String
    private let certificate: OpaquePointer
    private let key: OpaquePointer

    /// Signed by `issuer`, or by itself.
    init(_ name: String, issuer: Certificate? = nil) throws {
        self.name = name
        file = temporaryPath("\(name).pem")
        keyFile = temporaryPath("\(name).key")
        guard let maker = EVP_PKEY_CTX_new_from_name(nil, "EC", nil), let made = X509_new() else {
            throw CertificateError.openssl("no memory")
        }
        defer { EVP_PKEY_CTX_free(maker) }
        var pair: OpaquePointer?
        EVP_PKEY_keygen_init(maker)
        EVP_PKEY_CTX_set_group_name(maker, "P-256")
        EVP_PKEY_generate(maker, &pair)
        guard let pair else { throw CertificateError.openssl("no key was made") }
        certificate = made
        key = pair
        ASN1_INTEGER_set(X509_get_serialNumber(made), Int.random(in: 1...1_000_000_000))
        X509_gmtime_adj(X509_getm_notBefore(made), -3600)
        X509_gmtime_adj(X509_getm_notAfter(made), 86_400)
        X509_set_pubkey(made, pair)
        let subject = X509_get_subject_name(made)
        X509_NAME_add_entry_by_txt(subject, "CN", 0x1000 | 1, name, -1, -1, 0)
        X509_set_issuer_name(made, X509_get_subject_name(issuer?.certificate ?? made))
        X509_sign(made, issuer?.key ?? pair, EVP_sha256())
        try write(to: file, keyTo: keyFile)
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
        unlink(file)
        unlink(keyFile)
    }

    var served: HTTPServer.TLS { HTTPServer.TLS(certificate: file, key: keyFile) }

    /// Writes both where a server looks for them.
    func write(to file: String, keyTo keyFile: String, passphrase: String? = nil) throws {
        guard let output = BIO_new_file(file, "w"), let keyOutput = BIO_new_file(keyFile, "w")
        else {
            throw CertificateError.openssl("cannot write \(file)")
        }
        PEM_write_bio_X509(output, certificate)
        PEM_write_bio_PrivateKey(
            keyOutput,
            key,
            passphrase == nil ? nil : EVP_aes_128_cbc(),
            passphrase,
            Int32(passphrase?.utf8.count ?? 0),
            nil,
            nil,
        )
        BIO_free(output)
        BIO_free(keyOutput)
    }
}

func temporaryPath(_ name: String) -> String {
    FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString.prefix(8))-\(name)")
        .path
}

/// What a client of TLS asks for.
struct TLSOffer {
    /// The only certificate that it trusts.
    var trusts: String?
    /// The highest version, such as `TLS1_1_VERSION`.
    var version: Int32 = TLS1_3_VERSION
    /// A protocol to ask for, such as `h2`.
    var applicationProtocol: String?
    /// What it shows of itself.
    var shows: Certificate?
}

/// TLS over a connected, blocking socket.
final class TLSClient {
    private let session: OpaquePointer

    init(_ descriptor: Int32, _ offer: TLSOffer) throws {
        // OpenSSL writes without MSG_NOSIGNAL.
        signal(SIGPIPE, SIG_IGN)
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw CertificateError.openssl("no memory")
        }
        defer { SSL_CTX_free(context) }
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(offer.version), nil)
        if offer.version < TLS1_2_VERSION {
            // Debian's rules would not even let a client ask.
            SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_VERSION), nil)
            SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0")
        }
        if let trusted = offer.trusts {
            SSL_CTX_load_verify_locations(context, trusted, nil)
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        }
        if let shown = offer.shows {
            SSL_CTX_use_certificate_chain_file(context, shown.file)
            SSL_CTX_use_PrivateKey_file(context, shown.keyFile, SSL_FILETYPE_PEM)
        }
        if let name = offer.applicationProtocol {
            let bytes = [UInt8(name.utf8.count)] + Array(name.utf8)
            SSL_CTX_set_alpn_protos(context, bytes, UInt32(bytes.count))
        }
        guard let made = SSL_new(context) else { throw CertificateError.openssl("no memory") }
        session = made
        SSL_set_fd(made, descriptor)
        ERR_clear_error()
        guard SSL_connect(made) == 1 else {
            let code = ERR_get_error()
            throw CertificateError.openssl(
                ERR_reason_error_string(code).map { String(cString: $0) } ?? "closed"
            )
        }
    }

    deinit { SSL_free(session) }

    var version: String { String(cString: SSL_get_version(session)) }

    /// What the server agreed to speak.
    var applicationProtocol: String {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(session, &name, &length)
        return String(
            decoding: UnsafeBufferPointer(start: name, count: Int(length)),
            as: UTF8.self,
        )
    }

    /// The subject's name in the certificate that the server showed.
    var peerName: String? {
        guard let certificate = SSL_get1_peer_certificate(session) else { return nil }
        defer { X509_free(certificate) }
        var buffer = [CChar](repeating: 0, count: 256)
        X509_NAME_oneline(X509_get_subject_name(certificate), &buffer, Int32(buffer.count))
        return String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
            as: UTF8.self,
        )
    }

    /// Like `send`.
    func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        Int(SSL_write(session, bytes.baseAddress, Int32(bytes.count)))
    }

    /// Like `recv`: 0 at the end, below 0 with EAGAIN when nothing came in time.
    func read(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        ERR_clear_error()
        let count = Int(SSL_read(session, bytes.baseAddress, Int32(bytes.count)))
        if count > 0 { return count }
        guard SSL_get_error(session, Int32(count)) == SSL_ERROR_WANT_READ else { return 0 }
        errno = EAGAIN
        return -1
    }

    func finish() { SSL_shutdown(session) }

    /// Asks for new keys on both sides.
    func changeKeys() { SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED) }

    /// Asks for another handshake, which TLS 1.2 once allowed.
    ///
    /// - Returns: whether the server took part.
    func renegotiate() -> Bool {
        SSL_renegotiate(session)
        return SSL_do_handshake(session) == 1 && SSL_renegotiate_pending(session) == 0
    }
}
