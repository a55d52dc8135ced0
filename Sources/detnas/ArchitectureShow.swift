// `detnas architecture show`, `diff` and `export`: architectures that a running daemon keeps.

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

    @Argument(help: "An id, such as arch_...")
    var id: String?

    @OptionGroup var options: ServerOptions

    func run() throws {
        if let id { return try show(options.client.get("/v1/architectures/\(id)")) }
        for found in try options.client.get("/v1/architectures?limit=500")["data"]?.array ?? [] {
            print(
                "\(found["id"]?.string ?? "")  \(found["space"]?.string ?? "")  "
                    + (found["genome"]?.string ?? "")
            )
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
        let found = try options.client.get("/v1/architectures/compare?a=\(a)&b=\(b)")
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

struct ArchitectureExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes an architecture of the daemon in one of the forms of convert.",
    )

    @Argument(help: "An id, such as arch_...")
    var id: String

    @Argument(help: "The file to write; - writes to standard output.")
    var output: String

    @Option(help: "What to write.")
    var to = ArchitectureForm.json

    @OptionGroup var options: ServerOptions

    func run() throws {
        let text = try options.client.text("/v1/architectures/\(id)/content")
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
