// One long poll: answers when there is news of a job, or of any, or when its time is over.

internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

/// `@unchecked Sendable`: `lock` guards `responder` and `watch`. It is recursive, since a responder whose client has
/// left calls back at once.
final class Waiter: @unchecked Sendable {
    private let lock = NSRecursiveLock()
    private var responder: (any HTTPResponder)?
    private var watch: JobChanges.Watch?
    private let job: JobID?
    private let store: JobStore
    private let queue: DispatchQueue
    private let seconds: Double
    private let failed: @Sendable (any Error) -> HTTPResponse
    private let look: @Sendable (_ isLast: Bool) throws -> HTTPResponse?

    /// - Parameters:
    ///   - job: nil: any.
    ///   - look: the answer, or nil to go on waiting; with `isLast` there must be one.
    init(
        _ responder: any HTTPResponder,
        job: JobID?,
        store: JobStore,
        queue: DispatchQueue,
        seconds: Double,
        failed: @escaping @Sendable (any Error) -> HTTPResponse,
        look: @escaping @Sendable (_ isLast: Bool) throws -> HTTPResponse?,
    ) {
        self.responder = responder
        self.job = job
        self.store = store
        self.queue = queue
        self.seconds = seconds
        self.failed = failed
        self.look = look
    }

    func start() {
        // The watch comes before the first look: no change falls between them.
        let watch = store.changes.watch(job) { [weak self] in
            guard let self else { return }
            self.queue.async { self.tryToAnswer(isLast: false) }
        }
        lock.withLock { self.watch = watch }
        // When the server drains the answer must be given within the call.
        lock.withLock { responder }?.onClose { self.tryToAnswer(isLast: true) }
        // Keeps this object until its time is over.
        queue.asyncAfter(deadline: .now() + seconds) { self.tryToAnswer(isLast: true) }
        queue.async { self.tryToAnswer(isLast: false) }
    }

    private func tryToAnswer(isLast: Bool) {
        lock.withLock {
            guard let responder else { return }
            let response: HTTPResponse?
            do { response = try look(isLast) } catch { response = failed(error) }
            guard let response else { return }
            self.responder = nil
            watch = nil
            responder.respond(response)
        }
    }
}
