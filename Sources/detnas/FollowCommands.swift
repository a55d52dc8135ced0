// `detnas wait`, `watch`, `events` and `logs`: they stay with jobs until these have ended.

import ArgumentParser
import Client
import Configs
import Foundation

struct WaitForJobs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Waits until jobs have ended.",
        discussion: """
            Exits with 0 when all have succeeded, 1 when one has failed, 2 when one was cancelled, and 3 when the time \
            was over before. What keeps it from knowing has other numbers: 66 for a job that is not there, 69 for a daemon \
            that has not answered for as long as --patience says, and what `detnas help` lists.
            """,
    )

    @Argument(help: "Ids, or how they begin.")
    var jobs: [String]

    @Option(help: "Seconds; for ever unless told.")
    var timeout: Double?

    @OptionGroup var patience: PatienceOptions
    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let end = timeout.map { Date() + $0 }
        var patience = patience.made
        var worst = ExitCode.success
        do {
            // A name that is none is told at once, not after the jobs before it.
            let ids = try jobs.map { job in
                try patience.run(until: end) { try client.id(job, of: .job) }
            }
            for id in ids where ids.count > 1 {
                _ = try patience.run(until: end) { try client.get("/v1/jobs/\(id)") }
            }
            for id in ids {
                let found = try client.ended(id, by: end, &patience)
                let code = ExitCode(ExitStatus.of(state: found["state"]?.string))
                say("\(id) \(found["state"]?.string ?? "")")
                if worst == .success || code == .failure { worst = code }
            }
        } catch is TimeOver {
            throw ExitCode(ExitStatus.timeOver)
        }
        if worst != .success { throw worst }
    }
}

struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells how a job goes until it has ended; exits as wait does."
    )

    @Argument(help: "An id, or how it begins.")
    var job: String

    @OptionGroup var patience: PatienceOptions
    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        var patience = patience.made
        let id = try patience.run { try client.id(job, of: .job) }
        var watching = Watching(client, patience)
        let end = try watching.follow(id)
        if end != .success { throw end }
    }
}

struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a job's events as lines of JSON.",
        discussion: "With --follow it exits as wait does.",
    )

    @Argument(help: "An id, or how it begins.")
    var job: String

    @Flag(name: .shortAndLong, help: "Stay until the job has ended.")
    var follow = false

    @Flag(help: "As it is without.")
    var json = false

    @Option(help: "Such as metric,evaluation.")
    var types: String?

    @Option(help: "Only those after this number.")
    var after: Int?

    @OptionGroup var patience: PatienceOptions
    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        var patience = patience.made
        guard follow else {
            let id = try client.id(job, of: .job)
            let target = client.events(of: id, after: after, types: types, follow: false)
            return try client.lines(target) { line in
                say(line)
                return true
            }
        }
        let id = try patience.run { try client.id(job, of: .job) }
        let end = try client.follow(id, after: after, types: types, &patience) { say($1) }
        try leave(as: end)
    }
}

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the end of what a job's worker printed.",
        discussion: "With --follow it exits as wait does.",
    )

    @Argument(help: "An id, or how it begins.")
    var job: String

    @Flag(name: .shortAndLong, help: "Stay until the job has ended.")
    var follow = false

    @Option(help: "Lines.")
    var tail = 200

    @OptionGroup var patience: PatienceOptions
    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        guard follow else {
            let id = try client.id(job, of: .job)
            return put(try client.text("/v1/jobs/\(id)/logs?tail=\(tail)"))
        }
        var patience = patience.made
        let id = try patience.run { try client.id(job, of: .job) }
        let end = try client.followLog(id, tail: tail, &patience, put)
        try leave(as: end)
    }
}

/// Ends the command as `job` has ended.
private func leave(as job: JSONValue) throws {
    let code = ExitCode(ExitStatus.of(state: job["state"]?.string))
    if code != .success { throw code }
}
