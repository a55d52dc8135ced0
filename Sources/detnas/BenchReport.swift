// What `detnas bench` found: as a table for people, as JSON for programs.

import Foundation
import Pipelines

/// Milliseconds of one side in each round.
struct BenchSide: Encodable {
    /// `detnas`, `PyTorch` with the layout of its tensors, or `pycocotools`.
    var name: String
    var milliseconds: [Double]
    var median: Double?
    /// Times as long as `detnas`, round by round; empty for `detnas` itself.
    var ratios: [Double]
    var ratio: Double?
    /// Why it was not measured.
    var reason: String?

    init(_ name: String, _ times: Timings, ours: Timings? = nil, reason: String? = nil) {
        let compared = ours?.ratios(of: times) ?? Timings()
        self.name = name
        self.reason = reason
        milliseconds = times.values
        median = times.median
        ratios = compared.values
        ratio = compared.median
    }
}

struct BenchReport: Encodable {
    struct Row: Encodable {
        var name: String
        var title: String
        var sides: [BenchSide]
    }

    var machine: String
    var cores: Int
    /// Of the last minute, when the measuring began: what else the machine was doing.
    var load: String
    var threads: Int
    var rounds: Int
    var libtorch: String
    var peerTorch: String?
    var rows: [Row] = []

    init(threads: Int, rounds: Int, libtorch: String, peerTorch: String?) {
        self.threads = threads
        self.rounds = rounds
        self.libtorch = libtorch
        self.peerTorch = peerTorch
        cores = ProcessInfo.processInfo.activeProcessorCount
        load = Self.file("/proc/loadavg").split(separator: " ").first.map(String.init) ?? "?"
        machine =
            Self.file("/proc/cpuinfo").split(separator: "\n")
            .first { $0.hasPrefix("model name") }?
            .split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "?"
    }

    private static func file(_ path: String) -> String {
        (try? String(contentsOf: URL(filePath: path), encoding: .utf8)) ?? ""
    }

    var head: String {
        """
        \(machine), \(cores) cores, load \(load)
        libtorch \(libtorch); peer: \(peerTorch.map { "PyTorch \($0)" } ?? "none"); \
        threads: \(threads), rounds: \(rounds)
        Milliseconds: median [least - most]; ratio: the peer's time over ours, round by round.
        """
    }

    /// One measurement with its sides below it.
    static func table(_ row: Row) -> String {
        let lines = row.sides.map { side -> String in
            let name = "  " + side.name.padding(toLength: 24, withPad: " ", startingAt: 0)
            if let reason = side.reason { return "\(name)         -  (\(reason))" }
            let times = spread(Timings(side.milliseconds), digits: 1, width: 10)
            let ratio = side.ratio.map { _ in spread(Timings(side.ratios), digits: 2, width: 7) }
            let gap = String(repeating: " ", count: max(2, 38 - times.count))
            return name + times + (ratio.map { gap + $0 } ?? "")
        }
        return ([row.title] + lines).joined(separator: "\n")
    }

    private static func spread(_ times: Timings, digits: Int, width: Int) -> String {
        guard let median = times.median, let range = times.range else { return "-" }
        let low = String(format: "%.\(digits)f", range.lowerBound)
        let high = String(format: "%.\(digits)f", range.upperBound)
        return String(format: "%\(width).\(digits)f", median) + " [\(low) - \(high)]"
    }
}
