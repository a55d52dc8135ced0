// `detnas doctor`: what should be known before something breaks.

import ArgumentParser
import Client
import Configs
import Foundation
import HTTP
import JobStore
import Pipelines
import Scheduling

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks at a data directory, this machine and the server, and changes nothing.",
        discussion: """
            One line for each thing: ok, warn or fail, what was found, and what to do. Exit status 1 when something failed.
            """,
    )

    @Option(help: "The data directory.", completion: .directory)
    var data = "data"

    @Option(help: "As of detnas serve.")
    var diskReserve: Bytes?

    @Option(help: "A certificate in PEM whose dates are looked at.", completion: .file())
    var tlsCertificate: String?

    @OptionGroup var options: ServerOptions

    func run() throws {
        let folder = URL(filePath: data).standardizedFileURL.path
        var findings = Doctor(folder: folder, diskReserve: diskReserve?.count).findings()
        if let tlsCertificate { findings.append(certificate(tlsCertificate)) }
        findings.append(library)
        // Asked only where one should answer: it was named, or the data directory is in use.
        if options.given != nil || JobStore.owner(of: folder) != nil {
            findings.append(server)
        }
        for finding in findings { say(finding.line) }
        if findings.contains(where: { $0.level == .fail }) { throw ExitCode.failure }
    }

    private func certificate(_ file: String) -> Finding {
        do {
            let (from, until) = try HTTPServer.TLS.validity(of: file)
            let dates = (
                from: Date(timeIntervalSince1970: Double(from)),
                until: Date(timeIntervalSince1970: Double(until)),
            )
            return Doctor.certificate(file, dates, at: Date())
        } catch {
            return Finding(.fail, "certificate", "\(error)", "name a certificate in PEM")
        }
    }

    private var library: Finding {
        do {
            return Finding(.ok, "libtorch", try Workload.prepare(threads: 1))
        } catch {
            let words = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
            return Finding(.fail, "libtorch", words)
        }
    }

    private var server: Finding {
        do {
            let answer = try options.client.get("/readyz")
            return Finding(.ok, "server", answer["status"]?.string ?? "answers")
        } catch let problem as ServerProblem {
            return Finding(.fail, "server", problem.description)
        } catch {
            return Finding(
                .warn,
                "server",
                "\(error)",
                "name it with --server, or see whether it runs: journalctl -u detnas",
            )
        }
    }
}

/// Bytes, with K, M, G or T for powers of 1024.
struct Bytes: ExpressibleByArgument {
    let count: Int

    init?(argument: String) {
        guard let count = ByteCount.parse(argument) else { return nil }
        self.count = count
    }
}
