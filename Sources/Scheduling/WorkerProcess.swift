// One worker process: started here, or found alive after the server was restarted.

internal import CLinux
internal import Foundation
internal import Glibc
internal import Jobs

/// What to start for a job; the run directory and `--attempt N` are added.
package struct WorkerCommand: Sendable {
    package var executable: String
    /// With the name of the program first.
    package var arguments: [String]

    package init(executable: String, arguments: [String]) {
        self.executable = executable
        self.arguments = arguments
    }

    /// This program, also when its file was replaced since it was started.
    package static let itself = WorkerCommand(
        executable: "/proc/self/exe",
        arguments: ["detnas", "worker"],
    )

    /// The variables that reach a worker.
    package static func environment(
        from all: [String: String] = ProcessInfo.processInfo.environment
    ) -> [String: String] {
        let kept: Set = [
            "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LIBTORCH", "LD_LIBRARY_PATH",
            "CUDA_VISIBLE_DEVICES",
        ]
        // The token is for commands that call a server.
        return all.filter {
            kept.contains($0.key) || ($0.key.hasPrefix("DETNAS_") && $0.key != "DETNAS_TOKEN")
        }
    }
}

/// A process that this object can watch and signal without ever meaning another one: a pidfd is bound to it.
final class WorkerProcess: Sendable {
    let pid: Int32
    /// Clock ticks since boot; with `pid` it names the process for as long as the machine is up.
    let start: UInt64
    private let descriptor: Int32

    private init(pid: Int32, start: UInt64, descriptor: Int32) {
        self.pid = pid
        self.start = start
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Starts the worker of attempt `n`; what it prints goes to its log.
    static func spawn(
        _ command: WorkerCommand,
        run: RunDirectory,
        attempt n: Int,
    ) throws(FileError) -> WorkerProcess {
        try spawn(command, run, ["--attempt", "\(n)"], log: run.logPath(attempt: n))
    }

    /// Starts a worker on `run` with more arguments.
    static func spawn(
        _ command: WorkerCommand,
        _ run: RunDirectory,
        _ more: [String],
        log: String,
    ) throws(FileError) -> WorkerProcess {
        let arguments = command.arguments + [run.path] + more
        let environment = WorkerCommand.environment().map { "\($0.key)=\($0.value)" }
        var pid: pid_t = 0
        let error = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                cl_spawn(
                    command.executable,
                    arguments,
                    environment,
                    log,
                    &pid,
                )
            }
        }
        guard error == 0 else { throw FileError("start", command.executable, errno: error) }
        guard let process = WorkerProcess(of: pid) else {
            throw FileError("watch", command.executable, errno: ESRCH)
        }
        return process
    }

    /// The worker of `job` that is still alive: the recorded process, or, when the server died before it could
    /// record it, whichever process names the job's run directory on its command line.
    static func find(_ job: JobID, pid: Int?, start: Int64?) -> WorkerProcess? {
        if let pid, let start, let process = alive(Int32(truncatingIfNeeded: pid), job),
            process.start == UInt64(bitPattern: start)
        {
            return process
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.lazy.compactMap(Int32.init).filter { $0 != getpid() }
            .compactMap { alive($0, job) }.first
    }

    private static func alive(_ pid: Int32, _ job: JobID) -> WorkerProcess? {
        guard commandLine(pid).contains(where: { $0.hasSuffix("/runs/\(job)") }),
            let process = WorkerProcess(of: pid),
            // Asked again, now that the descriptor holds the process: it is this one.
            commandLine(pid).contains(where: { $0.hasSuffix("/runs/\(job)") }),
            !process.hasEnded(within: 0)
        else { return nil }
        return process
    }

    private static func commandLine(_ pid: Int32) -> [Substring] {
        let file = try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)
        return file?.split(separator: "\0") ?? []
    }

    private convenience init?(of pid: Int32) {
        var descriptor: Int32 = -1
        guard cl_pidfd_open(pid, &descriptor) == 0 else { return nil }
        var start: UInt64 = 0
        var state: CChar = 0
        guard cl_process(pid, &start, &state) == 0 else {
            close(descriptor)
            return nil
        }
        self.init(pid: pid, start: start, descriptor: descriptor)
    }

    /// Waits until the process has ended, at most `seconds`.
    func hasEnded(within seconds: Double) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, Int32(seconds * 1000)) > 0
    }

    func signal(_ number: Int32) {
        // It may have ended meanwhile: then there is nothing to do.
        _ = cl_pidfd_signal(descriptor, number)
    }

    /// Ends the process and all that it started.
    func kill() {
        signal(SIGKILL)
        Glibc.kill(-pid, SIGKILL)
    }

    /// How it ended. Processes that it left behind are ended too. To be called once, after `hasEnded`.
    func reap() -> WorkerExit {
        // Its pid still means its group: a process that ended keeps it until it is waited for.
        Glibc.kill(-pid, SIGKILL)
        var status: Int32 = 0
        guard waitpid(pid, &status, 0) == pid else { return .unknown }
        return status & 0x7f == 0 ? .code((status >> 8) & 0xff) : .signal(status & 0x7f)
    }
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result,
) -> Result {
    var copies = strings.map { strdup($0) }
    copies.append(nil)
    defer { for copy in copies { free(copy) } }
    return copies.withUnsafeBufferPointer { buffer in
        // Never empty: the null is in it.
        guard let base = buffer.baseAddress else { preconditionFailure("an empty array") }
        return body(base)
    }
}

package enum Machine {
    /// The cores that this process may use, ascending.
    package static func cores() -> [Int] {
        var cores = [Int32](repeating: 0, count: 8192)
        var count: Int32 = 0
        guard cl_get_affinity(&cores, Int32(cores.count), &count) == 0 else { return [0] }
        return cores.prefix(Int(count)).map(Int.init)
    }
}
