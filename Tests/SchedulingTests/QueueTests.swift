// Who goes next, and who gets which core.

import Foundation
import Jobs
import Scheduling
import Testing

private let noon = Date(timeIntervalSince1970: 1_790_000_000)

private func line(_ count: Int, _ change: (Int, inout Waiting) -> Void = { _, _ in }) -> [Waiting] {
    (0..<count).map { index in
        var waiting = Waiting(id: .make())
        change(index, &waiting)
        return waiting
    }
}

@Suite struct QueueTests {
    private func starts(_ waiting: [Waiting], cores: Int, slots: Int = 100) -> [JobID] {
        Queue.turn(of: waiting, freeCores: cores, freeSlots: slots, at: noon).starts
    }

    @Test func `priority goes first, then age`() {
        let jobs = line(4) { $1.priority = $0 == 2 ? 5 : 0 }
        #expect(starts(jobs.shuffled(), cores: 3) == [jobs[2], jobs[0], jobs[1]].map(\.id))
    }

    @Test func `neither cores nor slots are given twice`() {
        let jobs = line(5) { $1.cores = 2 }
        #expect(starts(jobs, cores: 5).count == 2)
        #expect(starts(jobs, cores: 100, slots: 3).count == 3)
        #expect(starts(jobs, cores: 0).isEmpty)
    }

    @Test func `a narrow job does not overtake a wide one that waits for cores`() {
        let jobs = line(2) { $1.cores = $0 == 0 ? 4 : 1 }
        #expect(starts(jobs, cores: 3).isEmpty)
        #expect(starts(jobs, cores: 4) == [jobs[0].id])
    }

    @Test func `a job without its inputs lets others by`() {
        let jobs = line(3) { $1.isReady = $0 != 0 }
        #expect(starts(jobs, cores: 5) == [jobs[1].id, jobs[2].id])
    }

    @Test func `a job that backs off lets others by, and is looked at when its time has come`() {
        let jobs = line(3) { if $0 < 2 { $1.notBefore = noon + Double(10 - $0) } }
        let turn = Queue.turn(of: jobs, freeCores: 5, freeSlots: 5, at: noon)
        #expect(turn == Turn(starts: [jobs[2].id], lookAgain: noon + 9))
        let later = Queue.turn(of: jobs, freeCores: 5, freeSlots: 5, at: noon + 10)
        #expect(later == Turn(starts: jobs.map(\.id)))
    }

    @Test func `a core belongs to one job, and only our own cores come back`() {
        var pool = CorePool([4, 1, 7])
        #expect(pool.take(2) == [1, 4])
        #expect(pool.take(2) == nil)
        pool.give(back: [1, 9])
        #expect(pool.free == [1, 7])
        pool.take([7, 9])
        #expect(pool.free == [1])
    }

    @Test func `this machine has cores`() {
        let cores = Machine.cores()
        #expect(!cores.isEmpty)
        #expect(cores == cores.sorted())
    }
}

@Suite struct EnvironmentTests {
    @Test func `a worker gets what it needs and no secret`() {
        let all = [
            "PATH": "/bin", "HOME": "/root", "LANG": "C", "LIBTORCH": "/t", "DETNAS_X": "1",
            "AWS_SECRET_ACCESS_KEY": "s", "LD_PRELOAD": "x",
        ]
        let kept = WorkerCommand.environment(from: all)
        #expect(Set(kept.keys) == ["PATH", "HOME", "LANG", "LIBTORCH", "DETNAS_X"])
    }
}
