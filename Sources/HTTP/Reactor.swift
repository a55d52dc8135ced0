// The I/O thread: it waits for sockets and orders, and hands each to its connection. Level-triggered epoll
// on one thread of its own, so that it answers however busy every queue and task of the process is.

internal import CHTTP
internal import Glibc

final class Reactor {
    private static let mailboxToken: UInt64 = 0
    /// Of the first listener; connections come after the last.
    private static let listenerToken: UInt64 = 1

    private let service: Service
    private let epoll: Int32
    private var listeners: [UInt64: Listener] = [:]
    private var isListening = true
    private var connections: [UInt64: Connection] = [:]
    /// What each connection is watched for.
    private var watched: [UInt64: UInt32] = [:]
    private var perPeer: [String: Int] = [:]
    private var nextToken: UInt64
    private var drainDeadline: UInt64?
    /// Held so that one connection can be accepted, and told, when no descriptor is left.
    private var reserve: Int32

    init(listeners: [Listener], service: Service) throws(HTTPServerError) {
        self.service = service
        epoll = chttp_epoll()
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
        nextToken = Self.listenerToken
        for listener in listeners {
            self.listeners[nextToken] = listener
            nextToken += 1
        }
        let input = Readiness.input
        guard epoll >= 0,
            chttp_watch(epoll, service.mailbox.wakeup, input, Self.mailboxToken) == 0,
            self.listeners.allSatisfy({ chttp_watch(epoll, $1.descriptor, input, $0) == 0 })
        else { throw .cannotListen(at: "all", reason: "epoll failed") }
    }

    deinit {
        if epoll >= 0 { close(epoll) }
        if reserve >= 0 { close(reserve) }
    }

    /// Serves until it has drained.
    func run() {
        chttp_block_signals()
        let capacity = 256
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        let events = UnsafeMutableBufferPointer<chttp_event>.allocate(capacity: capacity)
        defer {
            scratch.deallocate()
            events.deallocate()
        }
        let interval = service.configuration.deadlines.sweep
        var nextSweep = monotonicNow() + interval
        while !(drainDeadline != nil && connections.isEmpty) {
            let isQuiet = connections.isEmpty && isListening
            let wait = isQuiet ? -1 : Int32(clamping: interval / 1_000_000)
            let count = chttp_wait(epoll, events.baseAddress, Int32(capacity), wait)
            for event in events.prefix(Int(max(0, count))) {
                switch event.token {
                case Self.mailboxToken: for order in service.mailbox.take() { obey(order) }
                default:
                    if let listener = listeners[event.token] {
                        acceptAll(from: listener)
                        continue
                    }
                    guard let connection = connections[event.token] else { continue }
                    connection.ready(event.events, scratch: scratch)
                    settle(connection)
                }
            }
            let now = monotonicNow()
            if now >= nextSweep {
                nextSweep = now + interval
                sweep(now)
            }
            service.log.flush()
        }
        service.mailbox.close()
    }

    // MARK: Connections

    private func acceptAll(from listener: Listener) {
        let limits = service.configuration.limits
        // A bounded number in one turn: those who are connected wait too.
        for _ in 0..<64 {
            guard connections.count < limits.connections else { return setListening(false) }
            switch listener.accept() {
            case .connection(let socket, let peer):
                let isProxy = service.configuration.trustedProxies.contains(peer)
                guard isProxy || perPeer[peer, default: 0] < limits.connectionsPerPeer else {
                    let detail = "\(peer) has \(limits.connectionsPerPeer) connections open"
                    turnAway(socket, of: listener, detail)
                    continue
                }
                add(socket, of: listener, peer: peer)
            case .none: return
            case .aborted: continue
            case .exhausted:
                // One is told; the rest wait until the next sweep, as their readiness would not pass.
                if reserve >= 0 { close(reserve) }
                if case .connection(let socket, _) = listener.accept() {
                    turnAway(socket, of: listener, "the server has no descriptor left")
                }
                reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
                return setListening(false)
            }
        }
    }

    private func add(_ socket: Int32, of listener: Listener, peer: String) {
        let session = listener.isEncrypted ? service.identity?.session(on: socket) : nil
        let transport = Transport(descriptor: socket, session: session)
        guard listener.isEncrypted == transport.isEncrypted else { return transport.close() }
        let connection = Connection(
            token: nextToken,
            transport: transport,
            peer: peer,
            service: service,
        )
        nextToken += 1
        let interest = connection.interest
        guard chttp_watch(epoll, connection.descriptor, interest, connection.token) == 0 else {
            return connection.close()
        }
        connections[connection.token] = connection
        watched[connection.token] = interest
        perPeer[connection.peer, default: 0] += 1
    }

    /// Says why in one packet, as far as it can be sent at once. A handshake only for that is not made.
    private func turnAway(_ socket: Int32, of listener: Listener, _ detail: String) {
        let transport = Transport(descriptor: socket)
        defer { transport.close() }
        if listener.isEncrypted { return }
        let problem = HTTPProblem(
            503,
            "too-many-connections",
            detail,
            fields: ["Retry-After": "1"],
        )
        let reply = Reply(problem, to: Asked(id: service.ids.next()), errorBody: service.errorBody)
        var bytes = reply.head
        bytes.append(contentsOf: "Connection: close\r\n\r\n".utf8)
        if case .bytes(let body) = reply.content { bytes.append(body) }
        _ = bytes.withUnsafeBytes { transport.send($0, more: false) }
        _ = transport.finishSending()
    }

    /// After anything happened to a connection: watches it for what it now needs, or lets it go.
    private func settle(_ connection: Connection) {
        let token = connection.token
        guard connection.isClosed else {
            let interest = connection.interest
            if watched[token] != interest {
                watched[token] = interest
                _ = chttp_rewatch(epoll, connection.descriptor, interest, token)
            }
            return
        }
        connections[token] = nil
        watched[token] = nil
        if let others = perPeer[connection.peer] {
            perPeer[connection.peer] = others > 1 ? others - 1 : nil
        }
        if connections.count < service.configuration.limits.connections { setListening(true) }
    }

    private func setListening(_ isListening: Bool) {
        guard isListening != self.isListening else { return }
        self.isListening = isListening
        let interest = isListening ? Readiness.input : 0
        for (token, listener) in listeners {
            _ = chttp_rewatch(epoll, listener.descriptor, interest, token)
        }
    }

    private func sweep(_ now: UInt64) {
        if let drainDeadline, now >= drainDeadline {
            for connection in connections.values { connection.close() }
        }
        for connection in connections.values where connection.deadline <= now {
            connection.expire()
        }
        for connection in connections.values { settle(connection) }
        if connections.count < service.configuration.limits.connections { setListening(true) }
    }

    // MARK: Orders

    private func obey(_ order: Order) {
        let token: UInt64
        switch order {
        case .drain(let end): return drain(until: end)
        case .reply(let exchange, _), .deferred(let exchange): token = exchange.connection
        case .stream(let exchange, _, let stream):
            token = exchange.connection
            if connections[token] == nil { stream.clientLeft() }
        case .streamMoved(let stream), .streamOverflowed(let stream): token = stream.connection
        case .fileIsWarm(let connection), .stored(let connection, _),
            .admitted(let connection, _):
            token = connection
        }
        guard let connection = connections[token] else { return }
        connection.obey(order)
        settle(connection)
    }

    private func drain(until end: UInt64) {
        drainDeadline = min(end, drainDeadline ?? .max)
        for listener in listeners.values { _ = chttp_unwatch(epoll, listener.descriptor) }
        listeners = [:]
        for connection in connections.values {
            connection.obey(.drain(until: end))
            settle(connection)
        }
    }
}
