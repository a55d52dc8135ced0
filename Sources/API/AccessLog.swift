// One line of the log for each answered request.

internal import Configs
package import HTTP
internal import Jobs
package import Scheduling

extension ServiceLog {
    /// Whoever asks every second whether the server lives would fill the log.
    private static let quiet: Set = ["/healthz"]

    /// Names the path alone: what a client writes behind `?` may be anything, also a secret in the wrong place.
    package func access(_ entry: HTTPServer.AccessEntry) {
        guard !ServiceLog.quiet.contains(entry.route ?? "") else { return }
        let path = entry.target.utf8.prefix { $0 != UInt8(ascii: "?") }
        line(
            .info,
            "request",
            [
                ("request", .string(entry.requestID)), ("peer", .string(entry.peer)),
                ("method", .string(entry.method)),
                ("path", .string(String(Substring(path)))),
                ("route", .optional(entry.route)), ("status", .optional(entry.status)),
                ("bytes", .int(entry.bytesSent)), ("seconds", .double(entry.seconds)),
                ("complete", .bool(entry.isComplete)),
            ],
        )
    }
}

extension Service {
    /// Logs and counts an answered request.
    package func answered(_ entry: HTTPServer.AccessEntry) {
        log.access(entry)
        store.tally.request(
            entry.route,
            entry.method,
            entry.status,
            seconds: entry.seconds,
        )
    }
}
