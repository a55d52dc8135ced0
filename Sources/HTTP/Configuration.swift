// What may be set about a server: where it listens, what it allows, how long it waits.

package import Foundation

extension HTTPServer {
    package struct Configuration: Sendable {
        /// A loopback address, or `localhost`; nil for the Unix socket alone. Others are refused, with TLS
        /// too, unless whoever handles the requests asks who is calling.
        package var host: String?
        /// Whether any address will do, encrypted.
        package var asksWhoIsCalling = false
        /// 0 takes any free port; `start()` returns it.
        package var port: UInt16
        /// Encrypts what comes over TCP.
        package var tls: TLS?
        /// Listens there too. It is not encrypted: its mode says who may come.
        package var unixSocket: UnixSocket?
        /// The addresses of proxies. Of what comes from there the last address in `X-Forwarded-For` that is none of them
        /// counts as the peer, and they may have as many connections as there are.
        package var trustedProxies: Set<String> = []
        package var limits = Limits()
        package var deadlines = Deadlines()
        /// How many handlers run at once, each on a serial queue.
        package var handlerQueues = 2
        /// The names a request's `Host` may carry, without port; any other gets 421. It keeps a foreign web
        /// page from reaching the server through a name of its own that points here (DNS rebinding). Nil: any name.
        package var hostNames: Set<String>? = ["localhost", "127.0.0.1", "[::1]"]
        /// Called in order, on a queue of its own, when a response is through or its client left.
        package var accessLog: (@Sendable (AccessEntry) -> Void)?

        package init(host: String? = "127.0.0.1", port: UInt16 = 0) {
            self.host = host
            self.port = port
        }
    }

    /// PEM files; `reloadCertificate()` reads them again.
    package struct TLS: Sendable {
        /// The server's certificate, then those that lead from it to one that clients know.
        package var certificate: String
        package var key: String
        /// Where this is set, a client must show a certificate that one of these signed.
        package var clientAuthorities: String?

        package init(certificate: String, key: String, clientAuthorities: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthorities = clientAuthorities
        }
    }

    package struct UnixSocket: Sendable {
        /// At most 107 bytes. What a dead server left there is replaced.
        package var path: String
        package var mode: UInt32

        package init(path: String, mode: UInt32 = 0o600) {
            self.path = path
            self.mode = mode
        }
    }

    /// In bytes, where nothing else is said.
    package struct Limits: Sendable {
        package var head = 16 * 1024
        /// How many fields a head may have.
        package var fields = 100
        package var target = 8 * 1024
        /// How many connections are open at once; further ones wait unaccepted.
        package var connections = 1024
        /// All that come over the Unix socket are one peer.
        package var connectionsPerPeer = 64
        /// The line before a chunk, with its extensions.
        package var chunkLine = 256
        /// All trailers of one request together.
        package var trailers = 8 * 1024
        /// What a stream may hold for a slow client before its connection is closed.
        package var streamBacklog = 256 * 1024

        package init() {}
    }

    /// In seconds; each is looked at every 250 ms.
    package struct Deadlines: Sendable {
        /// From a connection to the end of TLS's handshake.
        package var handshake: TimeInterval = 10
        /// From a head's first byte to its last.
        package var head: TimeInterval = 10
        /// While a body's next bytes are awaited.
        package var body: TimeInterval = 30
        /// Between two requests.
        package var idle: TimeInterval = 60
        /// While the client takes nothing of what is written.
        package var write: TimeInterval = 30
        /// After a closing answer, while the client may still be sending.
        package var linger: TimeInterval = 5

        package init() {}

        /// How often deadlines are looked at, in nanoseconds.
        var sweep: UInt64 {
            let shortest = min(handshake, head, body, idle, write, linger)
            return UInt64(max(0.01, min(0.25, shortest / 4)) * 1e9)
        }
    }

    /// One line of the access log.
    package struct AccessEntry: Sendable {
        package var requestID: String
        /// An address, or `unix`.
        package var peer: String
        /// Empty when the request line could not be read.
        package var method: String
        /// As it was sent, still percent-encoded.
        package var target: String
        /// The pattern of the route that took the request.
        package var route: String?
        /// Nil when the client left before it was answered.
        package var status: Int?
        /// Head and content of the response, as far as they were sent.
        package var bytesSent: Int
        /// From the first byte of the request's head to the last byte of the response.
        package var seconds: TimeInterval
        /// False when the response was cut off.
        package var isComplete: Bool
    }
}

/// Why a server did not start, or did not take a new certificate.
package enum HTTPServerError: Error, Equatable, CustomStringConvertible {
    case addressInUse(host: String, port: UInt16)
    case socketInUse(path: String)
    case notLoopback(host: String)
    case cannotListen(at: String, reason: String)
    case certificate(file: String, reason: String)
    case alreadyStarted

    package var description: String {
        switch self {
        case .addressInUse(let host, let port):
            "\(host):\(port) is already in use; choose another port, or 0 for any free one"
        case .socketInUse(let path): "another server listens at \(path); choose another path"
        case .notLoopback(let host):
            "cannot listen on \"\(host)\": only loopback addresses (127.0.0.1, ::1, localhost)"
                + " are allowed, and others with TLS where a token is asked for"
        case .cannotListen(let place, let reason): "cannot listen at \(place): \(reason)"
        case .certificate(let file, let reason): "cannot use \(file) for TLS: \(reason)"
        case .alreadyStarted: "the server was already started"
        }
    }
}
