// `detnas architecture show`, `diff`, `retrain` and `export`: architectures that a running daemon keeps.

import ArgumentParser
import Client
import Configs
import Exchange
import Foundation

struct ArchitectureShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract:
            "Prints an architecture of the daemon, with blocks and costs; without an id, lists them.",
    )

    @Argument(help: "An id, such as arch_..., or how it begins.")
    var id: String?

    @Option(help: "Lists only those that this job found.")
    var job: String?

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        if let id {
            return try show(
                client.get("/v1/architectures/\(client.id(id, of: .architecture))")
            )
        }
        var list: Target = "/v1/architectures?limit=500"
        if let job { list += "&job=\(try client.id(job, of: .job))" }
        try client.pages(list) { found in
            let score = found["score"]?.double.map { String(format: "%.4f", $0) } ?? "-"
            say(
                [
                    found["id"]?.string ?? "", found["space"]?.string ?? "",
                    Ranking.cost(found) + "  score \(score)", found["genome"]?.string ?? "",
                ].joined(separator: "  ")
            )
            return true
        }
    }
}

struct ArchitectureDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Prints where two architectures of one space differ.",
    )

    @Argument var a: String
    @Argument var b: String
    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let (a, b) = try (client.id(a, of: .architecture), client.id(b, of: .architecture))
        let found = try client.get("/v1/architectures/compare?a=\(a)&b=\(b)")
        for place in found["differences"]?.array ?? [] {
            print(
                "block \(place["position"]?.int ?? 0): \(place["a"]?.string ?? "")"
                    + " -> \(place["b"]?.string ?? "")"
            )
        }
        let macs = (found["macs"]?.double ?? 0) / 1e6
        let params = (found["params"]?.double ?? 0) / 1e6
        print(String(format: "%+.1f M MACs, %+.2f M params", macs, params))
    }
}

struct ArchitectureRetrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retrain",
        abstract: "Submits a job that trains an architecture of the daemon alone.",
        discussion: """
            The file is a subnet.retrain without `kind` and without `architecture` in its spec: both are said here.
            """,
    )

    @Argument(help: "An id, such as arch_..., or how it begins.")
    var id: String

    @Argument(help: "JSON or YAML; - for JSON from the standard input.", completion: .file())
    var file: String

    @OptionGroup var options: SubmitOptions

    func run() throws {
        let request = try JobFile.read(file)
        let id = try options.options.client.id(id, of: .architecture)
        try options.submit(request, to: "/v1/architectures/\(id)/retrain")
    }
}

struct ArchitectureExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes an architecture of the daemon in one of the forms of convert.",
    )

    @Argument(help: "An id, such as arch_..., or how it begins.")
    var id: String

    @Argument(help: "The file to write; - writes to standard output.", completion: .file())
    var output = "-"

    @Option(help: "What to write.")
    var to = ArchitectureForm.json

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let id = try client.id(id, of: .architecture)
        let text = try client.text("/v1/architectures/\(id)/content")
        let aside = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: aside) }
        try Data(text.utf8).write(to: aside)
        let architecture = try ArchitectureFile.read(aside, as: nil, in: nil)
        let written = try ArchitectureFile.text(architecture, as: to)
        guard output != "-" else { return print(written, terminator: "") }
        try Data(written.utf8).write(to: URL(filePath: output), options: .atomic)
        print("\(output): \(architecture.genome) of \(architecture.space.name)")
    }
}
