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
    let log = DispatchQueue(label: "http.log")
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
