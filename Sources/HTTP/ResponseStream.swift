// A response that is written bit by bit by any thread, and sent by the I/O thread as fast as its client
// takes it. What waits for a slow client is bounded: past the limit the connection is closed, and the
// client resumes with another request.

internal import Foundation
internal import Synchronization

final class ResponseStream: HTTPStream {
    /// What came of sending.
    enum Progress {
        case idle
        case wouldBlock
        case ended
        case failed
    }

    private enum Life {
        case open
        case ending  // the last chunk is queued, nothing more is taken
        case gone
    }

    private struct State {
        var life = Life.open
        var queued: [UInt8] = []
        var sent = 0  // bytes of `queued` that are through
        var isDrained = false  // the server stops
        var isAnnounced = false  // the I/O thread knows that there is something to send
        var onClose: [@Sendable () -> Void] = []
        var whenSent: [@Sendable () -> Void] = []

        var backlog: Int { queued.count - sent }
    }

    let connection: UInt64
    private let isChunked: Bool
    private let service: Service
    private let state = Mutex(State())

    init(connection: UInt64, isChunked: Bool, service: Service) {
        self.connection = connection
        self.isChunked = isChunked
        self.service = service
    }

    var isOpen: Bool { state.withLock { $0.life == .open } }

    /// A single piece larger than the limit is taken while nothing else is queued, or its client could
    /// never get past it.
    @discardableResult
    func write(_ bytes: Data) -> Bool {
        enum Outcome {
            case refused
            case queued(announces: Bool)
            case overflowed
        }
        let limit = service.configuration.limits.streamBacklog
        let outcome: Outcome = state.withLock { state in
            guard state.life == .open else { return .refused }
            // An empty chunk would end the response.
            guard !bytes.isEmpty else { return .queued(announces: false) }
            guard state.backlog == 0 || state.backlog + bytes.count <= limit else {
                return .overflowed
            }
            if isChunked { state.queued += "\(String(bytes.count, radix: 16))\r\n".utf8 }
            state.queued += bytes
            if isChunked { state.queued += "\r\n".utf8 }
            defer { state.isAnnounced = true }
            return .queued(announces: !state.isAnnounced)
        }
        switch outcome {
        case .refused: return false
        case .queued(let announces):
            if announces { service.mailbox.post(.streamMoved(self)) }
            return true
        case .overflowed:
            abort()
            return false
        }
    }

    func abort() {
        clientLeft()
        service.mailbox.post(.streamOverflowed(self))
    }

    func end() {
        let isFirst = state.withLock { state in
            guard state.life == .open else { return false }
            state.life = .ending
            state.onClose = []
            if isChunked { state.queued += "0\r\n\r\n".utf8 }
            return true
        }
        if isFirst { service.mailbox.post(.streamMoved(self)) }
    }

    func onClose(_ action: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            if state.life == .gone || state.isDrained { return true }
            if state.life == .open { state.onClose.append(action) }
            return false
        }
        if isLate { action() }
    }

    func whenSent(_ action: @escaping @Sendable () -> Void) {
        let isNow = state.withLock { state in
            guard state.life == .open, state.backlog > 0 else { return state.life == .open }
            state.whenSent.append(action)
            return false
        }
        if isNow { service.handlers.run(action) }
    }

    /// Nobody listens any more, or not fast enough.
    func clientLeft() {
        let actions = state.withLock { state in
            guard state.life != .gone else { return [@Sendable () -> Void]() }
            state.life = .gone
            state.queued = []
            state.sent = 0
            state.whenSent = []
            defer { state.onClose = [] }
            return state.onClose
        }
        for action in actions { service.handlers.run(action) }
    }

    /// The server stops: those who asked are told, then the response ends as it should.
    func drain() {
        let actions = state.withLock { state in
            state.isDrained = true
            defer { state.onClose = [] }
            return state.onClose
        }
        service.handlers.run { [self] in
            for action in actions { action() }
            end()
        }
    }

    /// Sends what is queued; called by the I/O thread alone.
    ///
    /// - Returns: why it stopped, and how many bytes it sent.
    func send(through transport: Transport) -> (Progress, moved: Int) {
        var moved = 0
        let (progress, actions) = state.withLock { state in
            while state.backlog > 0 {
                let transfer = state.queued.withUnsafeBytes {
                    transport.send(
                        UnsafeRawBufferPointer(rebasing: $0[state.sent...]),
                        more: false,
                    )
                }
                switch transfer {
                case .moved(let count):
                    state.sent += count
                    moved += count
                case .wouldBlock:
                    // Drop what is through, or a stream that is never quite empty grows for ever.
                    if state.sent > 65_536 {
                        state.queued.removeFirst(state.sent)
                        state.sent = 0
                    }
                    return (Progress.wouldBlock, [@Sendable () -> Void]())
                case .ended, .failed: return (Progress.failed, [])
                }
            }
            state.queued.removeAll(keepingCapacity: state.queued.count <= 4096)
            state.sent = 0
            state.isAnnounced = false
            defer { state.whenSent = [] }
            return (state.life == .ending ? .ended : .idle, state.whenSent)
        }
        for action in actions { service.handlers.run(action) }
        return (progress, moved)
    }
}
