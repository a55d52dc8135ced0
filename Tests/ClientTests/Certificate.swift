// Certificates made on the spot, with the names that a client looks for.

import COpenSSL
import Foundation
import HTTP

/// A certificate with its key, in two files that are removed with the value.
///
/// Needs no lock: nothing of it changes.
final class Certificate: @unchecked Sendable {
    enum Name {
        case host(String)
        case address([UInt8])
    }

    let file: String
    private let keyFile: String
    private let certificate: OpaquePointer
    private let key: OpaquePointer

    /// - Parameters:
    ///   - names: what it is for; nil for one that signs others.
    ///   - issuer: who signs it; nil: itself.
    init(for names: [Name]?, issuer: Certificate? = nil) throws {
        let place = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        (file, keyFile) = (place + ".pem", place + ".key")
        guard let maker = EVP_PKEY_CTX_new_from_name(nil, "EC", nil), let made = X509_new() else {
            throw CocoaError(.featureUnsupported)
        }
        defer { EVP_PKEY_CTX_free(maker) }
        var pair: OpaquePointer?
        EVP_PKEY_keygen_init(maker)
        EVP_PKEY_CTX_set_group_name(maker, "P-256")
        EVP_PKEY_generate(maker, &pair)
        guard let pair else { throw CocoaError(.featureUnsupported) }
        (certificate, key) = (made, pair)
        X509_set_version(made, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(made), Int.random(in: 1...1_000_000_000))
        X509_gmtime_adj(X509_getm_notBefore(made), -3600)
        X509_gmtime_adj(X509_getm_notAfter(made), 86_400)
        X509_set_pubkey(made, pair)
        let subject = X509_get_subject_name(made)
        let name = names == nil ? "authority" : "server"
        X509_NAME_add_entry_by_txt(subject, "CN", 0x1000 | 1, name, -1, -1, 0)
        X509_set_issuer_name(made, X509_get_subject_name(issuer?.certificate ?? made))
        // In DER: what the certificate is for, or that it may sign others.
        let (kind, value): (Int32, [UInt8]) =
            names.map { (NID_subject_alt_name, Certificate.sequence($0)) }
            ?? (NID_basic_constraints, [0x30, 3, 1, 1, 0xff])
        let octets = ASN1_OCTET_STRING_new()
        ASN1_OCTET_STRING_set(octets, value, Int32(value.count))
        let part = X509_EXTENSION_create_by_NID(nil, kind, names == nil ? 1 : 0, octets)
        X509_add_ext(made, part, -1)
        X509_EXTENSION_free(part)
        ASN1_OCTET_STRING_free(octets)
        X509_sign(made, issuer?.key ?? pair, EVP_sha256())
        let (output, keyOutput) = (BIO_new_file(file, "w"), BIO_new_file(keyFile, "w"))
        PEM_write_bio_X509(output, made)
        PEM_write_bio_PrivateKey(keyOutput, pair, nil, nil, 0, nil, nil)
        BIO_free(output)
        BIO_free(keyOutput)
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
        unlink(file)
        unlink(keyFile)
    }

    private static func sequence(_ names: [Name]) -> [UInt8] {
        let all = names.flatMap { name -> [UInt8] in
            switch name {
            case .host(let text): [0x82, UInt8(text.utf8.count)] + Array(text.utf8)
            case .address(let bytes): [0x87, UInt8(bytes.count)] + bytes
            }
        }
        return [0x30, UInt8(all.count)] + all
    }

    var served: HTTPServer.TLS { HTTPServer.TLS(certificate: file, key: keyFile) }
}
