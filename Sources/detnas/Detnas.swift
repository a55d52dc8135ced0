// The command line: one file for each subcommand.

import ArgumentParser

@main
struct Detnas: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "detnas",
        abstract: "Searches object-detector architectures on your own data, as a service.",
        version: version,
        subcommands: [
            Serve.self, Submit.self, Run.self, ListJobs.self, ShowJob.self, Watch.self,
            WaitForJobs.self, Events.self, Logs.self, Pause.self, Resume.self, Retry.self,
            Cancel.self, Remove.self,
            Candidates.self, Pareto.self, Workers.self, TokenCommand.self, DoctorCommand.self,
            BackupCommand.self, RestoreCommand.self,
            DataCommand.self, DatasetCommand.self, ArchitectureCommand.self, CheckpointCommand.self,
            ConfigCommand.self, Predict.self, Planted.self, Bench.self, Completion.self,
            WorkerCommand.self,
        ],
    )
}
