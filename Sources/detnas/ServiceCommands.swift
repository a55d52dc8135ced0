// `detnas candidates`, `pareto`, `workers`, `completion`: looks at a running daemon.

import ArgumentParser
import Client
import Configs
import Foundation

struct Candidates: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists what a search has scored, or hands architectures in to one that runs.",
        discussion: "With --add the search has them in the next generation that it begins.",
    )

    @Argument(help: "An id, or how it begins.")
    var job: String

    @Option(
        help:
            "Such as -macs: the greatest first (default: by what the search ranks by, best first)."
    )
    var sort: String?

    @Option(help: "How many at most, 1 to 500.")
    var limit = 20

    @Option(help: "Letters of an architecture, such as 2,1,2,0,...; may be given more than once.")
    var add: [String] = []

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let (id, ranking) = try client.search(job)
        let place: Target = "/v1/jobs/\(id)/candidates"
        guard add.isEmpty else {
            let genomes = JSONValue.array(add.map { .string($0) })
            return try show(client.send("POST", place, ["genomes": genomes]))
        }
        let found = try client.get("\(place)?sort=\(sort ?? ranking.sort)&limit=\(limit)")
        for candidate in found["data"]?.array ?? [] { say(ranking.line(candidate)) }
    }
}

struct Pareto: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the candidates of a search that no other one beats in cost and score."
    )

    @Argument(help: "An id, or how it begins.")
    var job: String

    @Flag(help: "Draw them instead.")
    var plot = false

    @Option(help: "macs or params.")
    var x = "macs"

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let (id, ranking) = try client.search(job)
        var target: Target = "/v1/jobs/\(id)/pareto?x=\(x)"
        // A front is of what is the better the greater it is.
        if ranking.field != "loss" { target += "&y=\(ranking.field)" }
        let found = try client.get(target)
        let members = found["data"]?.array ?? []
        let y = found["y"]?.string ?? ranking.field
        guard plot else {
            for candidate in members { say(Ranking(field: y).line(candidate)) }
            return
        }
        let points = members.compactMap { candidate in
            candidate[x]?.double.flatMap { cost in candidate[y]?.double.map { (cost, $0) } }
        }
        say(TextPlot.drawing(points, x: x, y: y))
    }
}

extension Client {
    /// The search whose id begins so, and what it ranks by.
    fileprivate func search(_ job: String) throws -> (id: String, Ranking) {
        let id = try id(job, of: .job)
        return (id, try Ranking(get("/v1/jobs/\(id)")))
    }
}

struct Workers: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the cores and what sits on them; drains or enables some.",
        discussion: "A drained core gets no further job; the one that it has runs on.",
    )

    @Option(help: "A core to drain; may be given more than once.")
    var drain: [Int] = []

    @Option(help: "A core to give jobs again; may be given more than once.")
    var enable: [Int] = []

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        for core in drain { try client.send("POST", "/v1/system/workers/\(core)/drain") }
        for core in enable { try client.send("POST", "/v1/system/workers/\(core)/enable") }
        for core in try client.get("/v1/system/workers")["data"]?.array ?? [] {
            let job = core["job"]?.string ?? "free"
            let drained = core["drained"]?.bool == true ? "  drained" : ""
            print("core \(core["core"]?.int ?? 0)  \(job)\(drained)")
        }
    }
}

struct Completion: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints a script that completes detnas's commands in a shell.",
        discussion: "For bash: source <(detnas completion bash)",
    )

    enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

    @Argument var shell: Shell

    func run() throws {
        let known: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        print(Detnas.completionScript(for: known))
    }
}
