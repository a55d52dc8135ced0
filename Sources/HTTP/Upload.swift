// A body that is stored as it comes: written to a file of its own and hashed, piece by piece and never by the
// I/O thread, since a disk may take its time.

internal import CHTTP
internal import COpenSSL
internal import Foundation
internal import Synchronization

/// A request's body in a file. Let go, the file is removed, unless it was kept.
package final class HTTPUpload: Sendable {
    package let path: String
    package let size: Int
    /// Of all its bytes, in hexadecimal.
    package let sha256: String
    private let isKept = Mutex(false)

    init(path: String, size: Int, sha256: String) {
        self.path = path
        self.size = size
        self.sha256 = sha256
    }

    deinit { if !isKept.withLock({ $0 }) { unlink(path) } }

    /// Gives the file a name of its own, whole and on the disk; it replaces what has that name.
    ///
    /// - Parameter target: in the file system of the route's folder.
    /// - Throws: `HTTPUploadError` with the reason; the file is then removed as any other.
    package func keep(at target: String) throws(HTTPUploadError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        let isSaved = descriptor >= 0 && fsync(descriptor) == 0 && rename(path, target) == 0
        let code = errno
        if descriptor >= 0 { close(descriptor) }
        guard isSaved else {
            throw HTTPUploadError(path: target, reason: String(cString: strerror(code)))
        }
        isKept.withLock { $0 = true }
    }
}

/// Why a body could not be stored.
package struct HTTPUploadError: Error, Equatable, CustomStringConvertible {
    package var path: String
    package var reason: String

    package var description: String { "cannot store at \(path): \(reason)" }
}

/// The file while it grows: made at the first write. Let go before its end, it is removed.
final class Spool: Sendable {
    private struct File: ~Copyable {
        let descriptor: Int32
        let path: String
        let digest: OpaquePointer
        var size = 0
        var isFinished = false

        /// Makes a file of a new name, for its owner alone.
        init(in folder: String) throws(HTTPUploadError) {
            guard let digest = EVP_MD_CTX_new(), EVP_DigestInit_ex(digest, EVP_sha256(), nil) == 1
            else { throw HTTPUploadError(path: folder, reason: "SHA-256 is not available") }
            var name = Array((folder + "/upload-XXXXXX").utf8CString)
            let descriptor = chttp_temporary(&name)
            guard descriptor >= 0 else {
                EVP_MD_CTX_free(digest)
                throw HTTPUploadError(
                    path: folder,
                    reason: String(cString: strerror(-descriptor)),
                )
            }
            self.descriptor = descriptor
            self.digest = digest
            path = String(
                decoding: name.dropLast().map(UInt8.init(bitPattern:)),
                as: UTF8.self,
            )
        }

        mutating func write(_ bytes: Data) throws(HTTPUploadError) {
            var code: Int32 = 0
            bytes.withUnsafeBytes { bytes in
                var sent = 0
                while sent < bytes.count {
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
                    let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else {
                        code = errno
                        return
                    }
                    sent += count
                }
                EVP_DigestUpdate(digest, bytes.baseAddress, bytes.count)
            }
            guard code == 0 else {
                throw HTTPUploadError(path: path, reason: String(cString: strerror(code)))
            }
            size += bytes.count
        }

        mutating func finish() -> HTTPUpload {
            isFinished = true
            var hash = [UInt8](repeating: 0, count: 32)
            EVP_DigestFinal_ex(digest, &hash, nil)
            let digits = hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            return HTTPUpload(path: path, size: size, sha256: digits.joined())
        }

        deinit {
            close(descriptor)
            EVP_MD_CTX_free(digest)
            if !isFinished { unlink(path) }
        }
    }

    private let folder: String
    private let file = Mutex<File?>(nil)

    init(in folder: String) { self.folder = folder }

    /// Writes a piece; waits for the disk.
    ///
    /// - Returns: the whole, after the last piece.
    func write(_ bytes: Data, isLast: Bool) throws(HTTPUploadError) -> HTTPUpload? {
        let result: Result<HTTPUpload?, HTTPUploadError> = file.withLock { file in
            do throws(HTTPUploadError) {
                if file == nil { file = try File(in: folder) }
                try file?.write(bytes)
                return .success(isLast ? file?.finish() : nil)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
