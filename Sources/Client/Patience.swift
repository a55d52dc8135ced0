// What a command that follows a job does while its daemon does not answer: it asks again, ever more seldom.

package import Foundation

/// The time that was given was over before what was waited for.
package struct TimeOver: Error {}

/// Asks again while a daemon is restarted, or the way to it is broken.
package struct Patience: Sendable {
    /// How long a daemon that does not answer is asked again, seconds.
    package var seconds = 300.0
    /// Between two tries, seconds: doubled each time, up to the second.
    var pauses = (first: 0.25, longest: 10.0)
    /// Gets a line once in each time without an answer.
    package var tell: @Sendable (String) -> Void = { _ in }

    private var since: Date?
    private var pause = 0.0

    package init() {}

    /// The daemon answers.
    package mutating func heard() { since = nil }

    /// Waits before the next try.
    ///
    /// - Throws: `error` where trying again is of no use, and, as unreachable, after `seconds`; `TimeOver` at `end`.
    package mutating func wait(after error: any Error, until end: Date? = nil) throws {
        guard isPassing(error) else { throw error }
        let start = since ?? Date()
        if since == nil {
            since = start
            pause = pauses.first
            if seconds > 0 { tell("\(error)\ntrying again for \(Span.text(seconds))") }
        }
        guard -start.timeIntervalSinceNow + pause <= seconds else {
            throw seconds > 0
                ? ClientError("\(error)\ngave up after \(Span.text(seconds))", .unreachable) : error
        }
        let rest = end?.timeIntervalSinceNow ?? .infinity
        Thread.sleep(forTimeInterval: max(0, min(pause, rest)))
        if rest <= pause { throw TimeOver() }
        pause = min(2 * pause, pauses.longest)
    }

    /// The result of `body`, tried again while the daemon does not answer.
    package mutating func run<Result>(
        until end: Date? = nil,
        _ body: () throws -> Result,
    ) throws -> Result {
        while true {
            do {
                let result = try body()
                heard()
                return result
            } catch {
                try wait(after: error, until: end)
            }
        }
    }
}
