// `detnas checkpoint list`, `verify` and `rm`: the checkpoints that a running daemon keeps.

import ArgumentParser
import Client
import Configs
import Foundation

struct CheckpointList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists checkpoints, newest first.",
    )

    @Option(help: "Only those of this job.")
    var job: String?

    @Option(help: "supernet, detector-supernet, subnet or detector.")
    var kind: String?

    @OptionGroup var options: ServerOptions

    func run() throws {
        var query = "limit=500"
        if let job { query += "&job=\(job)" }
        if let kind { query += "&kind=\(kind)" }
        for found in try options.client.get("/v1/checkpoints?\(query)")["data"]?.array ?? [] {
            let megabytes = (found["bytes"]?.double ?? 0) / 1e6
            print(
                "\(found["id"]?.string ?? "")"
                    + String(format: "  step %8d  %8.1f MB  ", found["step"]?.int ?? 0, megabytes)
                    + "\(found["kind"]?.string ?? "")  \(found["name"]?.string ?? "")"
            )
        }
    }
}

struct CheckpointVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Has the daemon read checkpoints again and compare their digests.",
        discussion: "Exits with 1 when one is not what was written.",
    )

    @Argument var ids: [String]
    @OptionGroup var options: ServerOptions

    func run() throws {
        var isWhole = true
        for id in ids {
            let found = try options.client.send("POST", "/v1/checkpoints/\(id)/verify")
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

    @Argument var ids: [String]
    @OptionGroup var options: ServerOptions

    func run() throws {
        for id in ids { try options.client.send("DELETE", "/v1/checkpoints/\(id)") }
    }
}
