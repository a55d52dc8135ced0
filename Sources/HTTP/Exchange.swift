// One request between its handler and the I/O thread: whoever answers first has answered.

internal import Foundation
internal import Synchronization

/// What every part of a server shares.
struct Service: Sendable {
    let configuration: HTTPServer.Configuration
    let router: Router
    let errorBody: ErrorBody
    let mailbox: Mailbox
    let handlers: HandlerPool
    /// Nil where TCP connections are not encrypted.
    let identity: TLSIdentity?
    let date = DateField()
    /// Reads parts of files into memory that a connection waits for.
    let files = DispatchQueue(label: "http.files")
    /// Writes bodies to their files.
    let uploads = DispatchQueue(label: "http.uploads")
    let log: AccessLog
    let ids = RequestIDs()
}

/// Tells of answered requests, many at once where they come fast.
final class AccessLog: Sendable {
    private let tell: (@Sendable (HTTPServer.AccessEntry) -> Void)?
    private let queue = DispatchQueue(label: "http.log")
    private let pending = Mutex<[HTTPServer.AccessEntry]>([])

    init(_ tell: (@Sendable (HTTPServer.AccessEntry) -> Void)?) { self.tell = tell }

    var isKept: Bool { tell != nil }

    func add(_ entry: HTTPServer.AccessEntry) { pending.withLock { $0.append(entry) } }

    /// Passes on what was added since: once for each turn of the I/O thread.
    func flush() {
        let entries = pending.withLock { pending in
            defer { pending = [] }
            return pending
        }
        guard let tell, !entries.isEmpty else { return }
        queue.async { for entry in entries { tell(entry) } }
    }

    /// Calls back when all that was flushed has been told.
    func whenTold(_ done: @escaping @Sendable () -> Void) { queue.async(execute: done) }
}

/// Names for requests that bring none: no two alike, and those of two servers hardly.
final class RequestIDs: Sendable {
    private let state = Atomic(UInt64.random(in: .min ... .max))

    func next() -> String {
        // SplitMix64: as the state takes each value once, so does what it is mixed to.
        var bits = state.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        bits ^= bits >> 31
        let digits = String(bits, radix: 16)
        return "req_" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}

final class Exchange: Sendable {
    private enum Life {
        case waiting
        case answered
        case gone  // the client left first
    }

    private struct State {
        var life = Life.waiting
        var isDraining = false
        var onClose: (@Sendable () -> Void)?

        /// Takes the action of a request that still waits.
        mutating func takeAction() -> (@Sendable () -> Void)? {
            defer { onClose = nil }
            return life == .waiting ? onClose : nil
        }
    }

    let connection: UInt64
    let asked: Asked
    private let service: Service
    private let state = Mutex(State())

    init(_ asked: Asked, connection: UInt64, service: Service) {
        self.asked = asked
        self.connection = connection
        self.service = service
    }

    /// Hands the request to its handler, on one of the handlers' queues.
    func start(_ handle: @escaping @Sendable (HTTPRequest) -> HTTPReply, _ request: HTTPRequest) {
        service.handlers.run { [self] in
            switch handle(request) {
            case .now(let response): respond(response)
            case .later(let begin):
                begin(Responder(self))
                service.mailbox.post(.deferred(self))
            }
        }
    }

    func respond(_ response: HTTPResponse) {
        guard claim() else { return }
        let reply = Reply(response, to: asked, errorBody: service.errorBody)
        service.mailbox.post(.reply(self, reply))
    }

    func refuse(_ problem: HTTPProblem) {
        guard claim() else { return }
        let reply = Reply(problem, to: asked, errorBody: service.errorBody)
        service.mailbox.post(.reply(self, reply))
    }

    func stream(status: Int, headers: HTTPHeaders) -> any HTTPStream {
        let isChunked = asked.minorVersion == 1
        let hasContent = !asked.isHead && !HTTPStatus.isBodiless(status)
        let stream = ResponseStream(connection: connection, isChunked: isChunked, service: service)
        guard claim() else {
            stream.clientLeft()
            return stream
        }
        let reply = Reply(
            streaming: status,
            headers: headers,
            to: asked,
            isChunked: isChunked && hasContent,
        )
        if hasContent {
            service.mailbox.post(.stream(self, reply, stream))
        } else {
            stream.clientLeft()
            service.mailbox.post(.reply(self, reply))
        }
        return stream
    }

    func onClose(_ action: @escaping @Sendable () -> Void) {
        let (isGone, isDraining) = state.withLock { state in
            if state.life == .waiting, !state.isDraining { state.onClose = action }
            return (state.life == .gone, state.life == .waiting && state.isDraining)
        }
        if isGone { action() }
        if isDraining { askNow(action) }
    }

    /// The client left before it was answered.
    func clientLeft() {
        let action = state.withLock { state in
            let action = state.takeAction()
            if state.life == .waiting { state.life = .gone }
            return action
        }
        if let action { service.handlers.run(action) }
    }

    /// The server stops. An answer that waits for something (it says so by `onClose`) is asked for now;
    /// work that merely takes its time goes on.
    func drain() {
        let action = state.withLock { state in
            state.isDraining = true
            return state.takeAction()
        }
        if let action { askNow(action) }
    }

    private func askNow(_ action: @escaping @Sendable () -> Void) {
        service.handlers.run { [self] in
            action()
            refuse(.draining)
        }
    }

    /// True once: for the one that may answer.
    private func claim() -> Bool {
        state.withLock { state in
            guard state.life == .waiting else { return false }
            state.life = .answered
            state.onClose = nil
            return true
        }
    }
}

extension HTTPProblem {
    static let draining = HTTPProblem(
        503,
        "draining",
        "the server is stopping",
        fields: ["Retry-After": "5"],
    )
}

/// What a handler that answers later holds. Let go without an answer, it answers 500.
final class Responder: HTTPResponder {
    private let exchange: Exchange

    init(_ exchange: Exchange) { self.exchange = exchange }

    deinit {
        exchange.refuse(HTTPProblem(500, "internal", "the server gave no answer"))
    }

    func respond(_ response: HTTPResponse) { exchange.respond(response) }

    func stream(status: Int, headers: HTTPHeaders) -> any HTTPStream {
        exchange.stream(status: status, headers: headers)
    }

    func onClose(_ action: @escaping @Sendable () -> Void) { exchange.onClose(action) }
}
