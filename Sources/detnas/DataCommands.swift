// `detnas data add`, `check`, `ls` and `rm`: the data sets of a running daemon.

import ArgumentParser
import Client
import Configs
import Foundation

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Registers, checks and lists the data sets of a daemon.",
        subcommands: [DataAdd.self, DataCheck.self, DataList.self, DataRemove.self],
    )
}

struct DataAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Registers a folder of the daemon's, or sends one, and has it checked.",
        discussion: """
            Without --upload it is a folder below a root that the daemon was given. An archive may have files and \
            folders only; a single top folder called as the data set is left out.
            """,
    )

    @Argument(help: "What it is called.")
    var name: String

    @Option(help: "What jobs call it, its folder (default: NAME).")
    var folder: String?

    @Option(
        help: "A tar archive, plain or in gzip, that becomes this folder.",
        completion: .file(),
    )
    var upload: String?

    @Flag(help: "Only look whether the pictures are there.")
    var skipDecoding = false

    @Flag(help: "Stay until it has been checked, and tell what was found.")
    var follow = false

    @OptionGroup var patience: PatienceOptions

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        var request: [String: JSONValue] = [
            "name": .string(name), "decode": .bool(!skipDecoding),
        ]
        request["folder"] = folder.map { .string($0) }
        let sent = try upload.map { try client.upload(URL(filePath: $0), progress: tell) }
        request["upload"] = sent.map { .string($0) }
        let made: JSONValue
        do {
            made = try client.send("POST", "/v1/datasets", .object(request))
        } catch {
            if let sent { _ = try? client.send("DELETE", "/v1/uploads/\(sent)") }
            throw error
        }
        let id = made["id"]?.string ?? ""
        say(id)
        if follow { try DataWatching(client, patience.made).follow(dataset: id) }
    }

    private func tell(_ done: Int, _ total: Int) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        let line = String(format: "\r%.1f of %.1f MB", Double(done) / 1e6, Double(total) / 1e6)
        FileHandle.standardError.write(Data("\(line)\(done == total ? "\n" : "")".utf8))
    }
}

struct DataCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Has the daemon read a data set in full and say what is wrong with it.",
        discussion:
            "With --follow ends with 1 where something would fail a job. Of local files: `detnas dataset check`.",
    )

    @Argument(help: "Its name, folder or id; a folder that nobody registered will do.")
    var name: String

    @Flag(help: "Only look whether the pictures are there.")
    var skipDecoding = false

    @Flag(help: "Stay until it has ended, and tell what was found.")
    var follow = false

    @OptionGroup var patience: PatienceOptions

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let found = try client.dataset(name)
        let decode = JSONValue.bool(!skipDecoding)
        let job =
            if let id = found["id"]?.string {
                try client.send("POST", "/v1/datasets/\(id)/check", ["decode": decode])
            } else {
                try client.send(
                    "POST",
                    "/v1/jobs",
                    [
                        "kind": "dataset.check",
                        "spec": ["dataset": found["folder"] ?? .null, "decode": decode],
                    ],
                )
            }
        let id = job["id"]?.string ?? ""
        say(id)
        if follow { try DataWatching(client, patience.made).follow(check: id) }
    }
}

struct DataList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "Lists the data sets that jobs can name, registered or not.",
    )

    @OptionGroup var options: ServerOptions

    func run() throws {
        try options.client.datasets { dataset in
            let state = dataset["state"]?.string ?? ""
            let (name, folder) = (dataset["name"]?.string ?? "", dataset["folder"]?.string ?? "")
            let found = dataset["found"].flatMap { $0 == .null ? nil : DataWatching.words($0) }
            print(
                [
                    state.padding(toLength: 12, withPad: " ", startingAt: 0), folder,
                    name == folder ? nil : "(\(name))", found,
                ].compactMap { $0 }.joined(separator: "  ")
            )
            return true
        }
    }
}

struct DataRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Forgets data sets; files are removed only where they were sent.",
    )

    @Argument(help: "Names, folders or ids.")
    var names: [String]

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        for name in names {
            guard let id = try client.dataset(name)["id"]?.string else {
                throw ClientError("\(name) is not registered", .notFound)
            }
            try client.send("DELETE", "/v1/datasets/\(id)")
        }
    }
}

extension Client {
    /// Goes through all data sets until `take` has enough.
    fileprivate func datasets(_ take: (JSONValue) -> Bool) throws {
        try pages("/v1/datasets?limit=500", take)
    }

    /// The data set of this name, folder or id.
    fileprivate func dataset(_ name: String) throws -> JSONValue {
        var found: JSONValue?
        try datasets { dataset in
            let isMeant = ["id", "name", "folder"].contains { dataset[$0]?.string == name }
            if isMeant { found = dataset }
            return !isMeant
        }
        guard let found else {
            throw ClientError("there is no data set \(name); see: detnas data ls", .notFound)
        }
        return found
    }
}

/// Stays with a data set until it has been checked, and tells what was found.
struct DataWatching {
    /// The most problems that are printed.
    private static let most = 20

    private let client: Client
    private let patience: Patience

    init(_ client: Client, _ patience: Patience) {
        self.client = client
        self.patience = patience
    }

    func follow(dataset id: String) throws {
        var patience = patience
        var dataset = try patience.run { try client.get("/v1/datasets/\(id)") }
        while dataset["state"] == "unpacking" {
            Thread.sleep(forTimeInterval: 0.5)
            dataset = try patience.run { try client.get("/v1/datasets/\(id)") }
        }
        guard let job = dataset["job"]?.string else {
            let failures = dataset["failures"]?.array?.compactMap(\.string) ?? []
            throw ClientError(failures.first ?? "\(id) has no check")
        }
        try follow(check: job)
    }

    /// - Throws: `ExitCode` where a job could not read the data set.
    func follow(check job: String) throws {
        var watching = Watching(client, patience)
        let end = try watching.follow(job)
        guard end == .success else { throw end }
        let found = try client.get("/v1/jobs/\(job)")["outputs"]?["metrics"] ?? .null
        say(Self.words(found))
        for split in found["splits"]?.array ?? [] {
            say("  \(split["name"]?.string ?? ""): \(Self.counts(split))")
        }
        let text = try client.text("/v1/jobs/\(job)/files/problems.json")
        let problems = try JSONValue(parsing: text).array?.compactMap(\.string) ?? []
        for problem in problems.prefix(Self.most) { say("problem: \(problem)") }
        let rest = (found["problems"]?.int ?? 0) - min(problems.count, Self.most)
        if rest > 0 { say("and \(rest) more: GET /v1/jobs/\(job)/files/problems.json") }
        let failures = found["failures"]?.array?.compactMap(\.string) ?? []
        for failure in failures { say("would fail a job: \(failure)") }
        if !failures.isEmpty { throw ExitCode.failure }
    }

    /// What a check found, on one line.
    static func words(_ found: JSONValue) -> String {
        "\(found["form"]?.string ?? "")  \(counts(found))  \(found["problems"]?.int ?? 0) problems"
    }

    private static func counts(_ found: JSONValue) -> String {
        ["images", "boxes", "classes"].compactMap { name in
            found[name]?.int.map { "\($0) \(name)" }
        }.joined(separator: "  ")
    }
}
