// The rules of a job's life, without a store, a worker or a clock.

import Configs
import Foundation
import Jobs
import Testing

private let noon = Date(timeIntervalSince1970: 1_790_000_000)

private func job(maxAttempts: Int = 3, maxSeconds: Int? = nil) -> Job {
    var job = Job(kind: .supernetPretrain, spec: [:], createdAt: noon)
    job.limits = JobBudget(maxSeconds: maxSeconds, maxAttempts: maxAttempts)
    return job
}

private func running(maxAttempts: Int = 3, reached: Int? = nil) throws -> Job {
    var job = job(maxAttempts: maxAttempts)
    _ = try job.begin(on: [0], from: nil, at: noon)
    job.reached = reached
    return job
}

@Suite struct JobStateTests {
    @Test(arguments: JobState.allCases, JobState.allCases)
    func `a job moves as the table says, or stays`(from: JobState, to: JobState) {
        var state = from
        let moved = (try? state.move(to: to)) != nil
        #expect(moved == from.successors.contains(to))
        #expect(state == (moved ? to : from))
    }

    @Test func `every state can end, and an ended job says so`() {
        for state in JobState.allCases where !state.isTerminal {
            #expect(state.successors.contains { $0.isTerminal })
        }
        #expect(JobState.allCases.filter(\.isTerminal) == [.succeeded, .failed, .cancelled])
    }

    @Test func `names made later sort later, also within a millisecond`() {
        let names = (0..<1000).map { _ in JobID.make() }
        #expect(names == names.sorted())
        #expect(Set(names).count == 1000)
        #expect(names.allSatisfy { JobID(rawValue: $0.rawValue) == $0 })
    }

    @Test func `a time that was read is written as the same text`() throws {
        for _ in 0..<2000 {
            let date = Date(timeIntervalSince1970: .random(in: 0...4e9))
            let text = Timestamp.text(date)
            let again = try #require(Timestamp.date(text))
            #expect(Timestamp.text(again) == text)
            #expect(abs(again.timeIntervalSince(date)) < 0.000_6)
        }
        #expect(Timestamp.text(noon) == "2026-09-21T14:13:20.000Z")
        #expect(Timestamp.date("2026-09-21T14:13:20Z") == nil)
    }

    @Test(arguments: ["", "job_", "job_../../etc", "job_01jd2y3m6v000000000000000/", "ckpt_1"])
    func `nothing but a ULID is a job's name`(text: String) {
        #expect(JobID(rawValue: text) == nil)
    }
}

@Suite struct OutcomeTests {
    private let result = ResultFile(outputs: JobOutputs())

    @Test(arguments: [WorkerWish.work, .cancel, .timeUp, .shutDown])
    func `a whole result is a success, however the worker ended`(wish: WorkerWish) throws {
        let end = WorkerEnd(exit: .signal(9), wish: wish, result: result)
        #expect(try running().verdict(on: end) == .succeeded(JobOutputs()))
    }

    @Test func `a job that is paused while its worker fails is paused, and the failure counts`()
        throws
    {
        var job = try running()
        _ = try job.requestPause(at: noon)
        #expect(job.phase == JobPhase.pausing)
        let crash = WorkerEnd(exit: .code(3), wish: .pause)
        _ = try job.settle(crash, ranUntil: noon, at: noon)
        #expect(job.state == .paused && job.failures == 1 && job.pause == nil)
        _ = try job.requestResume(at: noon)
        #expect(job.state == .queued)

        var slow = try running()
        _ = try slow.requestPause(at: noon)
        _ = try slow.settle(
            WorkerEnd(exit: .signal(9), wish: .pause),
            ranUntil: noon,
            at: noon,
        )
        #expect(slow.state == .paused && slow.failures == 0)
    }

    @Test func `a retry forgets failures and time, and nothing else may be retried`() throws {
        var job = try running(maxAttempts: 1, reached: 4)
        #expect(throws: JobError.illegalMove(from: .running, to: .queued)) {
            _ = try job.retry(nil, at: noon)
        }
        _ = try job.settle(
            WorkerEnd(exit: .code(3)),
            ranUntil: noon + 50,
            at: noon + 50,
        )
        #expect(job.state == .failed && job.runSeconds == 50)
        _ = try job.retry(Restart(afterEpoch: 1), at: noon + 60)
        #expect(job.state == .queued && job.failures == 0 && job.runSeconds == 0)
        #expect(job.failure == nil && job.crashes == nil && job.endedAt == nil)
        #expect(job.restart == Restart(afterEpoch: 1))
    }

    @Test
    func `the best is of the last thing that is measured, and of a search what it ranks first`()
        throws
    {
        var job = try running()
        func tell(_ type: String, _ data: [String: JSONValue]) { job.note(NewEvent(type, data)) }
        tell("evaluation", ["step": 1, "top1": 0.9])
        tell("evaluation", ["step": 2, "top1": 0.8])
        #expect(job.best == JobBest(metric: "top1", value: 0.9, step: 1))
        tell("evaluation", ["step": 3, "map": 0.2])
        tell("evaluation", ["step": 4, "map": 0.3])
        #expect(job.best == JobBest(metric: "map", value: 0.3, step: 4))
        tell("generation.finished", ["generation": 0, "best": 0.31])
        tell("generation.finished", ["generation": 1, "best": 0.29])
        tell("generation.finished", ["generation": 2, "best": 0.29])
        #expect(job.best == JobBest(metric: "map", value: 0.29, step: 1))
    }

    @Test func `a stop that was asked for is no failure`() throws {
        let job = try running(maxAttempts: 1)
        let stopped = WorkerExit.code(ExitCode.stopped)
        #expect(job.verdict(on: WorkerEnd(exit: stopped, wish: .cancel)) == .cancelled)
        #expect(
            job.verdict(on: WorkerEnd(exit: stopped, wish: .shutDown))
                == .again(cause: "shutdown", failure: nil)
        )
        #expect(
            job.verdict(on: WorkerEnd(exit: .signal(9), wish: .shutDown))
                == .again(cause: "shutdown", failure: nil)
        )
        #expect(
            job.verdict(on: WorkerEnd(exit: stopped)) == .again(cause: "stopped", failure: nil)
        )
        #expect(
            job.verdict(on: WorkerEnd(exit: .code(74)))
                == .again(cause: "superseded", failure: nil)
        )
    }

    @Test func `an error that time cannot mend fails the job at once`() throws {
        let error = ErrorFile(code: "nan_loss", message: "at step 3", retriable: false, step: 3)
        let verdict = try running().verdict(on: WorkerEnd(exit: .code(1), error: error))
        guard case .failed(let failure) = verdict else { throw UnexpectedVerdict(verdict) }
        #expect(failure.code == "nan_loss")
        #expect(failure.step == 3)
    }

    @Test func `retriable errors use up the attempts, with growing delays`() throws {
        var job = try running(maxAttempts: 3)
        let error = ErrorFile(code: "internal", message: "", retriable: true)
        let end = WorkerEnd(exit: .code(1), error: error)
        var delays: [Double] = []
        for attempt in 1...3 {
            if attempt > 1 { _ = try job.begin(on: [0], from: nil, at: noon) }
            job.reached = attempt
            _ = try job.settle(end, ranUntil: noon, at: noon, backoff: Backoff(base: 2))
            if let until = job.notBefore { delays.append(until.timeIntervalSince(noon)) }
        }
        #expect(delays == [2, 4])
        #expect(job.state == .failed)
        #expect(job.failure?.code == "internal")
        #expect(job.attempt == 3)
    }

    @Test func `two crashes at one step end a job, crashes that go forward do not`() throws {
        let end = WorkerEnd(exit: .signal(SIGSEGV))
        var stuck = try running(maxAttempts: 10, reached: 7)
        _ = try stuck.settle(end, ranUntil: noon, at: noon)
        #expect(stuck.state == .queued)
        _ = try stuck.begin(on: [0], from: nil, at: noon)
        stuck.reached = 7
        _ = try stuck.settle(end, ranUntil: noon, at: noon)
        #expect(stuck.state == .failed)
        #expect(stuck.failure?.code == "crash_loop")

        var moving = try running(maxAttempts: 10, reached: 7)
        for step in 8...12 {
            _ = try moving.settle(end, ranUntil: noon, at: noon)
            _ = try moving.begin(on: [0], from: nil, at: noon)
            moving.reached = step
        }
        #expect(moving.state == .running)
    }

    @Test func `being cut off costs no attempt, unless it happens at one step five times`() throws {
        var job = try running(maxAttempts: 1, reached: 3)
        let end = WorkerEnd(exit: .unknown)
        for _ in 1...4 {
            _ = try job.settle(end, ranUntil: noon, at: noon)
            #expect(job.state == .queued)
            #expect(job.failures == 0)
            _ = try job.begin(on: [0], from: nil, at: noon)
            job.reached = 3
        }
        _ = try job.settle(end, ranUntil: noon, at: noon)
        #expect(job.failure?.code == "crash_loop")
    }

    @Test func `a worker that leaves without a result has crashed`() throws {
        let verdict = try running(maxAttempts: 1).verdict(on: WorkerEnd(exit: .code(0)))
        guard case .failed(let failure) = verdict else { throw UnexpectedVerdict(verdict) }
        #expect(failure.code == "crashed")
    }

    @Test
    func `a worker that found no room on the disk is tried again, as long as attempts are left`()
        throws
    {
        var job = try running()
        job.limits.maxAttempts = 2
        let end = WorkerEnd(exit: .code(ExitCode.noRoom))
        guard case .again("error", let failure?) = job.verdict(on: end) else {
            throw UnexpectedVerdict(job.verdict(on: end))
        }
        #expect(failure.code == "disk_full" && failure.retriable)
        job.failures = 1
        guard case .failed(let last) = job.verdict(on: end) else {
            throw UnexpectedVerdict(job.verdict(on: end))
        }
        #expect(last.code == "disk_full")
    }

    @Test func `running time adds up over attempts, and waiting is not counted`() throws {
        var job = job()
        var now = noon
        for _ in 1...3 {
            _ = try job.begin(on: [0], from: nil, at: now)
            now += 10
            #expect(job.runningSeconds(at: now) == Double(job.attempt) * 10)
            let end = WorkerEnd(exit: .code(ExitCode.stopped))
            _ = try job.settle(end, ranUntil: now, at: now)
            now += 1000
        }
        #expect(job.runningSeconds(at: now) == 30)
    }

    @Test func `cancelling ends a waiting job at once and only asks a running one`() throws {
        var waiting = job()
        #expect(
            try waiting.requestCancel(.graceful, at: noon).map(\.type) == ["job.state", "job.end"]
        )
        #expect(waiting.state == .cancelled)
        #expect(try waiting.requestCancel(.now, at: noon).isEmpty)

        var working = try running()
        #expect(try working.requestCancel(.graceful, at: noon).count == 1)
        #expect(working.state == .running)
        #expect(working.phase == JobPhase.cancelling)
        #expect(try working.requestCancel(.graceful, at: noon).isEmpty)
        #expect(try working.requestCancel(.now, at: noon).count == 1)
        _ = try working.settle(
            WorkerEnd(exit: .code(0), result: result),
            ranUntil: noon,
            at: noon,
        )
        #expect(throws: JobError.illegalMove(from: .succeeded, to: .cancelled)) {
            try working.requestCancel(.now, at: noon)
        }
    }
}

private struct UnexpectedVerdict: Error {
    let verdict: Verdict
    init(_ verdict: Verdict) { self.verdict = verdict }
}
