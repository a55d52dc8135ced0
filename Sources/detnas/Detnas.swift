// The command line: one file for each subcommand.

import ArgumentParser
import Client

@main
struct Detnas: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "detnas",
        abstract: "Searches object-detector architectures on your own data, as a service.",
        discussion: """
            How commands to a daemon end: 0; 1 where what they found is not well; wait, watch, and what follows a job, also \
            with 1 when it has failed, 2 when it was cancelled, 3 when the time was over. Else 64: called wrongly; 65: the \
            daemon refuses what it was sent, or a file is wrong; 66: no such id or file; 69: the daemon cannot be reached; \
            70: an error in the daemon; 75: it takes nothing at the moment; 76: what answers is not trusted, or no daemon; \
            77: not allowed.
            """,
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

    static func main() {
        var command: any ParsableCommand
        do {
            command = try parseAsRoot()
        } catch {
            exit(withError: error)
        }
        do {
            try command.run()
        } catch let error as ValidationError {
            // What is wrong was seen too late for the usage to be of help.
            complain("Error: \(error.message)")
            exit(withError: ExitCode.validationFailure)
        } catch {
            guard let status = ExitStatus.of(error) else { exit(withError: error) }
            complain("Error: \(error)")
            exit(withError: ExitCode(status))
        }
    }
}
