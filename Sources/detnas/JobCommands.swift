// `detnas submit`, `ls`, `show`, `wait`, `watch`, `events`, `logs`, `pause`, `resume`, `retry`, `cancel`, `rm`: thin
// over the API of a running daemon.

import ArgumentParser
import Client
import Configs
import Foundation

/// Which daemon is meant.
struct ServerOptions: ParsableArguments {
    @Option(
        help: """
            Where the daemon listens: http://HOST:PORT or unix:PATH (default: the variable DETNAS_SERVER, else \
            http://127.0.0.1:8080).
            """
    )
    var server: String?

    var client: Client {
        get throws {
            let environment = ProcessInfo.processInfo.environment
            let given = server ?? environment["DETNAS_SERVER"]
            // Never an argument: those are seen by everybody on the machine.
            let token = environment["DETNAS_TOKEN"]
            guard token?.contains(where: \.isNewline) != true else {
                throw ValidationError("DETNAS_TOKEN has a line break in it")
            }
            return Client(try ServerAddress(given ?? "http://127.0.0.1:8080"), token: token)
        }
    }
}

/// How a job or a pipeline is sent.
struct SubmitOptions: ParsableArguments {
    @Flag(help: "Only check it, and tell what it would take.")
    var dryRun = false

    @Flag(help: "Stay until it has ended, and tell how it goes.")
    var follow = false

    @Option(help: "A name for this request: sent twice, it is taken once.")
    var key: String?

    @OptionGroup var options: ServerOptions

    func submit(_ request: JSONValue, isPipeline: Bool) throws {
        let client = try options.client
        let target = isPipeline ? "/v1/pipelines" : "/v1/jobs"
        let fields = key.map { ["Idempotency-Key": $0] } ?? [:]
        if dryRun {
            return try show(client.send("POST", target + "?dryRun=true", request, fields))
        }
        let made = try client.send("POST", target, request, fields)
        let jobs = isPipeline ? made["jobs"]?.array ?? [] : [made]
        print(made["id"]?.string ?? "")
        for job in isPipeline ? jobs : [] {
            print("  \(job["id"]?.string ?? "")  \(job["step"]?.string ?? "")")
        }
        guard follow else { return }
        for job in jobs {
            let end = try Watching(client).follow(job["id"]?.string ?? "")
            if end != .success { throw end }
        }
    }
}

struct Submit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Submits a job, or a pipeline: a file that has steps or names a template."
    )

    @Argument(help: "JSON or YAML; - for JSON from the standard input.")
    var file: String

    @OptionGroup var options: SubmitOptions

    func run() throws {
        let request = try read()
        let isPipeline = request["steps"] != nil || request["template"] != nil
        try options.submit(request, isPipeline: isPipeline)
    }

    private func read() throws -> JSONValue {
        guard file != "-" else {
            return try JSONValue(parsing: FileHandle.standardInput.readDataToEndOfFile())
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ValidationError("cannot read \(file)")
        }
        return ["yaml", "yml"].contains(URL(filePath: file).pathExtension)
            ? try JSONValue(parsingYAML: data) : try JSONValue(parsing: data)
    }
}

struct ListJobs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "Lists jobs, newest first.",
    )

    @Option(help: "Such as running,queued.")
    var state: String?

    @Option(help: "Such as search.evolution.")
    var kind: String?

    @Option(help: "How many at most, 1 to 500.")
    var limit = 50

    @Flag(help: "Print the daemon's JSON.")
    var json = false

    @OptionGroup var options: ServerOptions

    func run() throws {
        var query = "limit=\(limit)"
        if let state { query += "&state=\(state)" }
        if let kind { query += "&kind=\(kind)" }
        let found = try options.client.get("/v1/jobs?\(query)")
        if json { return try show(found) }
        for job in found["data"]?.array ?? [] {
            let progress = job["progress"]?["fraction"]?.double.map { "\(Int($0 * 100)) %" } ?? ""
            print(
                [
                    job["id"]?.string ?? "", pad(job["state"]?.string ?? "", 9), pad(progress, 5),
                    pad(job["kind"]?.string ?? "", 18), job["name"]?.string ?? "",
                ].joined(separator: "  ")
            )
        }
    }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

struct ShowJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Prints all that the daemon knows of a job.",
    )

    @Argument var job: String
    @OptionGroup var options: ServerOptions

    func run() throws { try show(options.client.get("/v1/jobs/\(job)")) }
}

struct WaitForJobs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Waits until jobs have ended.",
        discussion: """
            Exits with 0 when all have succeeded, 1 when one has failed, 2 when one was cancelled, and 3 when the time \
            was over before.
            """,
    )

    @Argument var jobs: [String]

    @Option(help: "Seconds; for ever unless told.")
    var timeout: Double?

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let end = timeout.map { Date() + $0 }
        var worst = ExitCode.success
        for job in jobs {
            while true {
                let left = end.map { $0.timeIntervalSinceNow } ?? 60
                let wait = String(format: "%.1f", min(max(left, 0), 60))
                let found = try client.get("/v1/jobs/\(job)?wait=\(wait)s&until=terminal")
                if found["terminal"]?.bool == true {
                    let code = Watching.exitCode(found["state"]?.string)
                    print("\(job) \(found["state"]?.string ?? "")")
                    if worst == .success || code == .failure { worst = code }
                    break
                }
                if left <= 0 { throw ExitCode(3) }
            }
        }
        if worst != .success { throw worst }
    }
}

struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells how a job goes until it has ended; exits as wait does."
    )

    @Argument var job: String
    @OptionGroup var options: ServerOptions

    func run() throws {
        let end = try Watching(options.client).follow(job)
        if end != .success { throw end }
    }
}

struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a job's events as lines of JSON."
    )

    @Argument var job: String

    @Flag(name: .shortAndLong, help: "Stay until the job has ended.")
    var follow = false

    @Option(help: "Such as metric,evaluation.")
    var types: String?

    @Option(help: "Only those after this number.")
    var after = 0

    @OptionGroup var options: ServerOptions

    func run() throws {
        var query = "after=\(after)&follow=\(follow)"
        if let types { query += "&types=\(types)" }
        try options.client.lines("/v1/jobs/\(job)/events?\(query)") { line in
            say(line)
            return true
        }
    }
}

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the end of what a job's worker printed."
    )

    @Argument var job: String

    @Option(help: "Lines.")
    var tail = 200

    @OptionGroup var options: ServerOptions

    func run() throws {
        print(try options.client.text("/v1/jobs/\(job)/logs?tail=\(tail)"), terminator: "")
    }
}

/// A verb of the API on one or more jobs.
protocol Verb: ParsableCommand {
    var jobs: [String] { get }
    var options: ServerOptions { get }
    var method: String { get }
    /// After the job's place.
    var path: String { get }
    var content: JSONValue? { get }
}

extension Verb {
    var method: String { "POST" }
    var content: JSONValue? { nil }

    func run() throws {
        for job in jobs {
            let after = try options.client.send(method, "/v1/jobs/\(job)\(path)", content)
            print("\(job) \(after["state"]?.string ?? "deleted")")
        }
    }
}

struct Pause: Verb {
    static let configuration = CommandConfiguration(
        abstract: "Gives jobs' cores back after a checkpoint."
    )

    @Argument var jobs: [String]
    @OptionGroup var options: ServerOptions
    var path: String { "/pause" }
}

struct Resume: Verb {
    static let configuration = CommandConfiguration(abstract: "Lets paused jobs go on.")

    @Argument var jobs: [String]
    @OptionGroup var options: ServerOptions
    var path: String { "/resume" }
}

struct Retry: Verb {
    static let configuration = CommandConfiguration(
        abstract: "Tries failed or cancelled jobs again."
    )

    @Argument var jobs: [String]

    @Option(help: "latest, start, or the id of a checkpoint of the job.")
    var from = "latest"

    @OptionGroup var options: ServerOptions
    var path: String { "/retry" }
    var content: JSONValue? { ["from": .string(from)] }
}

struct Cancel: Verb {
    static let configuration = CommandConfiguration(
        abstract: "Ends jobs; their checkpoints and results are kept."
    )

    @Argument var jobs: [String]

    @Flag(help: "Do not wait for a checkpoint.")
    var now = false

    @OptionGroup var options: ServerOptions
    var path: String { "/cancel" }
    var content: JSONValue? { ["mode": now ? "now" : "graceful"] }
}

struct Remove: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Forgets ended jobs and removes their files.",
    )

    @Argument var jobs: [String]

    @Flag(help: "Leave checkpoints and files.")
    var keep = false

    @OptionGroup var options: ServerOptions
    var method: String { "DELETE" }
    var path: String { keep ? "?artifacts=keep" : "" }
}
