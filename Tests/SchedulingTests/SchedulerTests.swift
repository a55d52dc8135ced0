// Jobs through real processes: a fake worker stands in for training.

import Configs
import Foundation
import JobStore
import Jobs
import Scheduling
import TestSupport
import Testing

/// A server without its HTTP part, in a folder of its own.
final class Bench {
    let service: FakeService
    private(set) var store: JobStore
    private(set) var scheduler: Scheduler
    private var settings: Scheduler.Settings
    private let log: ServiceLog

    init(
        slots: Int = 2,
        cores: [Int] = [0, 1],
        log: ServiceLog = .silent,
        _ change: (inout Scheduler.Settings) -> Void = { _ in },
    ) throws {
        service = try FakeService()
        store = try JobStore(folder: service.folder)
        settings = Scheduler.Settings(
            cores: cores,
            slots: slots,
            worker: WorkerCommand(executable: service.executable, arguments: service.command),
            datasetRoots: [DatasetRoot(service.datasets)].compactMap { $0 },
        )
        settings.pollSeconds = 0.02
        settings.retrySeconds = 0.05
        settings.graceSeconds = 5
        settings.backoff = Backoff(base: 0.05)
        change(&settings)
        self.log = log
        scheduler = Scheduler(store: store, settings: settings, log: log)
    }

    deinit {
        // Whatever a test left running ends with it.
        for job in (try? store.jobs(in: [.running])) ?? [] {
            _ = try? scheduler.cancel(job.id, .now)
        }
        scheduler.stop()
        service.remove()
    }

    /// Lets go of everything as a crash would, and comes back.
    func restart(whileDown: () throws -> Void = {}) throws {
        scheduler.detach()
        try whileDown()
        scheduler = Scheduler(store: store, settings: settings, log: log)
        try scheduler.start()
    }

    func submit(_ seed: Int = 0, cores: Int = 1, _ change: (inout Job) -> Void = { _ in }) throws
        -> JobID
    {
        let spec: JSONValue = [
            "data": ["dataset": "photos"], "space": "detnas-mini", "training": ["steps": 10],
        ]
        var job = Job(
            kind: .supernetPretrain,
            spec: try JobSpec.resolve(kind: .supernetPretrain, spec).get().json,
        )
        job.seed = seed
        job.cores = cores
        change(&job)
        _ = try store.insert([job])
        scheduler.wake()
        return job.id
    }

    func job(_ id: JobID) throws -> Job { try #require(try store.job(id)) }

    func ends(_ id: JobID, _ state: JobState, _ at: SourceLocation = #_sourceLocation) throws -> Job
    {
        let inTime = try eventually { try self.job(id).state.isTerminal }
        let job = try self.job(id)
        #expect(inTime, "still \(job.state.rawValue)", sourceLocation: at)
        #expect(job.state == state, "\(String(describing: job.failure))", sourceLocation: at)
        return job
    }

    func types(_ id: JobID) throws -> [String] {
        try store.events(of: id, after: 0, limit: 1000).map(\.type)
    }

    func pid(_ id: JobID) throws -> Int32 {
        var pid: Int?
        _ = try eventually {
            pid = try store.attempts(of: id).last?.pid
            return pid != nil
        }
        return try Int32(#require(pid))
    }

    func isAt(_ id: JobID, step: Int) throws -> Bool {
        try eventually { try job(id).reached == step }
    }
}

private let atStepThree =
    #"event job.progress '{"phase":"training","unit":"steps","done":3,"total":10}'; "#

@Suite struct SchedulerTests {
    @Test func `a job runs, is followed and succeeds`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            atStepThree
                + #"event metric '{"step":3,"loss":0.5}'; checkpoint final 10 supernet; result"#,
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        let job = try bench.ends(id, .succeeded)
        #expect(job.outputs?.checkpoint?.step == 10)
        #expect(job.progress?.fraction == 0.3)
        #expect(
            try bench.types(id) == [
                "job.state", "job.state", "attempt.started", "job.progress", "metric",
                "checkpoint.created", "job.state", "job.end",
            ]
        )
        let checkpoint = try bench.store.checkpoints(of: id, limit: 5).elements[0]
        #expect(checkpoint.final)
        let file = try bench.store.runDirectory(of: id).readJob()
        #expect(file.cores == [0])
        #expect(file.spec == job.spec)
    }

    @Test func `jobs at once never share a core`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, atStepThree + "until_stopped")
        try bench.scheduler.start()
        let ids = try (0..<3).map { _ in try bench.submit() }
        #expect(
            try eventually { try ids.filter { try bench.job($0).state == .running }.count == 2 }
        )
        let taken = bench.scheduler.placement().compactMap(\.job)
        #expect(Set(taken) == Set(ids.prefix(2)))
        #expect(try bench.job(ids[2]).state == .queued)
        #expect(try bench.isAt(ids[0], step: 3))
        _ = try bench.scheduler.cancel(ids[0], .graceful)
        _ = try bench.ends(ids[0], .cancelled)
        #expect(try eventually { try bench.job(ids[2]).state == .running })
    }

    @Test func `a signal reaches the worker although the server's threads block it`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, atStepThree + "until_stopped")
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        _ = try bench.scheduler.cancel(id, .graceful)
        _ = try bench.ends(id, .cancelled)
        // It wrote its checkpoint on the way out, and that is kept.
        #expect(try bench.store.checkpoints(of: id, limit: 5).elements.map(\.name) == ["stopped"])
    }

    @Test func `cancel now ends a worker that does not listen, with what it started`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            "trap '' TERM; sleep 60 & echo $! > $run/child; " + atStepThree + "wait; sleep 60",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        _ = try bench.scheduler.cancel(id, .now)
        _ = try bench.ends(id, .cancelled)
        let path = bench.store.runDirectory(of: id).path + "/child"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let child = try #require(Int32(text.dropLast()))
        // Gone, or a zombie that nobody waits for in this container.
        #expect(
            eventually {
                let stat = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
                return stat.map { $0.contains(") Z ") } ?? true
            }
        )
    }

    @Test func `a worker that ignores a polite request is killed after the grace`() throws {
        let bench = try Bench { $0.graceSeconds = 0.2 }
        try bench.service.behave(
            seed: 0,
            "trap '' TERM; " + atStepThree + "while :; do nap; done",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        _ = try bench.scheduler.cancel(id, .graceful)
        _ = try bench.ends(id, .cancelled)
    }

    @Test func `an error is told in the worker's words`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, "echo last words; fail disk_full false")
        try bench.scheduler.start()
        let job = try bench.ends(bench.submit(), .failed)
        #expect(job.failure?.code == "disk_full")
        #expect(job.failure?.logExcerpt == "last words\n")
        #expect(job.attempt == 1)
    }

    @Test func `retriable errors are tried again until the attempts are used up`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, "fail internal true")
        try bench.service.behave(seed: 1, "[ $attempt = 1 ] && fail internal true; result")
        try bench.scheduler.start()
        let (lost, mended) = (try bench.submit(0), try bench.submit(1))
        #expect(try bench.ends(lost, .failed).attempt == 3)
        #expect(try bench.ends(mended, .succeeded).attempt == 2)
        let outcomes = try bench.store.attempts(of: lost).map(\.outcome)
        #expect(outcomes == ["error", "error", "failed"])
    }

    @Test func `a killed worker is replaced`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            atStepThree
                + "checkpoint a 3 supernet; [ $epoch = 2 ] && result && exit; until_stopped",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try eventually { try bench.store.latestCheckpoint(of: id) != nil })
        kill(try bench.pid(id), SIGKILL)
        let job = try bench.ends(id, .succeeded)
        #expect(job.attempt == 2)
        let last = try bench.store.attempts(of: id).last
        #expect(last?.fromCheckpoint == "a" && last?.fromStep == 3)
        let started = try bench.store.events(
            of: id,
            after: 0,
            types: ["attempt.started"],
            limit: 5,
        )
        #expect(started.last?.data["fromCheckpoint"]?.string == "a")
        #expect(started.last?.data["step"]?.int == 3)
        let seqs = try bench.store.events(of: id, after: 0, limit: 100).map(\.seq)
        #expect(seqs == Array(1...seqs.count))
    }

    @Test func `two crashes at one step are enough`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, atStepThree + "kill -SEGV $$")
        try bench.scheduler.start()
        let id = try bench.submit { $0.limits.maxAttempts = 10 }
        #expect(try bench.ends(id, .failed).failure?.code == "crash_loop")
        #expect(try bench.job(id).attempt == 2)
    }

    @Test func `a job that runs longer than it may is stopped`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, atStepThree + "until_stopped")
        try bench.scheduler.start()
        let id = try bench.submit {
            $0.limits.maxSeconds = 1
            $0.runSeconds = 0.7
        }
        #expect(try bench.ends(id, .failed).failure?.code == "time_limit")
    }

    @Test func `a silent worker is called stalled until it speaks`() throws {
        let bench = try Bench { $0.stallSeconds = 0.1 }
        try bench.service.behave(
            seed: 0,
            "until_told; " + atStepThree + "result",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try eventually { try bench.job(id).phase == JobPhase.stalled })
        try bench.service.tell("\(id)")
        _ = try bench.ends(id, .succeeded)
    }

    @Test func `a program that is not there fails the job with its name`() throws {
        let bench = try Bench {
            $0.worker = WorkerCommand(executable: "/no/such", arguments: ["x"])
        }
        try bench.scheduler.start()
        let job = try bench.ends(bench.submit { $0.limits.maxAttempts = 1 }, .failed)
        #expect(job.failure?.message.contains("/no/such") == true)
    }
}

@Suite struct RestartTests {
    @Test func `a restarted server goes on with the worker that lives`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            atStepThree
                + #"until_told; event metric '{"step":4}'; result"#,
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        let pid = try bench.pid(id)
        try bench.restart()
        #expect(try bench.job(id).state == .running)
        #expect(bench.scheduler.placement().first { $0.core == 0 }?.job == id)
        try bench.service.tell("\(id)")
        let job = try bench.ends(id, .succeeded)
        #expect(job.attempt == 1)
        let pids = try bench.store.attempts(of: id).map(\.pid)
        #expect(pids == [Int(pid)])
        #expect(try bench.types(id).filter { $0 == "job.progress" }.count == 1)
    }

    @Test func `a worker that ended meanwhile is settled before the start returns`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            atStepThree
                + "until_told; checkpoint z 9 supernet; result",
        )
        try bench.service.behave(seed: 1, atStepThree + "until_stopped")
        try bench.scheduler.start()
        let (done, killed) = (try bench.submit(0), try bench.submit(1))
        #expect(try bench.isAt(done, step: 3))
        #expect(try bench.isAt(killed, step: 3))
        let pids = [try bench.pid(done), try bench.pid(killed)]
        try bench.restart {
            try bench.service.tell("\(done)")
            kill(pids[1], SIGKILL)
            // Children of this process: waiting for them leaves nothing to find, as a restart of the machine does.
            for pid in pids { waitpid(pid, nil, 0) }
        }
        #expect(try bench.job(done).state == .succeeded)
        let last = Array(try bench.types(done).suffix(3))
        #expect(last == ["checkpoint.created", "job.state", "job.end"])
        let interrupted = try bench.store.events(
            of: killed,
            after: 0,
            types: ["job.interrupted"],
            limit: 5,
        )
        #expect(interrupted.map { $0.data["cause"]?.string } == ["lost"])
        #expect(try bench.job(killed).failures == 0)
        #expect(try eventually { try bench.job(killed).attempt == 2 })
    }

    @Test func `a worker whose number was never stored is found by its command line`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, atStepThree + "until_stopped")
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        _ = try bench.pid(id)
        try bench.restart {
            var attempt = try #require(try bench.store.attempts(of: id).last)
            attempt.pid = nil
            attempt.processStart = nil
            try bench.store.save(attempt)
        }
        #expect(try bench.job(id).state == .running)
        #expect(try bench.job(id).attempt == 1)
        _ = try bench.scheduler.cancel(id, .graceful)
        _ = try bench.ends(id, .cancelled)
    }

    @Test func `another process that got the same number is not taken for the worker`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            "[ $attempt = 2 ] && result && exit; " + atStepThree + "until_stopped",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        let pid = try bench.pid(id)
        try bench.restart {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            var attempt = try #require(try bench.store.attempts(of: id).last)
            attempt.pid = Int(getpid())
            try bench.store.save(attempt)
        }
        _ = try bench.ends(id, .succeeded)
    }

    @Test func `a cancel that the server died over is carried out by the next`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, atStepThree + "until_stopped")
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        try bench.restart {
            try bench.store.change(id) { try $0.requestCancel(.graceful, at: Date()) }
        }
        _ = try bench.ends(id, .cancelled)
    }

    @Test func `a server that stops leaves its jobs in the queue, checkpointed`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, atStepThree + "until_stopped")
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        bench.scheduler.stop()
        let job = try bench.job(id)
        #expect(job.state == .queued)
        #expect(job.phase == JobPhase.recovering)
        #expect(job.failures == 0)
        #expect(bench.store.runDirectory(of: id).newestCheckpoint()?.name == "stopped")
    }
}

@Suite struct PipelineTests {
    private let steps: JSONValue = [
        "steps": [
            [
                "name": "pretrain", "kind": "supernet.pretrain", "seed": 1,
                "spec": [
                    "data": ["dataset": "photos"], "space": "detnas-mini",
                    "training": ["steps": 10],
                ],
            ],
            [
                "name": "finetune", "kind": "detector.finetune", "seed": 2,
                "spec": [
                    "train": [
                        "dataset": "photos", "annotations": "annotations/instances_train.json",
                    ],
                    "checkpoint": ["$from": "pretrain.outputs.checkpoint"],
                    "training": ["steps": 10],
                ],
            ],
        ]
    ]

    private func submit(_ bench: Bench) throws -> [JobID] {
        let request = try PipelineRequest.resolve(steps).get()
        let jobs = try Admission(bench.scheduler).jobs(for: request, id: "pipe_1").map(\.job)
        _ = try bench.store.insert(jobs, pipeline: (id: "pipe_1", name: nil, submitted: steps))
        bench.scheduler.wake()
        return jobs.map(\.id)
    }

    @Test func `a step waits for the one before and gets what it made`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 1,
            "until_told; checkpoint final 10 supernet; result",
        )
        try bench.service.behave(seed: 2, "checkpoint final 10 detector-supernet; result")
        try bench.scheduler.start()
        let ids = try submit(bench)
        #expect(try eventually { try bench.job(ids[0]).state == .running })
        #expect(try bench.job(ids[1]).phase == JobPhase.waitingForDependency)
        try bench.service.tell("\(ids[0])")
        _ = try bench.ends(ids[1], .succeeded)
        let input = try bench.store.runDirectory(of: ids[1]).readJob().inputs.checkpoint
        #expect(
            input?.path == bench.store.runDirectory(of: ids[0]).path
                + "/epoch-1/checkpoints/final.safetensors"
        )
        #expect(input?.kind == "supernet")
        #expect(try bench.job(ids[1]).space == bench.job(ids[0]).space)
    }

    @Test func `a step fails with the one it needs`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 1, "fail bad_data false")
        try bench.scheduler.start()
        let ids = try submit(bench)
        let job = try bench.ends(ids[1], .failed)
        #expect(job.failure?.code == "dependency_failed")
        #expect(job.failure?.message.contains("pretrain") == true)
        #expect(job.attempt == 0)
    }

    @Test func `a checkpoint of another kind than the step reads fails it with both kinds`() throws
    {
        let bench = try Bench()
        try bench.service.behave(seed: 1, "checkpoint final 10 detector; result")
        try bench.scheduler.start()
        let failure = try bench.ends(submit(bench)[1], .failed).failure
        #expect(failure?.code == "bad_checkpoint")
        #expect(failure?.message.contains("is a detector, not a supernet") == true)
    }
}

@Suite struct DatasetRootTests {
    @Test func `nothing leads out of a root, a link neither`() throws {
        let service = try FakeService()
        defer { service.remove() }
        let root = try #require(DatasetRoot(service.datasets))
        let photos = try #require(root.dataset("photos"))
        #expect(root.path("annotations/instances_train.json", in: photos) != nil)
        for bad in ["..", ".", "", "photos/train", "/etc", "../datasets/photos", "no"] {
            #expect(root.dataset(bad) == nil, "\(bad)")
        }
        for bad in ["../photos/train", "/etc/passwd", "", "train/", "no", "a\0b"] {
            #expect(root.path(bad, in: photos) == nil, "\(bad)")
        }
        let files = FileManager.default
        try files.createSymbolicLink(
            atPath: service.datasets + "/escape",
            withDestinationPath: service.folder,
        )
        try files.createSymbolicLink(
            atPath: photos + "/out",
            withDestinationPath: "/etc/passwd",
        )
        #expect(root.dataset("escape") == nil)
        #expect(root.path("out", in: photos) == nil)
        #expect(root.datasets == ["photos"])
    }
}
