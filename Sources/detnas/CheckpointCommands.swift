// `detnas checkpoint list`, `verify` and `rm`: the checkpoints that a running daemon keeps.

import ArgumentParser
import Client
import Configs
import Foundation

struct CheckpointList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists checkpoints, newest first.",
        aliases: ["ls"],
    )

    @Option(help: "Only those of this job.")
    var job: String?

    @Option(help: "supernet, detector-supernet, subnet or detector.")
    var kind: String?

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        var list: Target = "/v1/checkpoints?limit=500"
        if let job { list += "&job=\(try client.id(job, of: .job))" }
        if let kind { list += "&kind=\(kind)" }
        try client.pages(list) { found in
            let megabytes = (found["bytes"]?.double ?? 0) / 1e6
            print(
                "\(found["id"]?.string ?? "")"
                    + String(format: "  step %8d  %8.1f MB  ", found["step"]?.int ?? 0, megabytes)
                    + "\(found["kind"]?.string ?? "")  \(found["name"]?.string ?? "")"
            )
            return true
        }
    }
}

struct CheckpointVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Has the daemon read checkpoints again and compare their digests.",
        discussion: "Exits with 1 when one is not what was written.",
    )

    @Argument(help: "Ids, or how they begin.")
    var ids: [String]

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        var isWhole = true
        for id in try ids.map({ try client.id($0, of: .checkpoint) }) {
            let found = try client.send("POST", "/v1/checkpoints/\(id)/verify")
            let matches = found["matches"]?.bool == true
            isWhole = isWhole && matches
            print("\(id)  \(matches ? "whole" : "DAMAGED")")
        }
        if !isWhole { throw ExitCode.failure }
    }
}

struct CheckpointRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Removes checkpoints that no unfinished job needs.",
    )

    @Argument(help: "Ids, or how they begin.")
    var ids: [String]

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        for id in try ids.map({ try client.id($0, of: .checkpoint) }) {
            try client.send("DELETE", "/v1/checkpoints/\(id)")
        }
    }
}
