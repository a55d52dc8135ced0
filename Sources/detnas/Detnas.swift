// The command line: one file for each subcommand.

import ArgumentParser

@main
struct Detnas: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detnas",
        abstract: "Searches object-detector architectures on your own data, as a service.",
        subcommands: [DatasetCommand.self, WorkerCommand.self])
}
