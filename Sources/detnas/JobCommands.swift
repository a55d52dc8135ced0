// `detnas ls`, `show`, `pause`, `resume`, `retry`, `cancel`, `rm`: thin over the API of a running daemon.

import ArgumentParser
import Client
import Configs
import Foundation

struct ListJobs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "Lists jobs, newest first.",
    )

    enum Form: String, CaseIterable, ExpressibleByArgument { case table, json }

    @Option(help: "Such as running,queued.")
    var state: String?

    @Option(help: "Such as search.evolution.")
    var kind: String?

    @Option(help: "NAME=VALUE, which a job must have; may be given more than once.")
    var label: [String] = []

    @Option(help: "How many at most.")
    var limit = 50

    @Flag(help: "All of them.")
    var all = false

    @Option(name: .shortAndLong, help: "table or json: as the daemon tells them.")
    var output = Form.table

    @Flag(help: "The same as -o json.")
    var json = false

    @OptionGroup var options: ServerOptions

    func validate() throws {
        guard limit >= 1 else { throw ValidationError("--limit is \(limit); allowed: 1 or more") }
        for label in label where label.firstIndex(of: "=") ?? label.startIndex == label.startIndex {
            throw ValidationError("--label \(label); allowed: NAME=VALUE")
        }
    }

    func run() throws {
        let most = all ? Int.max : limit
        var found: [JSONValue] = []
        var isMore = false
        try options.client.pages(target(most)) { job in
            isMore = found.count == most
            if !isMore { found.append(job) }
            return !isMore
        }
        if json || output == .json { return try show(["data": .array(found)]) }
        let now = Date()
        if Terminal.isThere { say(JobTable.header) }
        for job in found { say(JobTable.line(job, now: now)) }
        if isMore { complain("there are more: --limit NUMBER, or --all") }
    }

    private func target(_ most: Int) -> Target {
        // One more tells whether there are more.
        var target: Target = "/v1/jobs?limit=\(min(most, 499) + 1)"
        if let state { target += "&state=\(state)" }
        if let kind { target += "&kind=\(kind)" }
        for label in label {
            let parts = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            target += "&label.\(parts[0])=\(parts[1])"
        }
        return target
    }
}

struct ShowJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Prints all that the daemon knows of a job.",
    )

    @Argument(help: "An id, or how it begins.")
    var job: String

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        try show(client.get("/v1/jobs/\(client.id(job, of: .job))"))
    }
}

/// A verb of the API on one or more jobs.
protocol Verb: ParsableCommand {
    var jobs: [String] { get }
    var options: ServerOptions { get }
    var method: String { get }
    /// After the job's place.
    var path: Target { get }
    func content(_ client: Client) throws -> JSONValue?
}

extension Verb {
    var method: String { "POST" }
    func content(_ client: Client) throws -> JSONValue? { nil }

    func run() throws {
        let client = try options.client
        // All of them are there, before anything is done to the first.
        let ids = try jobs.map { try client.id($0, of: .job) }
        for id in ids {
            let after = try client.send(method, "/v1/jobs/\(id)\(path)", content(client))
            say("\(id) \(after["state"]?.string ?? "deleted")")
        }
    }
}

struct Pause: Verb {
    static let configuration = CommandConfiguration(
        abstract: "Gives jobs' cores back after a checkpoint."
    )

    @Argument(help: "Ids, or how they begin.")
    var jobs: [String]
    @OptionGroup var options: ServerOptions
    var path: Target { "/pause" }
}

struct Resume: Verb {
    static let configuration = CommandConfiguration(abstract: "Lets paused jobs go on.")

    @Argument(help: "Ids, or how they begin.")
    var jobs: [String]
    @OptionGroup var options: ServerOptions
    var path: Target { "/resume" }
}

struct Retry: Verb {
    static let configuration = CommandConfiguration(
        abstract: "Tries failed or cancelled jobs again."
    )

    @Argument(help: "Ids, or how they begin.")
    var jobs: [String]

    @Option(help: "latest, start, or the id of a checkpoint of the job.")
    var from = "latest"

    @OptionGroup var options: ServerOptions
    var path: Target { "/retry" }

    func content(_ client: Client) throws -> JSONValue? {
        let isCheckpoint = !["latest", "start"].contains(from)
        return ["from": .string(isCheckpoint ? try client.id(from, of: .checkpoint) : from)]
    }
}

struct Cancel: Verb {
    static let configuration = CommandConfiguration(
        abstract: "Ends jobs; their checkpoints and results are kept."
    )

    @Argument(help: "Ids, or how they begin.")
    var jobs: [String]

    @Flag(help: "Do not wait for a checkpoint.")
    var now = false

    @OptionGroup var options: ServerOptions
    var path: Target { "/cancel" }

    func content(_ client: Client) throws -> JSONValue? { ["mode": now ? "now" : "graceful"] }
}

struct Remove: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Forgets ended jobs and removes their files.",
    )

    @Argument(help: "Ids, or how they begin.")
    var jobs: [String]

    @Flag(help: "Leave checkpoints and files.")
    var keep = false

    @OptionGroup var options: ServerOptions
    var method: String { "DELETE" }
    var path: Target { keep ? "?artifacts=keep" : "" }
}
