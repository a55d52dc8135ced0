// The file of a Unix socket: made so that only the right ones may come, and removed only by who made it.

internal import CHTTP
internal import Glibc

struct SocketFile {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Makes the file and listens there. A file that a server left when it died is replaced.
    ///
    /// - Throws: `socketInUse` when a server listens there, `cannotListen` for whatever is no socket.
    static func listen(
        _ place: HTTPServer.UnixSocket
    ) throws(HTTPServerError) -> (descriptor: Int32, SocketFile) {
        let failed = { (reason: String) in
            HTTPServerError.cannotListen(at: place.path, reason: reason)
        }
        let address = try address(of: place.path)
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw failed(String(cString: strerror(errno))) }
        do throws(HTTPServerError) {
            var code = attempt(bind, descriptor, address)
            if code == EADDRINUSE {
                try removeLeftover(at: place.path, address)
                code = attempt(bind, descriptor, address)
            }
            guard code == 0 else { throw failed(String(cString: strerror(code))) }
            var status = stat()
            // Nobody can connect before `listen`, so nobody meets the mode that `bind` gave it.
            guard chmod(place.path, mode_t(place.mode)) == 0, lstat(place.path, &status) == 0,
                Glibc.listen(descriptor, 1024) == 0
            else {
                let reason = String(cString: strerror(errno))
                unlink(place.path)
                throw failed(reason)
            }
            let file = SocketFile(
                path: place.path,
                device: status.st_dev,
                inode: status.st_ino,
            )
            return (descriptor, file)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Removes the file, unless another server has put its own there.
    func remove() {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else {
            return
        }
        unlink(path)
    }

    private static func removeLeftover(
        at path: String,
        _ address: sockaddr_un,
    ) throws(HTTPServerError) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
            throw .cannotListen(at: path, reason: "there is something that is no socket")
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let code = probe < 0 ? errno : attempt(connect, probe, address)
        if probe >= 0 { close(probe) }
        switch code {
        case ECONNREFUSED: unlink(path)
        case 0, EAGAIN: throw .socketInUse(path: path)
        default:
            throw .cannotListen(
                at: path,
                reason: "whether a server listens there cannot be told: "
                    + String(cString: strerror(code)),
            )
        }
    }

    private static func address(of path: String) throws(HTTPServerError) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard !bytes.isEmpty, bytes.count <= room, !bytes.contains(0) else {
            throw .cannotListen(
                at: path,
                reason: "the path has \(bytes.count) bytes; allowed: 1 to \(room)",
            )
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    /// Calls `bind` or `connect`.
    ///
    /// - Returns: 0, or errno.
    private static func attempt(
        _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32,
        _ descriptor: Int32,
        _ address: sockaddr_un,
    ) -> Int32 {
        withUnsafeBytes(of: address) { bytes in
            guard let base = bytes.baseAddress else { return EINVAL }
            let length = socklen_t(bytes.count)
            return call(descriptor, base.assumingMemoryBound(to: sockaddr.self), length) == 0
                ? 0 : errno
        }
    }
}
