// What a pipeline asks of the process that it runs in. It knows no job, no server and no signal.

package import Configs
package import Foundation
import SearchSpaces

/// Why a run ended without a result.
package enum RunError: Error, CustomStringConvertible {
    /// A stop was asked for; a checkpoint was written.
    case stopped
    /// The data, or too much of it, cannot be used.
    case badData(String)
    /// A loss was infinite or not a number; the last checkpoint is good.
    case notFinite(step: Int, images: [String])
    case badCheckpoint(String)
    case impossibleLimit(String)
    /// An architecture that was asked for is none of the space, or costs too much.
    case badArchitecture(String)
    /// Too many candidates of a search could not be scored.
    case candidatesFailed(String)
    case diskFull(String)

    /// The code that users see.
    package var code: String {
        switch self {
        case .stopped: "stopped"
        case .badData: "bad_data"
        case .notFinite: "nan_loss"
        case .badCheckpoint: "bad_checkpoint"
        case .impossibleLimit: "impossible_limit"
        case .badArchitecture: "bad_architecture"
        case .candidatesFailed: "candidates_failed"
        case .diskFull: "disk_full"
        }
    }

    package var description: String {
        switch self {
        case .stopped: "stopped on request"
        case .badData(let message), .badCheckpoint(let message), .impossibleLimit(let message),
            .badArchitecture(let message), .candidatesFailed(let message), .diskFull(let message):
            message
        case .notFinite(let step, let images):
            "the loss of step \(step) is not finite; the batch was \(images.joined(separator: ", "))"
        }
    }
}

/// A checkpoint that was written and made visible.
package struct StoredCheckpoint: Sendable {
    package var name: String
    package var url: URL
    package var step: Int
    package var kind: String
    package var sha256: String
    package var bytes: Int

    package init(
        name: String,
        url: URL,
        step: Int,
        kind: String,
        sha256: String,
        bytes: Int,
    ) {
        self.name = name
        self.url = url
        self.step = step
        self.kind = kind
        self.sha256 = sha256
        self.bytes = bytes
    }
}

/// A file that a run leaves beside its checkpoints.
package struct StoredFile: Sendable {
    /// One file name, unique in its run.
    package var name: String
    package var url: URL
    package var sha256: String
    package var bytes: Int

    package init(name: String, url: URL, sha256: String, bytes: Int) {
        self.name = name
        self.url = url
        self.sha256 = sha256
        self.bytes = bytes
    }

    /// What lies at `url`.
    package init(name: String, at url: URL) throws {
        let size = try FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int
        self.init(
            name: name,
            url: url,
            sha256: try SHA256.digest(file: url).hex,
            bytes: size ?? 0,
        )
    }
}

/// The process around a run: where events and checkpoints go, and what was left by an earlier try.
package protocol RunContext: AnyObject, Sendable {
    var seed: UInt64 { get }
    /// One entry for each core that the run may use.
    var cores: [Int] { get }
    /// `cpu`, `cuda`, `cuda:n` or `auto`.
    var device: String { get }
    /// The folders under which data sets are looked up by name.
    var datasetRoots: [URL] { get }
    /// Whether the run shall write a checkpoint and end.
    var stopRequested: Bool { get }

    /// Whether a checkpoint was asked for since this was asked last.
    func takeCheckpointOrder() -> Bool

    /// How much time is at least between two events that tell how far the run is.
    var progressInterval: Duration { get }

    /// Appends an event. Any thread may call it.
    func emit(_ type: String, _ data: JSONValue)

    /// Calls `write` with a fresh place, then makes what it wrote visible as the newest checkpoint.
    func commit(
        name: String,
        step: Int,
        kind: String,
        final: Bool,
        _ write: (URL) throws -> (sha256: String, bytes: Int),
    ) throws -> StoredCheckpoint

    /// Calls `write` with a fresh place, then makes what it wrote visible as a file of the run.
    ///
    /// - Parameter name: ASCII letters, digits, `-`, `_` and `.`.
    func keep(_ name: String, _ write: (URL) throws -> Void) throws -> StoredFile

    /// The newest whole checkpoint that an earlier try left.
    func resumable() throws -> URL?

    /// The lines of the candidates that earlier tries evaluated, in order.
    func earlierCandidates() throws -> [Data]
    /// Appends a line to the journal of candidates.
    func journal(_ line: Data) throws

    /// The genomes that joined the search while it ran, by generation.
    func joined() throws -> [Int: [String]]
    /// The genomes that were handed in since this was asked last, at most `most`, which from now on are `joined` at
    /// this generation.
    func join(_ generation: Int, most: Int) throws -> [String]

    /// Binds the calling thread to one of `cores`.
    func pin(to core: Int)
}

extension RunContext {
    package func takeCheckpointOrder() -> Bool { false }
    package func joined() -> [Int: [String]] { [:] }
    package func join(_ generation: Int, most: Int) -> [String] { [] }
    package var progressInterval: Duration { .seconds(1) }
}

/// What a finished run leaves.
package struct RunResult: Sendable {
    package var checkpoint: StoredCheckpoint?
    package var architectures: [JSONValue] = []
    /// In the order in which they were made.
    package var files: [StoredFile] = []
    package var metrics: [String: JSONValue] = [:]

    package init() {}
}
