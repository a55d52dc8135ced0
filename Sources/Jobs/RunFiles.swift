// The JSON files of a run directory, as values. The server writes `job.json`, the worker the others.

package import Configs

/// `job.json`: everything that a worker is told. It reads nothing else of the server's.
package struct JobFile: Codable, HoldsJSON, Equatable, Sendable {
    package static let currentFormat = 1

    package var format = JobFile.currentFormat
    package var id: JobID
    package var kind: JobKind
    package var seed: Int
    package var device: String
    package var cores: [Int]
    /// Resolved: every default filled in.
    package var spec: JSONValue
    package var inputs: JobInputs
    /// Absolute paths; a data set is a folder in one of them.
    package var datasetRoots: [String]
    package var restart: Restart?

    package init(job: Job, cores: [Int], inputs: JobInputs, datasetRoots: [String]) {
        id = job.id
        kind = job.kind
        seed = job.seed
        device = job.device
        self.cores = cores
        spec = job.spec
        restart = job.restart
        self.inputs = inputs
        self.datasetRoots = datasetRoots
    }
}

/// What the references in a spec stand for.
package struct JobInputs: Codable, Equatable, Sendable {
    package var checkpoint: InputCheckpoint?
    package var architecture: InputArchitecture?
    /// Of a job that names several, in the order of its spec.
    package var architectures: [InputArchitecture]?

    package init(checkpoint: InputCheckpoint? = nil, architecture: InputArchitecture? = nil) {
        self.checkpoint = checkpoint
        self.architecture = architecture
    }

    /// What of it a job keeps, which is stored anew at each of its events: without the spaces.
    package var names: JobInputs {
        var names = self
        names.architecture?.space = .null
        names.architectures = architectures?.map {
            InputArchitecture(space: .null, genome: $0.genome)
        }
        return names
    }
}

package struct InputCheckpoint: Codable, Equatable, Sendable {
    /// Absolute.
    package var path: String
    package var sha256: String
    package var kind: String

    package init(path: String, sha256: String, kind: String) {
        self.path = path
        self.sha256 = sha256
        self.kind = kind
    }
}

package struct InputArchitecture: Codable, Equatable, Sendable {
    /// The JSON of a `SearchSpace`.
    package var space: JSONValue
    package var genome: String

    package init(space: JSONValue, genome: String) {
        self.space = space
        self.genome = genome
    }
}

/// A checkpoint that lies in the run directory: `checkpoint.json`, and `outputs.checkpoint` of a result.
package struct CheckpointFile: Codable, Equatable, Sendable {
    package var name: String
    /// Relative to the run directory, such as `epoch-1/checkpoints/step-100.safetensors`.
    package var path: String
    package var kind: String
    package var step: Int
    /// 64 hexadecimal digits.
    package var sha256: String
    package var bytes: Int

    package init(
        name: String,
        path: String,
        kind: String,
        step: Int,
        sha256: String,
        bytes: Int,
    ) {
        self.name = name
        self.path = path
        self.kind = kind
        self.step = step
        self.sha256 = sha256
        self.bytes = bytes
    }
}

/// A file that a job leaves beside its checkpoints.
package struct OutputFile: Codable, Equatable, Sendable {
    /// ASCII letters, digits, `-`, `_` and `.`; unique in its job.
    package var name: String
    /// Relative to the run directory, such as `epoch-1/files/detections.json`.
    package var path: String
    /// 64 hexadecimal digits.
    package var sha256: String
    package var bytes: Int

    package init(name: String, path: String, sha256: String, bytes: Int) {
        self.name = name
        self.path = path
        self.sha256 = sha256
        self.bytes = bytes
    }
}

/// An architecture that a job found, in the order of merit.
package struct FoundArchitecture: Codable, Equatable, Sendable {
    package var genome: String
    package var space: JSONValue
    package var macs: Int
    package var params: Int
    package var score: Double?
    /// `arch_` and 16 hexadecimal digits.
    package var hash: String

    package init(
        genome: String,
        space: JSONValue,
        macs: Int,
        params: Int,
        score: Double?,
        hash: String,
    ) {
        self.genome = genome
        self.space = space
        self.macs = macs
        self.params = params
        self.score = score
        self.hash = hash
    }
}

/// What a job leaves behind.
package struct JobOutputs: Codable, Equatable, Sendable {
    package var checkpoint: CheckpointFile?
    package var architectures: [FoundArchitecture]?
    package var metrics: JSONValue?
    package var files: [OutputFile]?

    package init(
        checkpoint: CheckpointFile? = nil,
        architectures: [FoundArchitecture]? = nil,
        metrics: JSONValue? = nil,
        files: [OutputFile]? = nil,
    ) {
        self.checkpoint = checkpoint
        self.architectures = architectures
        self.metrics = metrics
        self.files = files
    }
}

/// `result.json`, written last of all: the job is done.
package struct ResultFile: Codable, Equatable, Sendable {
    package var outputs: JobOutputs
    package init(outputs: JobOutputs) { self.outputs = outputs }
}

/// `error.json`: why the worker gave up.
package struct ErrorFile: Codable, Equatable, Sendable {
    package var code: String
    package var message: String
    package var retriable: Bool
    package var step: Int?

    package init(code: String, message: String, retriable: Bool, step: Int? = nil) {
        self.code = code
        self.message = message
        self.retriable = retriable
        self.step = step
    }
}

/// `trial.json`: what a job would take, or why that could not be measured.
package struct TrialFile: Codable, Equatable, Sendable {
    package var report: JSONValue?
    /// The most memory that the process had at once, bytes.
    package var peakMemoryBytes: Int?
    package var error: ErrorFile?
    /// Where it was measured, and how many of the server's cores had a job then. Filled in by the server.
    package var cores: [Int]?
    package var busyCores: Int?

    package init(
        report: JSONValue? = nil,
        peakMemoryBytes: Int? = nil,
        error: ErrorFile? = nil,
    ) {
        self.report = report
        self.peakMemoryBytes = peakMemoryBytes
        self.error = error
    }
}
