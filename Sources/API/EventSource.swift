// Where events are read: one job's log, or that of all jobs.

internal import Configs
internal import JobStore
internal import Jobs

enum EventSource {
    case job(JobID)
    case all

    /// Nil: all.
    var job: JobID? { if case .job(let id) = self { id } else { nil } }

    /// Those after `number`, oldest first.
    func events(
        in store: JobStore,
        after number: Int,
        types: [String] = [],
        limit: Int,
    ) throws -> [NumberedEvent] {
        switch self {
        case .job(let id):
            try store.events(of: id, after: number, types: types, limit: limit).map {
                NumberedEvent(number: $0.seq, event: $0, isOfAll: false)
            }
        case .all:
            try store.feed(after: number, types: types, limit: limit).map {
                NumberedEvent(number: $0.number, event: $0.event, isOfAll: true)
            }
        }
    }
}

/// An event, and the number by which its source is read on after it.
struct NumberedEvent {
    let number: Int
    let event: JobEvent
    let isOfAll: Bool

    /// Among those of all jobs, with its number there.
    var view: JSONValue {
        isOfAll ? event.view.merged(with: ["number": .int(number)]) : event.view
    }
}
