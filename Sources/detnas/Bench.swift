// `detnas bench`: how fast the work is here, in turn with the same work in PyTorch.

import ArgumentParser
import Foundation
import Pipelines
import SearchSpaces

extension Benchmark: ExpressibleByArgument {}

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the work of a run, side by side with the same in PyTorch.",
        discussion: """
            Both sides do the same paths in turn, round by round, on made-up images; a ratio is taken within each \
            round, so other load on the machine weighs little on it. A candidate here evaluates the loss too, the \
            peer does not; a fresh detector's scores are all below the threshold, so neither has boxes to suppress.
            """,
    )

    @Option(
        help: "Measure this alone: \(Benchmark.allCases.map(\.rawValue).joined(separator: ", "))."
    )
    var only: Benchmark?

    @Option(help: "How often each side does each measurement.")
    var rounds = 5

    @Option(help: "Threads of each operation, on both sides.")
    var threads = 1

    @Option(help: "Images in a pretraining step of detnas-300m.")
    var batch = 8

    @Flag(inversion: .prefixedNo, help: "Compare with PyTorch.")
    var peer = true

    @Option(help: "A Python that has torch.")
    var python = ".libtorch/venv/bin/python"

    @Option(help: "The peer's program.")
    var peerScript = "deploy/bench_peer.py"

    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func validate() throws {
        for (name, value) in [("rounds", rounds), ("threads", threads)] where value < 1 {
            throw ValidationError("--\(name) is \(value); allowed: 1 or more")
        }
        // A batch norm needs more than one value of each channel.
        if batch < 2 { throw ValidationError("--batch is \(batch); allowed: 2 or more") }
    }

    func run() throws {
        // A peer that dies is an error of the next write, not the end of this process.
        signal(SIGPIPE, SIG_IGN)
        let libtorch = try Workload.prepare(threads: threads)
        let peer = startedPeer()
        defer { peer?.close() }
        var report = BenchReport(
            threads: threads,
            rounds: rounds,
            libtorch: libtorch,
            peerTorch: peer?.version,
        )
        if !json { say(report.head) }
        for measurement in only.map({ [$0] }) ?? Benchmark.allCases {
            let row = try measure(measurement, peer)
            report.rows.append(row)
            if !json { say("\n" + BenchReport.table(row)) }
        }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            say(String(decoding: try encoder.encode(report), as: UTF8.self))
        }
    }

    /// nil where there is none, after saying why.
    private func startedPeer() -> BenchPeer? {
        guard peer else { return nil }
        do {
            return try BenchPeer(
                python: python,
                script: peerScript,
                threads: threads,
                batch: batch,
            )
        } catch {
            let line = "bench: going on without PyTorch to compare with: \(error)\n"
            FileHandle.standardError.write(Data(line.utf8))
            return nil
        }
    }

    private func measure(_ measurement: Benchmark, _ peer: BenchPeer?) throws -> BenchReport.Row {
        let work = try Workload(measurement, batch: batch)
        _ = try work.run(measurement.warmUp)
        var ours = Timings()
        var others: [(layout: String, times: Timings, reason: String?)] = []
        if let peer {
            others = measurement.layouts.map { (layout: $0, times: Timings(), reason: nil) }
            try hand(work, to: peer)
        }
        /// Has one layout of the peer do `paths`; after its first failure it is left out.
        func runPeer(_ index: Int, _ paths: [Genome]) -> Double? {
            guard let peer, others[index].reason == nil else { return nil }
            do {
                return try peer.run(measurement, layout: others[index].layout, paths)
            } catch {
                others[index].reason = "\(error)"
                return nil
            }
        }
        for index in others.indices { _ = runPeer(index, measurement.warmUp) }
        for round in 0..<rounds {
            let paths = measurement.paths(round: round)
            ours.values.append(try work.run(paths))
            for index in others.indices {
                if let time = runPeer(index, paths) { others[index].times.values.append(time) }
            }
        }
        let title = measurement.title(batch: batch)
        let sides = others.map {
            BenchSide(
                measurement == .coco ? $0.layout : "PyTorch, \($0.layout)",
                $0.times,
                ours: ours,
                reason: $0.reason,
            )
        }
        return BenchReport.Row(
            name: measurement.rawValue,
            title: title,
            sides: [BenchSide("detnas", ours)] + sides,
        )
    }

    /// Has the peer read what it is to evaluate, from files that are gone afterwards.
    private func hand(_ work: Workload, to peer: BenchPeer) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "detnas-bench-\(ProcessInfo.processInfo.processIdentifier)")
        defer { try? FileManager.default.removeItem(at: folder) }
        guard let files = try work.writeCoco(to: folder) else { return }
        try peer.read(truth: files.truth, results: files.results)
    }
}
