// `detnas submit`, and what it shares with `run` and `architecture retrain`.

import ArgumentParser
import Client
import Configs
import Foundation

/// How a job or a pipeline is sent.
struct SubmitOptions: ParsableArguments {
    @Flag(help: "Only check it, and tell what it would take.")
    var dryRun = false

    @Flag(help: "Stay until it has ended, tell how it goes, and exit as wait does.")
    var follow = false

    @Option(help: "A name for this request: sent twice, it is taken once.")
    var key: String?

    @OptionGroup var patience: PatienceOptions
    @OptionGroup var options: ServerOptions

    /// - Parameter target: where jobs or pipelines are made.
    func submit(_ request: JSONValue, to target: Target) throws {
        let client = try options.client
        if dryRun {
            let fields = key.map { ["Idempotency-Key": $0] } ?? [:]
            return try show(client.send("POST", "\(target)?dryRun=true", request, fields))
        }
        // Under a name it can be sent again where the answer was lost.
        let fields = ["Idempotency-Key": key ?? UUID().uuidString]
        var patience = patience.made
        if !follow { patience.seconds = 0 }
        let made = try patience.run { try client.send("POST", target, request, fields) }
        say(made["id"]?.string ?? "")
        let jobs = made["jobs"]?.array
        for job in jobs ?? [] {
            say("  \(job["id"]?.string ?? "")  \(job["step"]?.string ?? "")")
        }
        guard follow else { return }
        var watching = Watching(client, patience)
        for job in jobs ?? [made] {
            let end = try watching.follow(job["id"]?.string ?? "")
            if end != .success { throw end }
        }
    }
}

struct Submit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Submits a job, or a pipeline: a file that has steps or names a template."
    )

    @Argument(help: "JSON or YAML; - for JSON from the standard input.", completion: .file())
    var file: String?

    @Option(
        name: [.customShort("f"), .customLong("file")],
        help: "The same.",
        completion: .file(),
    )
    var option: String?

    @OptionGroup var options: SubmitOptions

    func validate() throws {
        guard (file == nil) != (option == nil) else {
            throw ValidationError("name one file")
        }
    }

    func run() throws {
        let request = try JobFile.read(file ?? option ?? "-")
        let isPipeline = request["steps"] != nil || request["template"] != nil
        try options.submit(request, to: isPipeline ? "/v1/pipelines" : "/v1/jobs")
    }
}
