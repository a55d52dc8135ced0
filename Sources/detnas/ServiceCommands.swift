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

    @Argument var job: String

    @Option(help: "Such as -map: the greatest first.")
    var sort = "-map"

    @Option(help: "How many at most, 1 to 500.")
    var limit = 20

    @Option(help: "Letters of an architecture, such as 2,1,2,0,...; may be given more than once.")
    var add: [String] = []

    @OptionGroup var options: ServerOptions

    func run() throws {
        let place = "/v1/jobs/\(job)/candidates"
        guard add.isEmpty else {
            let genomes = JSONValue.array(add.map { .string($0) })
            return try show(options.client.send("POST", place, ["genomes": genomes]))
        }
        let found = try options.client.get("\(place)?sort=\(sort)&limit=\(limit)")
        for candidate in found["data"]?.array ?? [] {
            print(CandidateLine.text(candidate))
        }
    }
}

struct Pareto: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the candidates of a search that no other one beats in cost and score."
    )

    @Argument var job: String

    @Flag(help: "Draw them instead.")
    var plot = false

    @Option(help: "macs or params.")
    var x = "macs"

    @OptionGroup var options: ServerOptions

    func run() throws {
        let found = try options.client.get("/v1/jobs/\(job)/pareto?x=\(x)")
        let members = found["data"]?.array ?? []
        guard plot else {
            for candidate in members { print(CandidateLine.text(candidate)) }
            return
        }
        let y = found["y"]?.string ?? "map"
        let points = members.compactMap { candidate in
            candidate[x]?.double.flatMap { cost in candidate[y]?.double.map { (cost, $0) } }
        }
        print(TextPlot.drawing(points, x: x, y: y))
    }
}

/// A candidate on one line.
enum CandidateLine {
    static func text(_ candidate: JSONValue) -> String {
        let score = candidate["map"]?.double ?? candidate["top1"]?.double
        let words =
            candidate["failure"]?.string.map { "failed: \($0)" }
            ?? score.map { String(format: "%.4f", $0) } ?? "halted"
        let macs = (candidate["macs"]?.double ?? 0) / 1e6
        let params = (candidate["params"]?.double ?? 0) / 1e6
        return String(format: "%8.1f M MACs  %7.2f M params  ", macs, params)
            + "\(words)  \(candidate["genome"]?.string ?? "")"
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
