// Where handlers run: a few serial queues that share one line of waiting requests.
//
// Serial on purpose. On Linux the default concurrent queues and Swift's own executor share one pool with
// as many threads as cores, and it adds none while they compute: two busy blocks there would keep every
// handler waiting for ever. A serial queue gets a thread of its own.

internal import Dispatch
internal import Synchronization

final class HandlerPool: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var idle: [Int]
    }

    private let queues: [DispatchQueue]
    private let state: Mutex<State>

    init(queues count: Int) {
        queues = (0..<max(1, count)).map { DispatchQueue(label: "http.handlers.\($0)") }
        state = Mutex(State(idle: Array(queues.indices)))
    }

    /// Runs `work` on the first queue that is free. As each connection has at most one request being
    /// handled, the limit on connections also bounds the line.
    func run(_ work: @escaping @Sendable () -> Void) {
        let free: Int? = state.withLock { state in
            if let free = state.idle.popLast() { return free }
            state.waiting.append(work)
            return nil
        }
        guard let free else { return }
        queues[free].async { [self] in
            work()
            while let next = takeNext(on: free) { next() }
        }
    }

    private func takeNext(on queue: Int) -> (@Sendable () -> Void)? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.idle.append(queue)
                return nil
            }
            return state.waiting.removeFirst()
        }
    }
}
