// `detnas backup` and `detnas restore`.

import ArgumentParser
import Foundation
import JobStore

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copies a data directory, also while a server works on it.",
        discussion: """
            The copy is of one moment: nothing that was answered before is missing. Checkpoints are linked where the copy \
            is on the same file system, and copied elsewhere. Every checkpoint's digest is checked. Exit status 1 says that \
            the data directory itself has lost a file; the backup is whole but for that.
            """,
    )

    @Argument(help: "A folder that is empty or not there yet.", completion: .directory)
    var target: String

    @Option(help: "The data directory.", completion: .directory)
    var data = "data"

    func run() throws {
        let report = try Backup.make(of: absolute(data), in: absolute(target))
        try report.tell("copied")
    }
}

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Makes a data directory from a backup, and checks every file.",
    )

    @Argument(help: "What detnas backup made.", completion: .directory)
    var backup: String

    @Argument(help: "A folder that is empty or not there yet.", completion: .directory)
    var data: String

    @Flag(help: "Leave out files of jobs that are damaged, instead of restoring nothing.")
    var leaveOutDamaged = false

    func run() throws {
        let report = try Backup.restore(
            absolute(backup),
            into: absolute(data),
            leavesOutDamaged: leaveOutDamaged,
        )
        try report.tell("restored")
        say("start it with: detnas serve --data \(data)")
    }
}

private func absolute(_ path: String) -> String { URL(filePath: path).standardizedFileURL.path }

extension BackupReport {
    fileprivate func tell(_ what: String) throws {
        for fault in faults { say("warn  \(fault)") }
        say("\(what) \(jobs) jobs, \(files) files, \(bytes) bytes")
        if !faults.isEmpty { throw ExitCode.failure }
    }
}
