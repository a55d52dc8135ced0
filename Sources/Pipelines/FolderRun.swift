// A run without a server: its files lie in one folder, and its events go to a closure.

package import Configs
package import Foundation

/// The process around a run that a person started. A run whose folder holds its final checkpoint is done.
///
/// Sendable: everything is set in `init` but the journal, which one thread writes.
package final class FolderRun: RunContext, @unchecked Sendable {
    package let seed: UInt64
    package let cores: [Int]
    package let device: String
    package let datasetRoots: [URL]
    package let progressInterval: Duration
    package var stopRequested: Bool { shouldStop() }
    private let shouldStop: @Sendable () -> Bool
    private let folder: URL
    private let report: @Sendable (String, JSONValue) -> Void
    private let bind: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - progressInterval: see `RunContext`.
    ///   - shouldStop: whether the run shall write a checkpoint and end; called from any thread, as the other two.
    ///   - bind: binds the calling thread to a core.
    ///   - report: gets every event.
    package init(
        folder: URL,
        seed: UInt64,
        cores: [Int],
        device: String = "cpu",
        datasetRoots: [URL],
        progressInterval: Duration = .seconds(1),
        shouldStop: @escaping @Sendable () -> Bool = { false },
        bind: @escaping @Sendable (Int) -> Void = { _ in },
        report: @escaping @Sendable (String, JSONValue) -> Void = { _, _ in },
    ) throws {
        self.folder = folder
        self.seed = seed
        self.cores = cores
        self.device = device
        self.datasetRoots = datasetRoots
        self.progressInterval = progressInterval
        self.shouldStop = shouldStop
        self.bind = bind
        self.report = report
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    package func emit(_ type: String, _ data: JSONValue) { report(type, data) }

    package func commit(
        name: String,
        step: Int,
        kind: String,
        final: Bool,
        _ write: (URL) throws -> (sha256: String, bytes: Int),
    ) throws -> StoredCheckpoint {
        let url = folder.appending(path: "\(name).safetensors")
        let (sha256, bytes) = try write(url)
        return StoredCheckpoint(
            name: name,
            url: url,
            step: step,
            kind: kind,
            sha256: sha256,
            bytes: bytes,
        )
    }

    package func keep(_ name: String, _ write: (URL) throws -> Void) throws -> StoredFile {
        let url = folder.appending(path: name)
        try write(url)
        return try StoredFile(name: name, at: url)
    }

    /// The checkpoint whose name comes last: `step-...`, or `final` of the last stage.
    package func resumable() throws -> URL? {
        let files = try FileManager.default.contentsOfDirectory(
            at: folder,
            includingPropertiesForKeys: nil,
        ).filter { $0.pathExtension == "safetensors" }
        return files.first { $0.lastPathComponent == "final.safetensors" }
            ?? files.max { $0.lastPathComponent < $1.lastPathComponent }
    }

    /// The whole lines that an earlier run left; what a killed one wrote of a line is cut off.
    package func earlierCandidates() throws -> [Data] {
        guard let whole = try? Data(contentsOf: candidates) else { return [] }
        let kept = whole.lastIndex(of: UInt8(ascii: "\n")).map { whole[...$0] } ?? Data()
        // The search writes them again as it goes through them.
        try Data().write(to: candidates)
        return kept.split(separator: UInt8(ascii: "\n"))
    }

    package func journal(_ line: Data) throws {
        if !FileManager.default.fileExists(atPath: candidates.path) {
            try Data().write(to: candidates)
        }
        let file = try FileHandle(forWritingTo: candidates)
        defer { try? file.close() }
        try file.seekToEnd()
        try file.write(contentsOf: line)
    }

    private var candidates: URL { folder.appending(path: "candidates.jsonl") }

    package func pin(to core: Int) { bind(core) }
}
