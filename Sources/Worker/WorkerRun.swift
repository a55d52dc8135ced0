// One attempt at one job: the files that a pipeline's events, checkpoints and candidates become.

import CLinux
import Configs
import Foundation
import Jobs
import Pipelines
import SearchSpaces

/// A newer attempt has claimed the job; this one must write nothing more.
struct Superseded: Error {}

/// Everything a pipeline asks of its process, over one epoch of a run directory.
///
/// Sendable: `lock` guards `failure`, `printing` and the journal; the rest is set in `init`.
final class WorkerRun: RunContext, @unchecked Sendable {
    let seed: UInt64
    let cores: [Int]
    let device: String
    let datasetRoots: [URL]
    let epoch: Epoch
    private let restart: Restart?
    private let events: EventLog
    private let journalFile: FileHandle
    private let lock = NSLock()
    /// The first event that could not be written; the next commit reports it.
    private var failure: (any Error)?
    private var printing = WorkerLog()

    init(_ job: JobFile, _ epoch: Epoch) throws {
        seed = UInt64(bitPattern: Int64(job.seed))
        cores = job.cores
        device = job.device
        datasetRoots = job.datasetRoots.map { URL(filePath: $0) }
        restart = job.restart
        self.epoch = epoch
        events = try EventLog(epoch)
        guard FileManager.default.createFile(atPath: epoch.candidatesPath, contents: nil),
            let file = FileHandle(forWritingAtPath: epoch.candidatesPath)
        else { throw FileError("make", epoch.candidatesPath) }
        journalFile = file
        try Files.replace(reserve, with: Data(count: 4096))
    }

    /// Room set aside so that the end of a run on a full disk can still be written.
    private var reserve: String { epoch.path + "/reserve" }

    func releaseReserve() { unlink(reserve) }

    var stopRequested: Bool { StopSignal.wasReceived || failedEvent != nil }

    func emit(_ type: String, _ data: JSONValue) {
        let event = NewEvent(type, data.object ?? [:])
        do { try events.append(event) } catch { lock.withLock { failure = failure ?? error } }
        // The log is for people: where it cannot be written, the work goes on.
        if let line = lock.withLock({ printing.line(event) }) {
            try? FileHandle.standardOutput.write(contentsOf: Data(line.utf8))
        }
    }

    /// What kept an event from being written.
    var failedEvent: (any Error)? { lock.withLock { failure } }

    /// Throws what kept an event from being written, or that a newer attempt has taken over.
    private func requireCurrent() throws {
        if let failedEvent { throw failedEvent }
        if epoch.isSuperseded { throw Superseded() }
    }

    func commit(
        name: String,
        step: Int,
        kind: String,
        final: Bool,
        _ write: (URL) throws -> (sha256: String, bytes: Int),
    ) throws -> StoredCheckpoint {
        try requireCurrent()
        let relative = "epoch-\(epoch.number)/checkpoints/\(name).safetensors"
        let url = URL(filePath: epoch.run.path).appending(path: relative)
        let (sha256, bytes) = try write(url)
        try requireCurrent()
        try epoch.write(
            CheckpointFile(
                name: name,
                path: relative,
                kind: kind,
                step: step,
                sha256: sha256,
                bytes: bytes,
            )
        )
        emit(
            "checkpoint.created",
            [
                "name": .string(name), "path": .string(relative), "step": .int(Int64(step)),
                "kind": .string(kind), "sha256": .string(sha256), "bytes": .int(Int64(bytes)),
                "final": .bool(final),
            ],
        )
        return StoredCheckpoint(
            name: name,
            url: url,
            step: step,
            kind: kind,
            sha256: sha256,
            bytes: bytes,
        )
    }

    func keep(_ name: String, _ write: (URL) throws -> Void) throws -> StoredFile {
        try requireCurrent()
        try Files.makeFolder(epoch.filesPath)
        let aside = "\(epoch.filesPath)/.\(name).tmp"
        let path = "\(epoch.filesPath)/\(name)"
        do {
            try write(URL(filePath: aside))
            let file = try StoredFile(name: name, at: URL(filePath: aside))
            try Files.publish(aside, to: path)
            try Files.sync(epoch.filesPath)
            return StoredFile(
                name: name,
                url: URL(filePath: path),
                sha256: file.sha256,
                bytes: file.bytes,
            )
        } catch {
            unlink(aside)
            throw error
        }
    }

    func resumable() throws -> URL? {
        let newest = epoch.run.newestCheckpoint(after: restart?.afterEpoch ?? 0)
        if let newest, let path = epoch.run.resolve(newest.path) {
            if try isWhole(path, newest.sha256) { return URL(filePath: path) }
            emit(
                "warning",
                [
                    "code": "damaged_checkpoint",
                    "message": .string(
                        "\(newest.path) is not what was written; the run starts from its beginning"
                    ),
                ],
            )
            return nil
        }
        guard let asked = restart?.checkpoint else { return nil }
        guard try isWhole(asked.path, asked.sha256) else {
            throw RunError.badCheckpoint("\(asked.path) is not the file that was named")
        }
        return URL(filePath: asked.path)
    }

    private func isWhole(_ path: String, _ sha256: String) throws -> Bool {
        try SHA256.digest(file: URL(filePath: path)).hex == sha256
    }

    func takeCheckpointOrder() -> Bool { epoch.run.takeCheckpointOrder() }

    func earlierCandidates() throws -> [Data] {
        // Each attempt begins by writing down what it found, so the longest journal holds them all.
        let first = restart?.afterEpoch ?? 0
        return try epoch.run.epochs().filter {
            $0.number > first && $0.number < epoch.number
        }.map { earlier in
            let path = earlier.candidatesPath
            guard FileManager.default.fileExists(atPath: path) else { return [] }
            let data = try Data(contentsOf: URL(filePath: path))
            let whole = data.lastIndex(of: 10).map { data[...$0] } ?? Data()
            return whole.split(separator: 10).map { Data($0) }
        }.max { $0.count < $1.count } ?? []
    }

    func joined() throws -> [Int: [String]] { try epoch.run.joined() }

    func join(_ generation: Int, most: Int) throws -> [String] {
        try requireCurrent()
        return try epoch.run.join(generation, most: most)
    }

    func journal(_ line: Data) throws {
        try requireCurrent()
        try lock.withLock {
            try Files.writeAll(
                line,
                to: journalFile.fileDescriptor,
                path: epoch.candidatesPath,
            )
        }
    }

    func pin(to core: Int) {
        // A core that was taken away since is no reason to stop: the process stays within its own set.
        _ = withUnsafePointer(to: Int32(core)) { cl_set_affinity($0, 1) }
    }
}

/// The one order that a worker takes.
enum StopSignal {
    private nonisolated(unsafe) static var received: sig_atomic_t = 0

    static var wasReceived: Bool { received != 0 }

    static func listen() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in StopSignal.received = 1 }
        sigaction(SIGTERM, &action, nil)
        // A process inherits what the thread that started it had blocked, which may be everything.
        var order = sigset_t()
        sigemptyset(&order)
        sigaddset(&order, SIGTERM)
        pthread_sigmask(SIG_UNBLOCK, &order, nil)
        signal(SIGINT, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        // A write beyond a limit on file sizes fails then, like one on a full disk.
        signal(SIGXFSZ, SIG_IGN)
    }
}
