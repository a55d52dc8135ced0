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
    /// Reads parts of files into memory that a connection waits for.
    let files = DispatchQueue(label: "http.files")
    let log = DispatchQueue(label: "http.log")
}

final class Exchange: Sendable {
    private enum State {
        case waiting(onClose: (@Sendable () -> Void)?)
        case answered
        case gone
    }

    let connection: UInt64
    let asked: Asked
    private let service: Service
    private let state = Mutex(State.waiting(onClose: nil))

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
                service.mailbox.post(.deferred(self))
                begin(Responder(self))
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
        let isGone = state.withLock { state in
            switch state {
            case .waiting: state = .waiting(onClose: action)
            case .answered: break
            case .gone: return true
            }
            return false
        }
        if isGone { action() }
    }

    /// The client left before it was answered.
    func clientLeft() {
        let action = state.withLock { state in
            guard case .waiting(let action) = state else { return (@Sendable () -> Void)?.none }
            state = .gone
            return action
        }
        if let action { service.handlers.run(action) }
    }

    /// The server stops. An answer that waits for something (it says so by `onClose`) is asked for now;
    /// work that merely takes its time goes on.
    func drain() {
        let action = state.withLock { state in
            guard case .waiting(let action) = state else { return (@Sendable () -> Void)?.none }
            state = .waiting(onClose: nil)
            return action
        }
        guard let action else { return }
        service.handlers.run { [self] in
            action()
            refuse(.draining)
        }
    }

    /// True once: for the one that may answer.
    private func claim() -> Bool {
        state.withLock { state in
            guard case .waiting = state else { return false }
            state = .answered
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
