// The whole contract between the server and a worker: one folder a job, one folder an attempt to work on it.
//
// A worker claims `epoch-K` by making it (atomic, on NFS too) and looks for a higher one before each commit.
// Whoever finds one stops: a job that was started twice has one writer that counts, the newest.

import Foundation
import Glibc

/// `runs/<job id>/`.
package struct RunDirectory: Hashable, Sendable {
    /// Absolute.
    package let path: String

    package init(_ path: String) { self.path = path }

    package var jobPath: String { path + "/job.json" }

    /// What attempt `n`'s process prints before it has claimed an epoch, and after.
    package func logPath(attempt n: Int) -> String { "\(path)/worker-\(n).log" }

    /// The absolute path of `relative`, a path as checkpoints carry it.
    /// - Returns: nil for one that is absolute or leads out of the folder.
    package func resolve(_ relative: String) -> String? {
        let scalars = relative.unicodeScalars
        let parts = scalars.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else { return nil }
        return path + "/" + relative
    }

    package func writeJob(_ file: JobFile) throws {
        try Files.makeFolder(path)
        try Files.replace(jobPath, with: JSON.data(file))
    }

    package func readJob() throws -> JobFile {
        try JSON.read(JobFile.self, from: Data(contentsOf: URL(filePath: jobPath)))
    }

    /// The epochs that were claimed, oldest first.
    package func epochs() -> [Epoch] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.compactMap { name in
            guard name.hasPrefix("epoch-"), let number = Int(name.dropFirst(6)), number > 0 else {
                return nil
            }
            return Epoch(number: number, run: self)
        }
        .sorted { $0.number < $1.number }
    }

    /// Makes the folder of the next epoch, with its `checkpoints/`. Of two that call at once each gets its own.
    package func claimEpoch() throws(FileError) -> Epoch {
        var number = (epochs().last?.number ?? 0) + 1
        while true {
            let epoch = Epoch(number: number, run: self)
            if mkdir(epoch.path, 0o755) == 0 {
                try Files.makeFolder(epoch.checkpointsPath)
                try Files.sync(path)
                return epoch
            }
            guard errno == EEXIST else { throw FileError("make", epoch.path) }
            number += 1
        }
    }

    /// Makes epoch `number` an old one, without anything in it, so that the next one is another.
    package func fillEpoch(_ number: Int) throws(FileError) {
        try Files.makeFolder(Epoch(number: number, run: self).path)
    }

    /// The newest checkpoint to resume from: of the highest epoch whose `checkpoint.json` is whole and whose
    /// file is there with the right size. (Whoever loads it checks the hash.)
    ///
    /// - Parameter first: what this epoch and those before it left does not count.
    package func newestCheckpoint(after first: Int = 0) -> CheckpointFile? {
        for epoch in epochs().reversed() where epoch.number > first {
            guard let file: CheckpointFile = read(epoch.checkpointPath),
                let path = resolve(file.path), size(of: path) == file.bytes
            else { continue }
            return file
        }
        return nil
    }

    /// The result, when some epoch has a whole one: then the job is done whatever else happened.
    package func result() -> ResultFile? {
        epochs().reversed().lazy.compactMap { read($0.resultPath) }.first
    }

    /// Why the newest epoch gave up, if it did.
    package func error(after epoch: Int = 0) -> ErrorFile? {
        guard let last = epochs().last, last.number > epoch else { return nil }
        return read(last.errorPath)
    }

    /// Asks the worker for a checkpoint after its step.
    package func orderCheckpoint() throws {
        // A job is running a moment before its folder is made.
        try Files.makeFolder(path)
        try Files.replace(checkpointOrder, with: Data())
    }

    /// Whether a checkpoint was asked for; it no longer is then.
    package func takeCheckpointOrder() -> Bool { unlink(checkpointOrder) == 0 }

    private var checkpointOrder: String { path + "/checkpoint-order" }

    /// Hands genomes in to a search, which takes them for a generation that it has not begun.
    package func handIn(_ genomes: [String]) throws {
        try Files.makeFolder(seedsPath)
        try Files.replace("\(seedsPath)/asked-\(ULID.make()).json", with: JSON.data(genomes))
    }

    /// The genomes that joined the search while it ran, by generation.
    package func joined() throws -> [Int: [String]] {
        var found: [Int: [String]] = [:]
        for name in seedFiles("generation-") {
            guard let number = Int(name.dropFirst(11).dropLast(5)) else { continue }
            found[number] = try readSeeds(name)
        }
        return found
    }

    /// What was handed in since, in the order in which it came, at most `most`: from now on `joined` at `generation`.
    ///
    /// A crash in the middle may let some join again later, where a search passes over them.
    package func join(_ generation: Int, most: Int) throws -> [String] {
        var genomes: [String] = []
        var taken: [String] = []
        for name in seedFiles("asked-") {
            let more = try readSeeds(name)
            guard genomes.count + more.count <= most else { break }
            genomes += more
            taken.append(name)
        }
        guard !taken.isEmpty else { return [] }
        try Files.replace("\(seedsPath)/generation-\(generation).json", with: JSON.data(genomes))
        for name in taken { unlink("\(seedsPath)/\(name)") }
        return genomes
    }

    private var seedsPath: String { path + "/seeds" }

    private func seedFiles(_ prefix: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: seedsPath)) ?? []
        return names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(".json") }.sorted()
    }

    private func readSeeds(_ name: String) throws -> [String] {
        try JSON.read([String].self, from: Data(contentsOf: URL(filePath: "\(seedsPath)/\(name)")))
    }

    /// What a trial in this folder found out.
    package func trial() -> TrialFile? { read(trialPath) }

    package func write(_ file: TrialFile) throws {
        try Files.replace(trialPath, with: JSON.data(file))
    }

    private var trialPath: String { path + "/trial.json" }

    private func size(of path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }

    private func read<File: Decodable>(_ path: String) -> File? {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return nil }
        return try? JSON.read(File.self, from: data)
    }
}

/// `runs/<job id>/epoch-K/`: what one worker process wrote.
package struct Epoch: Hashable, Sendable {
    package let number: Int
    package let run: RunDirectory

    package var path: String { "\(run.path)/epoch-\(number)" }
    package var eventsPath: String { path + "/events.jsonl" }
    package var checkpointsPath: String { path + "/checkpoints" }
    package var checkpointPath: String { path + "/checkpoint.json" }
    package var candidatesPath: String { path + "/candidates.jsonl" }
    /// What the job leaves beside its checkpoints: pictures, lists.
    package var filesPath: String { path + "/files" }
    package var resultPath: String { path + "/result.json" }
    package var errorPath: String { path + "/error.json" }

    /// Whether another worker has claimed the job since: then this one must write nothing more.
    package var isSuperseded: Bool { (run.epochs().last?.number ?? 0) > number }

    package func write(_ file: CheckpointFile) throws {
        try Files.replace(checkpointPath, with: JSON.data(file))
    }

    package func write(_ file: ResultFile) throws {
        try Files.replace(resultPath, with: JSON.data(file))
    }

    package func write(_ file: ErrorFile) throws {
        try Files.replace(errorPath, with: JSON.data(file))
    }
}

/// Appends to `events.jsonl`: each event is one `write` of one line, so that a reader never meets two mixed.
///
/// `@unchecked Sendable`: `lock` guards the descriptor's use.
package final class EventLog: @unchecked Sendable {
    private let path: String
    private let descriptor: Int32
    private let lock = NSLock()

    package init(_ epoch: Epoch) throws(FileError) {
        path = epoch.eventsPath
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileError("open", path) }
    }

    deinit { close(descriptor) }

    package func append(_ event: NewEvent) throws {
        let line = try JSON.data(event) + Data([UInt8(ascii: "\n")])
        try lock.withLock { try Files.writeAll(line, to: descriptor, path: path) }
    }

    /// Makes what was appended survive a power cut.
    package func sync() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw FileError("sync", path) }
    }
}
