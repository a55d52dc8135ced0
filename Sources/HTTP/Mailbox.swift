// How other threads speak to the thread that does the I/O: they leave an order and wake it once for a batch.

internal import CHTTP
internal import Glibc
internal import Synchronization

/// What the I/O thread is asked to do.
enum Order: Sendable {
    case reply(Exchange, Reply)
    /// The handler returned and answers later: from now on a client that leaves is given up at once.
    case deferred(Exchange)
    case stream(Exchange, Reply, ResponseStream)
    /// A stream has new bytes, or has ended.
    case streamMoved(ResponseStream)
    case streamOverflowed(ResponseStream)
    /// The part of a file that a connection waited for is in memory.
    case fileIsWarm(connection: UInt64)
    /// A piece of a body is in its file; after the last one, here it is whole.
    case stored(connection: UInt64, Result<HTTPUpload?, HTTPUploadError>)
    /// Whether a body may come; a reply refuses it.
    case admitted(connection: UInt64, refusal: Reply?)
    /// Finish what runs, until the time (monotonic, in nanoseconds) at the latest.
    case drain(until: UInt64)
}

final class Mailbox: Sendable {
    private struct State {
        var orders: [Order] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    /// Readable while orders wait.
    let wakeup: Int32

    init() throws(HTTPServerError) {
        wakeup = chttp_wakeup()
        guard wakeup >= 0 else {
            throw .cannotListen(at: "all", reason: String(cString: strerror(-wakeup)))
        }
    }

    deinit { close(wakeup) }

    func post(_ order: Order) {
        let wakes = state.withLock { state in
            guard !state.isClosed else { return false }
            state.orders.append(order)
            return state.orders.count == 1
        }
        if wakes { _ = chttp_wake(wakeup) }
    }

    func take() -> [Order] {
        _ = chttp_calm(wakeup)
        return state.withLock { state in
            defer { state.orders = [] }
            return state.orders
        }
    }

    /// Drops what waits and whatever comes from now on.
    func close() {
        state.withLock { state in
            state.orders = []
            state.isClosed = true
        }
    }

    private func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
}

/// Nanoseconds of a clock that never goes back.
func monotonicNow() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
