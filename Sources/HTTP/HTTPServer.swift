// An HTTP/1.1 server on plain sockets: one I/O thread with epoll, a strict parser, limits and deadlines on
// everything a client can do, and handlers on a few serial queues.
//
// Handlers never run on a concurrent queue nor in a task: beside computing work those get no thread
// (`HandlerPool` says why). A handler that waits for something answers later and holds no queue meanwhile.

package import Foundation
internal import Synchronization

/// Serves a table of routes on an address, with or without TLS, and on a Unix socket; addresses other than loopback
/// ones only with TLS and where callers are asked who they are. Let go, it stops at once.
package final class HTTPServer: Sendable {
    private enum Life {
        case new
        case starting
        case started(Mailbox, TLSIdentity?)
    }

    private let configuration: Configuration
    private let routes: [HTTPRoute]
    private let errorBody: ErrorBody
    private let life = Mutex(Life.new)
    /// Left by the I/O thread when it ends.
    private let running = DispatchGroup()

    /// - Parameter errorBody: writes what the server itself refuses; called on any thread, must be quick.
    package init(
        configuration: Configuration,
        routes: [HTTPRoute],
        errorBody: @escaping @Sendable (HTTPProblem) -> (contentType: String, body: Data) =
            HTTPProblem.problemJSON,
    ) {
        self.configuration = configuration
        self.routes = routes
        self.errorBody = errorBody
    }

    /// The text of an IPv4 or IPv6 address as `HTTPRequest.peer` has it; nil for what is none.
    package static func address(_ text: String) -> String? { Listener.address(text) }

    deinit { stop(timeout: 0) }

    /// Binds and begins to serve.
    ///
    /// - Returns: the port it listens on; 0 when it listens on a Unix socket alone.
    package func start() throws(HTTPServerError) -> UInt16 {
        let isFirst = life.withLock { life in
            guard case .new = life else { return false }
            life = .starting
            return true
        }
        guard isFirst else { throw .alreadyStarted }
        do throws(HTTPServerError) {
            return try listen()
        } catch {
            life.withLock { $0 = .new }
            throw error
        }
    }

    private func listen() throws(HTTPServerError) -> UInt16 {
        let mailbox = try Mailbox()
        let identity: TLSIdentity? =
            if let files = configuration.tls { try TLSIdentity(files) } else { nil }
        let service = Service(
            configuration: configuration,
            router: Router(routes),
            errorBody: errorBody,
            mailbox: mailbox,
            handlers: HandlerPool(queues: configuration.handlerQueues),
            identity: identity,
            log: AccessLog(configuration.accessLog),
        )
        var listeners: [Listener] = []
        if let host = configuration.host {
            let port = configuration.port
            listeners.append(
                try Listener(
                    host: host,
                    port: port,
                    isEncrypted: identity != nil,
                    takesAny: configuration.asksWhoIsCalling && identity != nil,
                )
            )
        }
        if let place = configuration.unixSocket { listeners.append(try Listener(place)) }
        guard let port = listeners.first?.port else {
            throw .cannotListen(at: "no place", reason: "neither a host nor a Unix socket is set")
        }
        let reactor = try Handover(Reactor(listeners: listeners, service: service))
        life.withLock { $0 = .started(mailbox, identity) }
        running.enter()
        let thread = Thread { [running] in
            reactor.value.run()
            // Whoever waits for the end also has the whole access log.
            service.log.whenTold { running.leave() }
        }
        thread.name = "http"
        thread.start()
        return port
    }

    /// Reads the certificate, its key and the clients' authorities again, for the connections that come from
    /// now on. Without TLS there is nothing to read.
    ///
    /// - Throws: `certificate` with the file and what is wrong with it; then nothing changes.
    package func reloadCertificate() throws(HTTPServerError) {
        guard case .started(_, let identity) = life.withLock({ $0 }) else { return }
        try identity?.reload()
    }

    /// Stops accepting, closes idle connections, ends streams with their last chunk, lets running requests
    /// finish, and returns when all are done; what is left after `timeout` seconds is cut off. Answers that
    /// wait for something (`HTTPResponder.onClose`) are asked for at once. Not to be called by a handler.
    package func drain(timeout: TimeInterval) {
        stop(timeout: timeout)
        running.wait()
    }

    private func stop(timeout: TimeInterval) {
        guard case .started(let mailbox, _) = life.withLock({ $0 }) else { return }
        let nanoseconds = UInt64(max(0, min(timeout, 1e6)) * 1e9)
        mailbox.post(.drain(until: monotonicNow() + nanoseconds))
    }
}

/// Carries a value to the one thread that will own it; nobody else keeps it.
private struct Handover<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
