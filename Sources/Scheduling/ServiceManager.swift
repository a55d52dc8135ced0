// Tells systemd how the server is, by the protocol of sd_notify(3): datagrams to the socket that the environment names.

internal import Foundation
internal import Glibc

/// Whoever started this process, if it wants to know.
package struct ServiceManager: Sendable {
    private let socketPath: String
    /// Seconds within which it wants a sign of life; nil: it does not ask for any.
    package let watchdogSeconds: Double?

    /// - Returns: nil when nobody wants to know.
    package init?(_ environment: [String: String] = ProcessInfo.processInfo.environment) {
        guard let path = environment["NOTIFY_SOCKET"], let first = path.first, "/@".contains(first),
            path.utf8.count < 108
        else { return nil }
        socketPath = path
        // Meant for another process of the service when the number is another.
        let isMeant = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        watchdogSeconds =
            isMeant
            ? environment["WATCHDOG_USEC"].flatMap(Double.init).map { $0 / 1e6 }.flatMap {
                $0 > 0 ? $0 : nil
            } : nil
    }

    /// `READY=1`, `STOPPING=1`, `WATCHDOG=1`, ... A manager that is gone is no fault of the server's.
    package func tell(_ state: String) {
        let descriptor = socket(
            AF_UNIX,
            Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue),
            0,
        )
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var path = Array(socketPath.utf8)
        // An abstract name begins with a zero, which is written as @.
        if path.first == UInt8(ascii: "@") { path[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = MemoryLayout<sa_family_t>.size + path.count
        let bytes = Array(state.utf8)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor,
                    bytes,
                    bytes.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT),
                    $0,
                    socklen_t(length),
                )
            }
        }
    }
}
