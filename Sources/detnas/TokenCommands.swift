// `detnas token add`, `list` and `rm`: who may call a daemon that asks.

import ArgumentParser
import Client
import Configs
import Foundation

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Makes, lists and takes back the tokens of a running daemon.",
        discussion: """
            On a Unix socket, and on a loopback address without --require-token, nobody is asked. Elsewhere commands send \
            the variable DETNAS_TOKEN.
            """,
        subcommands: [TokenAdd.self, TokenList.self, TokenRemove.self],
    )
}

struct TokenAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Makes a token and prints it; the daemon keeps only its digest.",
    )

    @Argument(help: "For whom or what it is.")
    var name: String

    @Option(
        help:
            "metrics, read, submit, manage or admin; each of the last four is good for those before it too."
    )
    var scope = "submit"

    @Option(help: "Days until it expires; 0: never.")
    var days = 90

    @OptionGroup var options: ServerOptions

    func run() throws {
        let made = try options.client.send(
            "POST",
            "/v1/auth/tokens",
            [
                "name": .string(name), "scope": .string(scope),
                "days": days == 0 ? .null : .int(Int64(days)),
            ],
        )
        print(made["secret"]?.string ?? "")
    }
}

struct TokenList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the tokens, without their secrets.",
        aliases: ["ls"],
    )

    @OptionGroup var options: ServerOptions

    func run() throws {
        for token in try options.client.get("/v1/auth/tokens")["data"]?.array ?? [] {
            let expiry = token["expiresAt"]?.string.map { "until \($0.prefix(10))" } ?? "for ever"
            print(
                "\(token["id"]?.string ?? "")  \(token["scope"]?.string ?? "")  \(expiry)  "
                    + (token["name"]?.string ?? "")
            )
        }
    }
}

struct TokenRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Takes tokens back at once.",
        aliases: ["remove"],
    )

    @Argument(help: "Ids, or how they begin.")
    var ids: [String]

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        for id in try ids.map({ try client.id($0, of: .token) }) {
            try client.send("DELETE", "/v1/auth/tokens/\(id)")
        }
    }
}
