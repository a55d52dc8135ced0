// The other side of `detnas bench`: deploy/bench_peer.py, one process for the whole run, spoken to in lines.

import Foundation
import Pipelines
import SearchSpaces

/// A running peer. It starts once, so that starting Python is never measured.
final class BenchPeer {
    /// Why there is none, or why it stopped answering.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// The version of its torch.
    private(set) var version = ""
    private let process = Process()
    private let orders = Pipe()
    private let answers = Pipe()
    private var unread = Data()

    /// - Throws: `Failure` saying what is missing and how to get it.
    init(python: String, script: String, threads: Int, batch: Int) throws {
        for (path, remedy) in [
            (
                python,
                "run deploy/setup, which makes it, or name a Python that has torch: --python",
            ),
            (script, "run this from the folder of the sources, or name it: --peer"),
        ] where !FileManager.default.isReadableFile(atPath: path) {
            throw Failure(description: "\(path) is not there: \(remedy)")
        }
        process.executableURL = URL(filePath: python)
        process.arguments = [script, "--threads", "\(threads)", "--batch", "\(batch)"]
        process.standardInput = orders
        process.standardOutput = answers
        do {
            try process.run()
        } catch {
            throw Failure(description: "\(python) could not be started: \(error)")
        }
        do {
            version = try ask("about")
        } catch {
            throw Failure(
                description: "\(python) gave no answer; its own words are above. It needs torch: "
                    + "run deploy/setup, or name another Python: --python"
            )
        }
    }

    /// Ends the process.
    func close() {
        try? orders.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// Milliseconds for each of `paths`.
    /// - Throws: `Failure` where the peer cannot do this measurement.
    func run(_ measurement: Benchmark, layout: String, _ paths: [Genome]) throws -> Double {
        let order = ["run", measurement.rawValue, layout] + paths.map(\.description)
        let answer = try ask(order.joined(separator: " "))
        guard let milliseconds = Double(answer) else {
            throw Failure(description: "it answered `\(answer)`")
        }
        return milliseconds
    }

    /// Says where ground truth and results are.
    func read(truth: URL, results: URL) throws {
        _ = try ask("coco\t\(truth.path)\t\(results.path)")
    }

    private func ask(_ order: String) throws -> String {
        try orders.fileHandleForWriting.write(contentsOf: Data("\(order)\n".utf8))
        let words = try line().split(separator: " ", maxSplits: 1).map(String.init)
        let rest = words.count > 1 ? words[1] : ""
        guard words.first == "ok" else { throw Failure(description: rest) }
        return rest
    }

    private func line() throws -> String {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: unread[..<end], as: UTF8.self)
                unread = Data(unread[unread.index(after: end)...])
                return line
            }
            let more = answers.fileHandleForReading.availableData
            if more.isEmpty { throw Failure(description: "it ended") }
            unread += more
        }
    }
}
