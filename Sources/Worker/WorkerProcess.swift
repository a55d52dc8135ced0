// `detnas worker RUNDIR --attempt N`: claims the job, runs its pipeline, and says how it ended.

import CLinux
import Configs
import Foundation
import Jobs
import Pipelines
import SearchSpaces
import Torch

package enum WorkerProcess {
    /// Works on the job of a run directory until it is done or told to stop.
    ///
    /// Pins the process to the job's cores before libtorch starts a thread, and lowers its priority.
    /// - Returns: the exit code: `ExitCode`, or 1 for a failure that `error.json` or the log explains.
    package static func run(directory path: String, attempt: Int) -> Int32 {
        let directory = RunDirectory(path)
        do {
            let job = try directory.readJob()
            if directory.result() != nil { return ExitCode.done }
            StopSignal.listen()
            bind(to: job.cores)
            let epoch = try directory.claimEpoch()
            let run = try WorkerRun(job, epoch)
            let heart = Heartbeat(run)
            defer { heart.stop() }
            return work(job, run)
        } catch {
            try? FileHandle.standardError.write(
                contentsOf: Data("detnas worker: \(path): \(error)\n".utf8)
            )
            return explanation(of: error).code == "disk_full" ? ExitCode.noRoom : 1
        }
    }

    /// Measures what the job of a run directory would take, and leaves that there; of the job itself nothing is left.
    ///
    /// - Returns: 0, or 1 where not even that could be written.
    package static func measure(directory path: String) -> Int32 {
        let directory = RunDirectory(path)
        do {
            let job = try directory.readJob()
            bind(to: job.cores)
            let scratch = URL(filePath: path).appending(path: "scratch")
            try Files.makeFolder(scratch.path)
            defer { try? FileManager.default.removeItem(at: scratch) }
            do {
                let trial = Trial(
                    try inputs(of: job),
                    seed: UInt64(bitPattern: Int64(job.seed)),
                    cores: job.cores,
                    device: job.device,
                    datasetRoots: job.datasetRoots.map { URL(filePath: $0) },
                    folder: scratch,
                ) { core in
                    _ = withUnsafePointer(to: Int32(core)) { cl_set_affinity($0, 1) }
                }
                let report = try trial.run(spec(of: job))
                try directory.write(
                    TrialFile(report: .object(report), peakMemoryBytes: peakMemory())
                )
            } catch {
                try directory.write(TrialFile(error: explanation(of: error)))
            }
            return 0
        } catch {
            FileHandle.standardError.write(Data("detnas worker: \(path): \(error)\n".utf8))
            return 1
        }
    }

    /// The most memory that this process has had in use at once, bytes.
    private static func peakMemory() -> Int? {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
        return usage.ru_maxrss * 1024
    }

    private static func bind(to cores: [Int]) {
        let wanted = cores.map(Int32.init)
        let problem = wanted.withUnsafeBufferPointer {
            cl_set_affinity($0.baseAddress, Int32($0.count))
        }
        if problem != 0 {
            let text = "detnas worker: cores \(cores): \(String(cString: strerror(problem)))\n"
            FileHandle.standardError.write(Data(text.utf8))
        }
        _ = cl_set_nice(10)
        setenv("OMP_NUM_THREADS", "\(max(1, cores.count))", 1)
        // Threads that spin while they wait for each other fall to a tenth of their speed on a busy machine.
        setenv("OMP_WAIT_POLICY", "passive", 0)
        setenv("MKL_NUM_THREADS", "\(max(1, cores.count))", 1)
    }

    private static func work(_ job: JobFile, _ run: WorkerRun) -> Int32 {
        do {
            defer { run.releaseReserve() }
            let result = try Pipeline.run(spec(of: job), inputs(of: job), run)
            guard !run.epoch.isSuperseded else { return ExitCode.superseded }
            try run.epoch.write(ResultFile(outputs: try outputs(of: result)))
            return ExitCode.done
        } catch RunError.stopped {
            // An event that could not be written stops a run too.
            if let failure = run.failedEvent { return fail(failure, run) }
            return ExitCode.stopped
        } catch is Superseded {
            return ExitCode.superseded
        } catch {
            return fail(error, run)
        }
    }

    private static func fail(_ error: any Error, _ run: WorkerRun) -> Int32 {
        var file = explanation(of: error)
        // Where the server keeps its data is nobody's business.
        let folder = URL(filePath: run.epoch.path).deletingLastPathComponent().path
        file.message = file.message.replacing(folder + "/", with: "")
        // What cannot be said on a full disk is said by the exit code.
        try? FileHandle.standardError.write(
            contentsOf: Data("detnas worker: \(file.message)\n".utf8)
        )
        do {
            if !run.epoch.isSuperseded { try run.epoch.write(file) }
            return 1
        } catch {
            return file.code == "disk_full" ? ExitCode.noRoom : 1
        }
    }

    private static func spec(of job: JobFile) throws -> JobSpec {
        switch JobSpec.resolve(kind: job.kind, job.spec) {
        case .success(let spec): return spec
        case .failure(let violations):
            throw RunError.badData("job.json: \(violations)")
        }
    }

    private static func inputs(of job: JobFile) throws -> RunInputs {
        var inputs = RunInputs()
        if let checkpoint = job.inputs.checkpoint {
            guard try SHA256.digest(file: URL(filePath: checkpoint.path)).hex == checkpoint.sha256
            else {
                throw RunError.badCheckpoint("\(checkpoint.path) is not the file that was named")
            }
            inputs.checkpoint = URL(filePath: checkpoint.path)
            inputs.checkpointDigest = checkpoint.sha256
        }
        func read(_ architecture: InputArchitecture) throws -> (SearchSpace, Genome) {
            let space = try JSONDecoder().decode(
                SearchSpace.self,
                from: Data(architecture.space.canonical.utf8),
            )
            return (space, try Genome(parsing: architecture.genome, in: space))
        }
        inputs.architecture = try job.inputs.architecture.map(read)
        inputs.architectures = try (job.inputs.architectures ?? []).map(read)
        return inputs
    }

    private static func outputs(of result: RunResult) throws -> JobOutputs {
        let checkpoint = result.checkpoint.map { stored in
            CheckpointFile(
                name: stored.name,
                path: path(inRun: stored.url),
                kind: stored.kind,
                step: stored.step,
                sha256: stored.sha256,
                bytes: stored.bytes,
            )
        }
        let architectures = try result.architectures.map {
            try JSONDecoder().decode(FoundArchitecture.self, from: Data($0.canonical.utf8))
        }
        return JobOutputs(
            checkpoint: checkpoint,
            architectures: architectures.isEmpty ? nil : architectures,
            metrics: .object(result.metrics),
            files: result.files.isEmpty ? nil : result.files.map(output),
        )
    }

    private static func output(_ file: StoredFile) -> OutputFile {
        OutputFile(
            name: file.name,
            path: path(inRun: file.url),
            sha256: file.sha256,
            bytes: file.bytes,
        )
    }

    /// Relative to the run directory: an epoch, a folder, a file.
    private static func path(inRun url: URL) -> String {
        url.pathComponents.suffix(3).joined(separator: "/")
    }

    private static func explanation(of error: any Error) -> ErrorFile {
        switch error {
        case RunError.notFinite(let step, _):
            return ErrorFile(
                code: "nan_loss",
                message: "\(error)",
                retriable: false,
                step: step,
            )
        // When there is room again the job goes on; until then the queue waits.
        case RunError.diskFull:
            return ErrorFile(code: "disk_full", message: "\(error)", retriable: true)
        case let error as RunError:
            return ErrorFile(code: error.code, message: "\(error)", retriable: false)
        case let error as FileError where error.isDiskFull:
            return ErrorFile(code: "disk_full", message: "\(error)", retriable: true)
        case let error as CocoaError where error.code == .fileWriteOutOfSpace:
            return ErrorFile(code: "disk_full", message: "\(error)", retriable: true)
        case let error as TorchError:
            return ErrorFile(code: "internal", message: "\(error)", retriable: false)
        default:
            return ErrorFile(code: "internal", message: "\(error)", retriable: true)
        }
    }
}

/// Says every five seconds that the process lives, whatever its threads are doing.
///
/// Sendable: `condition` guards `stopped`.
private final class Heartbeat: @unchecked Sendable {
    private let condition = NSCondition()
    private var stopped = false

    init(_ run: WorkerRun) {
        let thread = Thread { [self] in
            while !wait(seconds: 5) { run.emit("heartbeat", [:]) }
        }
        thread.name = "heartbeat"
        thread.start()
    }

    private func wait(seconds: Double) -> Bool {
        condition.withLock {
            let end = Date(timeIntervalSinceNow: seconds)
            while !stopped, condition.wait(until: end) {}
            return stopped
        }
    }

    func stop() {
        condition.withLock {
            stopped = true
            condition.broadcast()
        }
    }
}
