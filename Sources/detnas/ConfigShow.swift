// `detnas config show FILE`: what a job file asks for, with every default filled in.

import ArgumentParser
import Configs
import Foundation
import Pipelines

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Looks at job files.",
        subcommands: [ConfigShow.self],
    )
}

struct ConfigShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Prints what a job file asks for, with every default filled in.",
        discussion: """
            The file is the body of POST /v1/jobs or /v1/pipelines, a step of a pipeline, with --kind a spec alone, or a \
            checkpoint, whose metadata is printed. Everything that is wrong is told at once, on stderr, and the command \
            ends with 1. What lies on the server's disk (data sets, checkpoints) is not looked at.
            """,
    )

    @Argument(
        help: "A JSON or YAML file, or a .safetensors checkpoint; - reads JSON from the input."
    )
    var file: String

    @Option(help: "The file is a spec of this kind.")
    var kind: JobKind?

    @Flag(help: "Prints only what differs from the defaults.")
    var diff = false

    func run() throws {
        if file.hasSuffix(".safetensors") {
            guard kind == nil, !diff else {
                throw ValidationError("--kind and --diff are for job files, not for checkpoints")
            }
            return try show(CheckpointFile.metadata(of: URL(filePath: file)))
        }
        let data =
            file == "-"
            ? FileHandle.standardInput.readDataToEndOfFile()
            : try Data(contentsOf: URL(filePath: file))
        let json: JSONValue
        do {
            let isYAML = file.hasSuffix(".yaml") || file.hasSuffix(".yml")
            json = isYAML ? try JSONValue(parsingYAML: data) : try JSONValue(parsing: data)
        } catch {
            try fail("\(file): \(error)")
        }
        switch resolved(json) {
        case .failure(let violations): try fail("\(violations)")
        case .success(let whole):
            try show(diff ? whole.least { try? resolved($0).get() } : whole)
        }
    }

    private func resolved(_ json: JSONValue) -> Result<JSONValue, Violations> {
        if let kind {
            return JobSpec.resolve(kind: kind, json, at: "").map(\.json)
        }
        if json["steps"] != nil { return PipelineRequest.resolve(json).map(\.json) }
        return JobRequest.resolve(json, asStep: true).map(\.json)
    }

    private func fail(_ message: String) throws -> Never {
        FileHandle.standardError.write(Data("\(message)\n".utf8))
        throw ExitCode(1)
    }
}

extension JobKind: ExpressibleByArgument {}
