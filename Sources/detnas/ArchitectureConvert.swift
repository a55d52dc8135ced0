// `detnas architecture convert IN OUT`: one architecture from one form into another.

import ArgumentParser
import Configs
import Exchange
import Foundation
import SearchSpaces

struct ArchitectureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "architecture",
        abstract: "Shows and compares architectures, and exchanges them with other programs.",
        subcommands: [
            ArchitectureShow.self, ArchitectureDiff.self, ArchitectureRetrain.self,
            ArchitectureExport.self, ArchitectureConvert.self,
        ],
        aliases: ["arch"],
    )
}

struct ArchitectureConvert: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Converts one architecture between our JSON, genomes and MMRazor's YAML.",
        discussion: """
            detnas-json: what the daemon gives for an architecture, with space, blocks and cost
            genome:      2,1,2,0,... or 2120-2112-33130031-3132
            mmrazor-v0:  stage_0_block_0: {chosen: [shuffle_7x7]}
            mmrazor-v1:  backbone.layers.0.0: {chosen: shuffle_7x7}

            MMRazor's keys are also read with `architecture.` before them or without `backbone.`.
            """,
    )

    @Argument(help: "The file to read.", completion: .file())
    var input: String

    @Argument(help: "The file to write; - writes to standard output.")
    var output: String

    @Option(help: "What is in the file; left out, it is told from the content.")
    var from: ArchitectureForm?

    @Option(help: "What to write.")
    var to: ArchitectureForm

    @Option(
        help: "The search space: \(SpaceArgument.names), or a JSON file.",
        transform: SpaceArgument.parse,
    )
    var space: SearchSpace?

    func run() throws {
        let architecture = try ArchitectureFile.read(
            URL(filePath: input),
            as: from,
            in: space,
        )
        let text = try ArchitectureFile.text(architecture, as: to)
        guard output != "-" else { return print(text, terminator: "") }
        try Data(text.utf8).write(to: URL(filePath: output), options: .atomic)
        print("\(output): \(architecture.genome) of \(architecture.space.name)")
    }
}

extension ArchitectureForm: ExpressibleByArgument {}

/// A search space by its name, or from a file.
enum SpaceArgument {
    static let names = SearchSpace.named.keys.sorted().joined(separator: ", ")

    static func parse(_ argument: String) throws -> SearchSpace {
        if let named = SearchSpace.named[argument] { return named }
        let space: SearchSpace
        do {
            let data = try Data(contentsOf: URL(filePath: argument))
            space = try JSONDecoder().decode(SearchSpace.self, from: data)
        } catch {
            throw ValidationError(
                "space \(argument): found neither a name nor a space's JSON file; allowed: \(names)"
            )
        }
        guard let problem = space.validate().first else { return space }
        throw ValidationError("space \(argument)\(problem)")
    }
}
