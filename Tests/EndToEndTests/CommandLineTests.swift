// The commands that speak to a daemon, as a shell sees them: against a daemon whose workers do what a test tells them.

import Foundation
import TestSupport
import Testing

/// A `fake-daemon` in a folder of its own.
private final class FakeDaemon {
    private let service: FakeService
    private var process = Process()
    private var port = "0"
    var url: String { "http://127.0.0.1:\(port)" }

    init() throws {
        service = try FakeService()
        try start()
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
        service.remove()
    }

    /// Starts it, again after `kill` at the same place.
    func start() throws {
        process = Process()
        process.executableURL = Bundle.main.executableURL?.deletingLastPathComponent()
            .appending(path: "fake-daemon")
        process.arguments = [service.folder, port]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        port = String(try #require(line.firstMatch(of: #/listens on (\d+)/#)).1)
    }

    func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func tell(_ job: String) throws { try service.tell(job) }

    /// Submits a job whose worker does what `shell` says.
    ///
    /// - Returns: its id.
    func submit(_ shell: String, seed: Int = 0, labels: String = "{}") throws -> String {
        try service.behave(seed: seed, shell)
        let file = try write(
            """
            {"kind": "supernet.pretrain", "seed": \(seed), "labels": \(labels), "limits": {"maxAttempts": 1},
             "spec": {"data": {"dataset": "photos"}, "space": "detnas-mini", "training": {"steps": 10}}}
            """
        )
        let found = try detnas("submit", file)
        try #require(found.code == 0, "\(found.errors)")
        return found.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func write(_ text: String, name: String = "job.json") throws -> String {
        let file = service.folder + "/" + name
        try Data(text.utf8).write(to: URL(filePath: file))
        return file
    }

    /// What a command has printed and ended with.
    struct Result {
        let code: Int32
        let output: String
        let errors: String
    }

    /// A command that has begun.
    struct Running {
        let process: Process
        private let output = Pipe()
        private let errors = Pipe()

        init(_ arguments: [String], server: String) throws {
            process = Process()
            process.becomeDetnas(arguments)
            var environment = ProcessInfo.processInfo.environment
            environment["DETNAS_SERVER"] = server
            process.environment = environment
            process.standardOutput = output
            process.standardError = errors
            try process.run()
        }

        /// The first that is printed.
        func begins() -> String {
            String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        }

        func end() throws -> Result {
            let text = try output.fileHandleForReading.readToEnd() ?? Data()
            let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return Result(
                code: process.terminationStatus,
                output: String(decoding: text, as: UTF8.self),
                errors: String(decoding: complaint, as: UTF8.self),
            )
        }
    }

    func begin(_ arguments: String...) throws -> Running { try Running(arguments, server: url) }

    func detnas(_ arguments: String...) throws -> Result {
        try Running(arguments, server: url).end()
    }
}

@Suite(.serialized) struct CommandLineTests {
    @Test func `wait exits as the jobs ended, and with other numbers where it does not know`()
        throws
    {
        let daemon = try FakeDaemon()
        let good = try daemon.submit("result", seed: 1)
        let bad = try daemon.submit("fail bad_data false", seed: 2)
        let endless = try daemon.submit("until_told; result", seed: 3)
        #expect(try daemon.detnas("wait", good).code == 0)
        let failed = try daemon.detnas("wait", good, bad)
        #expect(failed.code == 1 && failed.output == "\(good) succeeded\n\(bad) failed\n")
        #expect(try daemon.detnas("wait", endless, "--timeout", "0.2").code == 3)
        #expect(try daemon.detnas("cancel", endless, "--now").code == 0)
        #expect(try daemon.detnas("wait", endless).code == 2)
        for command in ["wait", "watch", "show", "events", "logs", "pause"] {
            for id in ["job_01jd2y3m6v0000000000000000", "a b"] {
                let unknown = try daemon.detnas(command, id)
                #expect(unknown.code == 66, "\(command) \(unknown)")
                #expect(unknown.errors.contains("there is no job"), "\(unknown)")
            }
        }
        daemon.kill()
        for command in ["wait", "watch"] {
            let gone = try daemon.detnas(command, good, "--patience", "0.5")
            #expect(gone.code == 69 && gone.errors.contains("gave up after"), "\(gone)")
        }
        #expect(try daemon.detnas("ls").code == 69)
    }

    @Test func `following goes on over a restart of the daemon, and tells each event once`() throws
    {
        let daemon = try FakeDaemon()
        let id = try daemon.submit(
            #"event metric '{"step":1,"loss":0.5}'; until_told; event metric '{"step":2,"loss":0.25}'; result"#
        )
        let events = try daemon.begin("events", id, "-f", "--types", "metric")
        let watch = try daemon.begin("watch", id)
        let wait = try daemon.begin("wait", id)
        var seen = events.begins()
        #expect(seen.contains(#""step":1"#))
        daemon.kill()
        Thread.sleep(forTimeInterval: 0.5)
        try daemon.start()
        try daemon.tell(id)
        let end = try events.end()
        seen += end.output
        #expect(end.code == 0, "\(end)")
        #expect(
            seen.split(separator: "\n").filter { $0.contains(#""step""#) }.count == 2,
            "\(seen)",
        )
        #expect(end.errors.components(separatedBy: "trying again").count == 2, "\(end)")
        let words = try watch.end()
        #expect(words.code == 0, "\(words)")
        #expect(words.output.components(separatedBy: "loss 0.5").count == 2, "\(words)")
        #expect(words.output.components(separatedBy: "loss 0.25").count == 2, "\(words)")
        #expect(try wait.end().code == 0)
    }

    @Test func `a log is followed over a restart of the daemon and from one attempt to the next`()
        throws
    {
        let daemon = try FakeDaemon()
        let id = try daemon.submit(
            "echo begin $attempt; until_told; echo end; [ $attempt = 1 ] && fail bad_data false; result"
        )
        let log = try daemon.begin("logs", id, "-f")
        var seen = log.begins()
        daemon.kill()
        try daemon.start()
        try daemon.tell(id)
        let first = try log.end()
        seen += first.output
        #expect(first.code == 1 && seen.hasPrefix("begin 1\nend\n"), "\(seen) \(first)")
        #expect(try daemon.detnas("retry", id, "--from", "start").code == 0)
        let second = try daemon.begin("logs", id, "-f")
        let rest = second.begins()
        let end = try second.end()
        #expect(end.code == 0 && (rest + end.output).hasSuffix("begin 2\nend\n"), "\(rest) \(end)")
        #expect(try daemon.detnas("logs", id, "--tail", "1").output == "end\n")
    }

    @Test func `a job that failed and is tried again is followed to its last end`() throws {
        let daemon = try FakeDaemon()
        let id = try daemon.submit("if [ $attempt = 1 ]; then fail bad_data false; fi; result")
        #expect(try daemon.detnas("watch", id).code == 1)
        #expect(try daemon.detnas("retry", id, "--from", "start").code == 0)
        let found = try daemon.detnas("watch", id)
        #expect(found.code == 0, "\(found)")
        #expect(found.output.contains("failed: as told"), "\(found)")
        #expect(found.output.contains("succeeded"), "\(found)")
        #expect(try daemon.detnas("events", "-f", id).code == 0)
    }

    @Test func `submit says what is wrong where, and follows into a pipe with the id first`() throws
    {
        let daemon = try FakeDaemon()
        let broken = try daemon.write("{\n  \"kind\": }")
        let wrong = try daemon.detnas("submit", broken)
        #expect(wrong.code == 65)
        #expect(wrong.errors.hasPrefix("Error: \(broken):2:11: expected a value"), "\(wrong)")
        let missing = try daemon.detnas("submit", "/nowhere.json")
        #expect(missing.code == 66 && !missing.errors.contains("Usage"), "\(missing)")
        let unknown = try daemon.write(#"{"kind": "supernet.pretrain", "cores": 0}"#)
        let refused = try daemon.detnas("submit", "-f", unknown)
        #expect(refused.code == 65 && refused.errors.contains("/cores"), "\(refused)")
        #expect(try daemon.detnas("submit").code == 64)

        _ = try daemon.submit("result", seed: 5)
        let job = try daemon.write(
            """
            {"kind": "supernet.pretrain", "seed": 5,
             "spec": {"data": {"dataset": "photos"}, "space": "detnas-mini", "training": {"steps": 10}}}
            """
        )
        let followed = try daemon.detnas("submit", "-f", job, "--follow")
        #expect(followed.code == 0, "\(followed)")
        #expect(followed.output.hasPrefix("job_"), "\(followed)")
        #expect(followed.output.contains("succeeded"), "\(followed)")
    }

    @Test func `ls takes labels, pages and JSON; the beginning of an id will do`() throws {
        let daemon = try FakeDaemon()
        let red = try daemon.submit("result", seed: 1, labels: #"{"team": "a b&c"}"#)
        let blue = try daemon.submit("result", seed: 2)
        #expect(try daemon.detnas("wait", red, blue).code == 0)
        let labelled = try daemon.detnas("ls", "--label", "team=a b&c")
        #expect(labelled.output.hasPrefix(red) && !labelled.output.contains(blue), "\(labelled)")
        let one = try daemon.detnas("ls", "--limit", "1")
        #expect(one.output.hasPrefix(blue) && one.errors.contains("--all"), "\(one)")
        for option in [["-o", "json"], ["--json"]] {
            let json = try FakeDaemon.Running(["ls"] + option, server: daemon.url).end()
            let value = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
            let list = (value as? [String: Any])?["data"] as? [[String: Any]]
            #expect(list?.compactMap { $0["id"] as? String } == [blue, red])
        }
        let several = try daemon.detnas("show", "job_")
        #expect(several.code == 64 && several.errors.contains("2 jobs begin with"), "\(several)")
        let short = try daemon.detnas("show", String(red.dropLast(1)))
        let isOne = red.dropLast() != blue.dropLast()
        #expect(!isOne || short.output.contains(red), "\(short)")
        let search = try daemon.detnas("pareto", red, "--plot")
        #expect(search.code == 65 && search.errors.contains("no search.evolution"), "\(search)")
        for command in [["ckpt", "ls"], ["arch", "show"], ["token", "remove", "x"]] {
            let found = try FakeDaemon.Running(command, server: daemon.url).end()
            #expect(found.code != 64, "\(command) \(found)")
        }
    }
}
