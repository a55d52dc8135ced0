// Which daemon a command speaks to.

import ArgumentParser
import Client
import Foundation

struct ServerOptions: ParsableArguments {
    @Option(
        help: """
            Where the daemon listens: http://HOST:PORT, https://HOST:PORT or unix:PATH (default: the variable \
            DETNAS_SERVER, else http://127.0.0.1:8080). The variable DETNAS_TOKEN is sent as the token.
            """
    )
    var server: String?

    @Option(
        help: """
            A PEM file with the certificates that alone are trusted with https (default: the variable DETNAS_CA, else \
            those that this machine trusts).
            """,
        completion: .file(),
    )
    var ca: String?

    /// What the command line or the environment names; an empty variable is none.
    var given: String? { server ?? variable("DETNAS_SERVER") }

    var client: Client {
        get throws {
            // Never an argument: those are seen by everybody on the machine.
            let token = variable("DETNAS_TOKEN")
            guard token?.contains(where: \.isNewline) != true else {
                throw ClientError("DETNAS_TOKEN has a line break in it", .usage)
            }
            return Client(
                try ServerAddress(given ?? "http://127.0.0.1:8080"),
                token: token,
                authorities: ca ?? variable("DETNAS_CA"),
            )
        }
    }

    private func variable(_ name: String) -> String? {
        let value = ProcessInfo.processInfo.environment[name] ?? ""
        return value.isEmpty ? nil : value
    }
}

/// For how long a command that stays waits for its daemon.
struct PatienceOptions: ParsableArguments {
    @Option(
        help:
            "Seconds for which a daemon that does not answer, such as one that is being restarted, is asked again."
    )
    var patience = 300.0

    var made: Patience {
        var made = Patience()
        made.seconds = patience
        made.tell = complain
        return made
    }
}
