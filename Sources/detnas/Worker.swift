// `detnas worker`: what the daemon starts for each job; not for people.

import ArgumentParser
import Foundation
import Worker

struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Works on the job of one run directory.",
        shouldDisplay: false,
    )

    @Argument(help: "The job's run directory.")
    var directory: String

    @Option(help: "Which attempt at the job this is, from 1.")
    var attempt = 1

    @Flag(help: "Only measure what the job would take.")
    var measure = false

    func run() throws {
        if measure { throw ExitCode(WorkerProcess.measure(directory: directory)) }
        throw ExitCode(WorkerProcess.run(directory: directory, attempt: attempt))
    }
}
