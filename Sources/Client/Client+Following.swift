// Staying with a job until it has ended, over restarts of the daemon and tries of the job.

package import Configs
package import Foundation

extension Client {
    /// How long one question for the end of a job is left open, seconds.
    private static let poll = 60.0

    /// The job when it has ended.
    ///
    /// - Throws: `TimeOver` at `end`; else as `Patience`.
    package func ended(
        _ job: String,
        by end: Date? = nil,
        _ patience: inout Patience,
    ) throws -> JSONValue {
        while true {
            let left = end?.timeIntervalSinceNow ?? Client.poll
            let wait = String(format: "%.1f", min(max(left, 0), Client.poll))
            let found = try patience.run(until: end) {
                try send(
                    "GET",
                    "/v1/jobs/\(job)?wait=\(wait)s&until=terminal",
                    silence: Int(min(max(left, 0), Client.poll)) + 10,
                )
            }
            if found["terminal"]?.bool == true { return found }
            if left <= 0 { throw TimeOver() }
        }
    }

    /// Calls `take` with each event of a job, each once, until the job has ended and nothing is left to tell.
    ///
    /// A `job.end` is not the end: the job may have been tried again. That it is terminal is.
    ///
    /// - Parameters:
    ///   - after: the number of an event; nil: from the first that is kept.
    ///   - types: such as `metric,evaluation`; nil: all.
    ///   - take: gets the event and its line.
    /// - Returns: the job.
    package func follow(
        _ job: String,
        after: Int? = nil,
        types: String? = nil,
        _ patience: inout Patience,
        _ take: (JSONValue, String) throws -> Void,
    ) throws -> JSONValue {
        var (last, asked) = (after, after)
        // The number of the last event of a job that had ended before a stream began: that stream had it all.
        var settled: Int?
        while true {
            do {
                let before = last
                let target = events(of: job, after: asked, types: types, follow: true)
                func heard() { patience.heard() }
                try lines(target, begun: heard) { line in
                    let event = try value(Data(line.utf8))
                    guard let seq = event["seq"]?.int, seq > last ?? 0 else { return true }
                    (last, asked) = (seq, seq)
                    try take(event, line)
                    return true
                }
                let found = try get("/v1/jobs/\(job)")
                patience.heard()
                let end = found["terminal"]?.bool == true ? found["lastSeq"]?.int : nil
                if let end, last ?? 0 >= end || (last == before && settled == end) { return found }
                settled = end
                // A stream that ends at once, such as a proxy's, is not to be asked for without a pause.
                if last == before { Thread.sleep(forTimeInterval: 0.5) }
            } catch let problem as ServerProblem where problem.body["code"] == "compacted" {
                // Some were dropped, because the job ended long ago. Asked for all, the daemon gives what is left.
                guard asked != nil else { throw problem }
                asked = nil
            } catch {
                try patience.wait(after: error)
            }
        }
    }

    /// Calls `take` with what a job's workers print, attempt by attempt from the present one on, until the job has ended.
    ///
    /// - Parameter tail: with how many lines to begin.
    /// - Returns: the job.
    package func followLog(
        _ job: String,
        tail: Int,
        _ patience: inout Patience,
        _ take: (String) -> Void,
    ) throws -> JSONValue {
        var (attempt, after): (Int?, String?) = (nil, nil)
        while true {
            // Asked first: what was printed before it ended is there then.
            let found = try patience.run { try get("/v1/jobs/\(job)") }
            let newest = max(1, found["attempts"]?.array?.last?["n"]?.int ?? 1)
            let present = attempt ?? newest
            let start: Target = after.map { "after=\($0)" } ?? "tail=\(tail)"
            let target: Target = "/v1/jobs/\(job)/logs?attempt=\(present)&\(start)"
            var (part, end) = (Data(), after)
            try patience.run {
                part = Data()
                try exchange("GET", target, silence: Client.silence) {
                    end = $0.fields["next-after"]
                } take: {
                    part.append($0)
                    return true
                }
            }
            if !part.isEmpty { take(String(decoding: part, as: UTF8.self)) }
            guard let end else {
                throw ClientError(
                    "this daemon's logs cannot be followed: it is too old",
                    .stranger,
                )
            }
            let isAtEnd = end == after
            (attempt, after) = (present, end)
            guard isAtEnd else { continue }
            if present < newest {
                (attempt, after) = (present + 1, "0")
            } else if found["terminal"]?.bool == true {
                return found
            } else {
                Thread.sleep(forTimeInterval: 1)
            }
        }
    }

    /// What gives a job's events.
    package func events(of job: String, after: Int?, types: String?, follow: Bool) -> Target {
        var target: Target = "/v1/jobs/\(job)/events?follow=\(follow)"
        if let after { target += "&after=\(after)" }
        if let types { target += "&types=\(types)" }
        return target
    }
}
