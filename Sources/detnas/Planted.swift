// `detnas planted`: shows that the search finds a known optimum on a real supernet, seed after seed.

import ArgumentParser
import CLinux
import Configs
import Foundation
import Pipelines
import SearchSpaces

struct Planted: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks that a search drops an operation that was spoilt on purpose.",
        discussion: """
            Trains one detector supernet in which the output of one operation carries noise, then searches it \
            with several seeds. A search that works has no such operation among its best paths. The supernet \
            is kept in the work folder and used again.
            """,
    )

    @Argument(help: "The fine-tuning to do: a job file of kind detector.finetune.")
    var finetune: String

    @Argument(help: "The search to do: a job file of kind search.evolution.")
    var search: String

    @Option(help: "The folder that data sets are looked up in.")
    var datasets: String

    @Option(help: "Where the supernet is kept.")
    var work = ".cache/planted"

    @Option(help: "The operation to spoil.")
    var operation = "shuffle_5x5"

    @Option(help: "Deviation of the noise, as a share of the output's root mean square.")
    var noise = 0.7

    @Option(help: "How many searches, with seeds 0, 1, ...")
    var seeds = 10

    @Option(help: "How many of the best paths must be clear.")
    var best = 6

    @Option(help: "The cores to use.")
    var cores = "0,1"

    func run() throws {
        guard let operation = SearchSpaces.Operation(rawValue: operation) else {
            throw ValidationError("there is no operation \(operation)")
        }
        guard case .finetune(let finetune) = try spec(finetune),
            case .search(let search) = try spec(search)
        else { throw ValidationError("a fine-tuning and a search are needed, in this order") }
        let planted = PlantedOptimum(
            finetune: finetune,
            search: search,
            operation: operation,
            deviation: noise,
        )
        let supernet = try planted.train(context("supernet", seed: 0) { say($0) })
        say("supernet: \(supernet.path)")
        var clear = 0
        for seed in 0..<seeds {
            let outcome = try planted.search(
                supernet,
                best: best,
                context("search-\(seed)", seed: UInt64(seed)) { _ in },
            )
            clear += outcome.isClear ? 1 : 0
            say("seed \(seed): spoilt letters in the best \(best) paths: \(outcome.spoilt)")
            for genome in outcome.best { say("    \(genome)") }
        }
        say("clear in \(clear) of \(seeds) searches")
        if clear * 10 < seeds * 9 { throw ExitCode.failure }
    }

    private func spec(_ path: String) throws -> JobSpec {
        let json = try JSONValue(parsing: Data(contentsOf: URL(filePath: path)))
        guard let kind = json["kind"]?.string.flatMap({ JobKind(rawValue: $0) }),
            let spec = json["spec"]
        else { throw ValidationError("\(path) is no job: `kind` and `spec` are needed") }
        // A search names its checkpoint; here it is the supernet trained first.
        var members = spec.object ?? [:]
        if kind == .searchEvolution { members["checkpoint"] = "ckpt_planted" }
        if kind == .detectorFinetune { members["checkpoint"] = nil }
        return try JobSpec.resolve(kind: kind, .object(members)).get()
    }

    private func context(
        _ name: String,
        seed: UInt64,
        _ say: @escaping @Sendable (String) -> Void,
    ) throws -> FolderRun {
        try FolderRun(
            folder: URL(filePath: work).appending(path: name),
            seed: seed,
            cores: cores.split(separator: ",").compactMap { Int($0) },
            datasetRoots: [URL(filePath: datasets)],
            bind: { core in _ = withUnsafePointer(to: Int32(core)) { cl_set_affinity($0, 1) } },
            report: { type, data in
                guard type == "metric" || type == "warning" else { return }
                say("\(type) \(data.canonical)")
            },
        )
    }
}
