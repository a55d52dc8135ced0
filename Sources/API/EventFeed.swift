// One subscriber of the events of a job, or of all: reads the stored log page by page and writes it as fast as the client takes it.

internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling

/// Nothing is queued for a slow client: the next page is read when the last has been sent, from the store, which has
/// everything. The feed of a job ends with the last event of a job that is over: a retried job has a `job.end` of each
/// attempt in its log. They are sent whatever types were asked for.
///
/// `@unchecked Sendable`: what changes is used on `queue` alone.
final class EventFeed: @unchecked Sendable {
    enum Format {
        case sse, ndjson

        /// What `Accept` likes best; of what it likes as well, what it names first.
        /// - Returns: nil for a JSON page, also where any type is accepted.
        init?(accept: String?) {
            var (best, quality): (Self?, Double) = (nil, 0)
            for member in (accept ?? "").lowercased().split(separator: ",") {
                let parts = member.split(separator: ";").map {
                    $0.trimmingCharacters(in: .whitespaces)
                }
                let weight = parts.dropFirst().first { $0.hasPrefix("q=") }
                let liking = weight.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
                guard liking > quality else { continue }
                switch parts.first {
                case "text/event-stream": (best, quality) = (.sse, liking)
                case "application/x-ndjson": (best, quality) = (.ndjson, liking)
                case "application/json": (best, quality) = (nil, liking)
                default: continue
                }
            }
            guard let best else { return nil }
            self = best
        }

        var contentType: String {
            switch self {
            case .sse: "text/event-stream"
            case .ndjson: "application/x-ndjson"
            }
        }

        func text(_ event: NumberedEvent) -> String {
            let line = event.view.canonical
            return switch self {
            case .sse: "id: \(event.number)\nevent: \(oneLine(event.event.type))\ndata: \(line)\n\n"
            case .ndjson: line + "\n"
            }
        }

        private func oneLine(_ text: String) -> String {
            text.split(whereSeparator: \.isNewline).joined(separator: " ")
        }

        /// Says that the stream lives; readers pass over it.
        var heartbeat: String {
            switch self {
            case .sse: ": \n\n"
            case .ndjson: "\n"
            }
        }
    }

    private static let pageSize = 200

    private let stream: any HTTPStream
    private let source: EventSource
    private let store: JobStore
    private let queue: DispatchQueue
    private let format: Format
    private let types: Set<String>
    private let follows: Bool
    private let heartbeat: Double
    private let log: ServiceLog

    private var after: Int
    /// How many events may still be sent.
    private var rest: Int
    private var watch: JobChanges.Watch?
    private var isSending = false
    private var isOver = false
    private var wrote = Date()

    init(
        _ stream: any HTTPStream,
        of source: EventSource,
        store: JobStore,
        queue: DispatchQueue,
        format: Format,
        after: Int,
        types: Set<String>,
        limit: Int?,
        follows: Bool,
        heartbeat: Double,
        log: ServiceLog,
    ) {
        self.stream = stream
        self.source = source
        self.store = store
        self.queue = queue
        self.format = format
        self.after = after
        self.types = types
        rest = limit ?? Int.max
        self.follows = follows
        self.heartbeat = heartbeat
        self.log = log
    }

    func start() {
        queue.async { [self] in
            stream.onClose { [self] in queue.async { self.finish() } }
            beat()
            // What is there is written at once, so that a server that drains right after still sends it.
            pump(first: format == .sse ? "retry: 2000\n\n" : "")
            guard !isOver else { return }
            // The watch holds this object; `finish` ends both.
            watch = store.changes.watch(source.job) { [self] in queue.async { self.pump() } }
            // What came in between.
            pump()
        }
    }

    /// Writes the next page, after `first`.
    private func pump(first: String = "") {
        guard !isOver, !isSending else { return }
        do {
            // Asked first: what is stored after this answer wakes the feed again.
            let hasJobEnded = try source.job.map { try store.job($0)?.state.isTerminal ?? true }
            let events = try source.events(in: store, after: after, limit: EventFeed.pageSize)
            var text = first
            for event in events where rest > 0 {
                after = event.number
                let isEnd = source.job != nil && event.event.type == EventType.end
                guard types.isEmpty || types.contains(event.event.type) || isEnd else { continue }
                text += format.text(event)
                rest -= 1
            }
            if !text.isEmpty { send(text) }
            let isWhole = events.count < EventFeed.pageSize
            if rest == 0 || (isWhole && (!follows || hasJobEnded == true)) {
                stream.end()
                finish()
            } else if !isWhole, text.isEmpty {
                queue.async { self.pump() }
            }
        } catch {
            store.note(error)
            log(.error, "cannot read events", ["of": "\(source)", "error": "\(error)"])
            stream.end()
            finish()
        }
    }

    private func send(_ text: String) {
        isSending = true
        wrote = Date()
        guard stream.write(Data(text.utf8)) else { return finish() }
        stream.whenSent { [self] in
            queue.async {
                self.isSending = false
                self.pump()
            }
        }
    }

    private func beat() {
        queue.asyncAfter(deadline: .now() + heartbeat) { [weak self] in
            guard let self, !self.isOver else { return }
            if !self.isSending, Date().timeIntervalSince(self.wrote) >= self.heartbeat * 0.9 {
                self.send(self.format.heartbeat)
            }
            self.beat()
        }
    }

    private func finish() {
        isOver = true
        watch = nil
    }
}
