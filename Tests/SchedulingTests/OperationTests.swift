// What becomes of jobs when the disk, the clock or somebody's hand is against them.

import Configs
import Foundation
import GRDB
import Jobs
import Synchronization
import TestSupport
import Testing

@testable import JobStore
@testable import Scheduling

/// Free space that a test sets.
final class FakeDisk: Sendable {
    private let free: Mutex<Int>

    init(free: Int) { self.free = Mutex(free) }

    func set(_ bytes: Int) { free.withLock { $0 = bytes } }

    var space: @Sendable (String) -> DiskSpace? {
        { [self] _ in DiskSpace(total: 1 << 40, free: free.withLock { $0 }) }
    }
}

/// Lines of a log, as they come.
final class Lines: Sendable {
    private let all = Mutex<[String]>([])

    var log: ServiceLog { ServiceLog { [self] line in all.withLock { $0.append(line) } } }

    func matching(_ text: String) -> [String] {
        all.withLock { $0.filter { $0.contains(text) } }
    }
}

@Suite struct DiskRoomTests {
    @Test func `the usual reserve is 1 GiB, or 2 % of a small file system`() {
        #expect(DiskRoom.usualReserve(of: 1 << 40) == 1 << 30)
        #expect(DiskRoom.usualReserve(of: 100 << 20) == 2 << 20)
        let space = DiskSpace(total: 1 << 40, free: 5)
        #expect(DiskRoom(space, reserve: 5).isShort == false)
        #expect(DiskRoom(space, reserve: 6).isShort)
        #expect(DiskRoom(space, reserve: nil).isShort)
        #expect(DiskSpace(of: "/")?.total ?? 0 > 0)
        #expect(DiskSpace(of: "/no/such/folder") == nil)
    }

    @Test(arguments: [("0", 0), ("17", 17), ("3k", 3072), ("2M", 2 << 20), ("1G", 1 << 30)])
    func `bytes are read with their units`(text: String, bytes: Int) {
        #expect(ByteCount.parse(text) == bytes)
    }

    @Test(arguments: [
        "", "k", "-1", "1.5G", "G1", "99999999999999999999", "9223372036854775807T", "١",
    ])
    func `what is no number of bytes is none`(text: String) {
        #expect(ByteCount.parse(text) == nil)
    }

    @Test func `no job starts while there is too little room, and all go on when there is more`()
        throws
    {
        let (disk, lines) = (FakeDisk(free: 1000), Lines())
        let bench = try Bench(log: lines.log) {
            $0.diskReserve = 500
            $0.diskSeconds = 0.05
            $0.diskSpace = disk.space
        }
        try bench.service.behave(seed: 1, "until_told; result")
        try bench.service.behave(seed: 0, "result")
        try bench.scheduler.start()
        let running = try bench.submit(1)
        #expect(try eventually { try bench.job(running).state == .running })
        disk.set(400)
        let waiting = try (0..<3).map { _ in try bench.submit() }
        // Its turn has come, the others' has not.
        #expect(try eventually { try bench.job(waiting[0]).phase == JobPhase.waitingForDisk })
        #expect(try bench.job(waiting[1]).phase == JobPhase.waitingForCores)
        #expect(try bench.scheduler.line(at: Date()).allSatisfy { $0.start == nil })
        // Who runs goes on to its end.
        try bench.service.tell("\(running)")
        _ = try bench.ends(running, .succeeded)
        Thread.sleep(forTimeInterval: 0.3)
        #expect(try bench.job(waiting[0]).state == .queued)
        #expect(lines.matching("too little room").count == 1)
        let told = try bench.store.events(of: waiting[0], after: 0, types: ["warning"], limit: 9)
        #expect(told.map { $0.data["code"] } == ["disk_reserve"])
        disk.set(600)
        for id in waiting { _ = try bench.ends(id, .succeeded) }
        #expect(lines.matching("room on the disk again").count == 1)
    }

    @Test func `a disk that is full while events come in loses none of them`() throws {
        let lines = Lines()
        let bench = try Bench(log: lines.log)
        try bench.service.behave(
            seed: 0,
            """
            until_told
            for n in {1..300}; do
              event metric '{"step":'$n',"words":"'$(printf 'x%.0s' {1..400})'"}'
            done
            checkpoint final 300 supernet; result
            """,
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try eventually { try bench.job(id).state == .running })
        func limit(to pages: Int) throws {
            try bench.store.database.writeWithoutTransaction { db in
                _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = \(pages)")
            }
        }
        let pages = try bench.store.database.read {
            try Int.fetchOne($0, sql: "PRAGMA page_count")
        }
        try limit(to: #require(pages))
        try bench.service.tell("\(id)")
        #expect(eventually { !lines.matching("cannot store").isEmpty })
        // The worker has long ended, and that is known; what was readable is.
        #expect(eventually { bench.store.isUnsettled(id) })
        #expect(try bench.job(id).state == .running)
        try limit(to: 1 << 20)
        _ = try bench.ends(id, .succeeded)
        #expect(eventually { !bench.store.isUnsettled(id) })
        let events = try bench.store.events(of: id, after: 0, limit: 1000)
        #expect(events.map(\.seq) == Array(1...events.count))
        let steps = events.filter { $0.type == "metric" }.map { $0.data["step"]?.int }
        #expect(steps == Array(1...300))
        #expect(lines.matching("cannot store").count <= 2)
    }

    @Test func `a job that cannot be begun for want of room is not tried without a pause`() throws {
        let lines = Lines()
        let bench = try Bench(log: lines.log) { $0.retrySeconds = 0.2 }
        try bench.service.behave(seed: 0, "result")
        try bench.scheduler.start()
        try bench.store.database.write {
            try $0.execute(
                sql: """
                    CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.type = 'attempt.started'
                    BEGIN SELECT RAISE(ABORT, 'no room'); END
                    """
            )
        }
        let id = try bench.submit()
        Thread.sleep(forTimeInterval: 1)
        #expect((1...6).contains(lines.matching("cannot store").count))
        try bench.store.database.write { try $0.execute(sql: "DROP TRIGGER refuse") }
        _ = try bench.ends(id, .succeeded)
    }
}

@Suite struct LostFolderTests {
    private let step =
        #"event job.progress '{"phase":"training","unit":"steps","done":3,"total":10}'; "#

    @Test func `a running job whose folder is removed begins again, and says so`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            step
                + #"checkpoint a 3 supernet; [ $attempt = 2 ] && event metric '{"step":4}' && result && exit; "#
                + "while [ -e $run/job.json ]; do nap; done; exit 1",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(
            try eventually { try bench.store.checkpoints(of: id, limit: 9).elements.count == 1 }
        )
        try FileManager.default.removeItem(atPath: bench.store.runDirectory(of: id).path)
        let job = try bench.ends(id, .succeeded)
        #expect(job.attempt == 2)
        let events = try bench.store.events(of: id, after: 0, limit: 100)
        #expect(events.map(\.seq) == Array(1...events.count))
        #expect(events.contains { $0.data["code"] == "run_directory_missing" })
        // All of the second attempt is there, from its first event on.
        let second = events.filter { $0.attempt == 2 }.map(\.type)
        #expect(second.contains("job.progress") && second.contains("metric"))
        #expect(try bench.store.offsets(of: id).keys.sorted() == [1, 2])
    }

    @Test func `a waiting job whose folder is removed begins again, and says so`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            "[ $attempt = 2 ] && result && exit; " + step + "until_stopped",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        #expect(try bench.isAt(id, step: 3))
        _ = try bench.scheduler.pause(id)
        #expect(try eventually { try bench.job(id).state == .paused })
        try FileManager.default.removeItem(atPath: bench.store.runDirectory(of: id).path)
        _ = try bench.scheduler.resume(id)
        _ = try bench.ends(id, .succeeded)
        let warnings = try bench.store.events(of: id, after: 0, types: ["warning"], limit: 9)
        #expect(warnings.map { $0.data["code"] } == ["run_directory_missing"])
        let started = try bench.store.events(
            of: id,
            after: 0,
            types: ["attempt.started"],
            limit: 9,
        )
        #expect(started.last?.data["fromCheckpoint"] == nil)
    }
}

@Suite struct ClockTests {
    @Test func `a job that backs off does not wait for a clock that was set back`() throws {
        let bench = try Bench()
        try bench.service.behave(seed: 0, "result")
        try bench.scheduler.start()
        let id = try bench.submit { $0.notBefore = Date() + 86_400 }
        _ = try bench.ends(id, .succeeded)
        let backoff = Backoff(base: 2, cap: 60)
        let now = Date()
        #expect(backoff.date(now + 59, at: now) == now + 59)
        #expect(backoff.date(now + 61, at: now) == nil)
        #expect(backoff.date(nil, at: now) == nil)
    }

    @Test func `jobs and events from a day ahead are read, and come before what is new`() throws {
        let bench = try Bench()
        try bench.service.behave(
            seed: 0,
            #"printf '{"ts":"2099-01-01T00:00:00.000Z","type":"metric","data":{"step":1}}\n' >> $dir/events.jsonl; event metric '{"step":2}'; result"#,
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        _ = try bench.ends(id, .succeeded)
        let metrics = try bench.store.events(of: id, after: 0, types: ["metric"], limit: 9)
        #expect(metrics.map { $0.data["step"] } == [1, 2])
        let findings = Doctor(folder: bench.service.folder).findings()
        let clock = try #require(findings.first { $0.subject == "clock" })
        #expect(clock.level == .warn && clock.words.contains("ahead of the clock"))
    }

    @Test func `nothing is dropped for a day after the clock was set forward`() {
        var watch = ClockWatch()
        let (date, instant) = (Date(), ContinuousClock.now)
        #expect(watch.look(at: date, instant) == nil)
        #expect(watch.look(at: date + 300, instant + .seconds(300)) == nil)
        let jump = watch.look(at: date + 90_000, instant + .seconds(600))
        #expect(jump.map { abs($0 - 89_400) < 1 } == true)
        #expect(!watch.isTrusted(at: instant + .seconds(700)))
        #expect(watch.look(at: date + 90_100, instant + .seconds(700)) == nil)
        #expect(watch.isTrusted(at: instant + .seconds(600 + 86_400)))
        // Set back: what is old only looks younger.
        #expect(watch.look(at: date, instant + .seconds(800)) == nil)
    }
}

@Suite struct KeepingTests {
    @Test func `a server keeps as many checkpoints as it was told, soon after a job ended`() throws
    {
        let bench = try Bench { $0.keepCheckpoints = 2 }
        try bench.service.behave(
            seed: 0,
            "for n in 1 2 3 4 5; do checkpoint step-$n $n supernet; done; result",
        )
        try bench.scheduler.start()
        let id = try bench.submit()
        _ = try bench.ends(id, .succeeded)
        func steps() throws -> [Int] {
            try bench.store.checkpoints(of: id, limit: 9).elements.map(\.step)
        }
        #expect(try eventually { try steps() == [5, 4] })
        #expect(try bench.types(id).suffix(3).allSatisfy { $0 == "checkpoint.deleted" })
    }

    @Test func `a running job keeps its newest checkpoints only, and goes on from the last`() throws
    {
        let bench = try Bench { $0.retentionSeconds = 0.05 }
        try bench.service.behave(
            seed: 0,
            """
            for n in 1 2 3 4 5; do checkpoint step-$n $n supernet; done
            [ $attempt = 2 ] && result && exit
            until_stopped
            """,
        )
        try bench.scheduler.start()
        let id = try bench.submit { $0.keepCheckpoints = 1 }
        #expect(
            try eventually {
                try bench.store.checkpoints(of: id, limit: 9).elements.map(\.step) == [5]
            }
        )
        kill(try bench.pid(id), SIGKILL)
        _ = try bench.ends(id, .succeeded)
        let started = try bench.store.events(
            of: id,
            after: 0,
            types: ["attempt.started"],
            limit: 9,
        )
        #expect(started.last?.data["step"] == 5)
    }
}

@Suite struct DoctorTests {
    private func level(_ findings: [Finding], _ subject: String) -> Finding.Level? {
        findings.filter { $0.subject == subject }.map(\.level).first
    }

    @Test func `a doctor finds a served directory in order`() throws {
        let bench = try Bench()
        try bench.scheduler.start()
        var doctor = Doctor(folder: bench.service.folder, diskReserve: 100)
        doctor.diskSpace = { _ in DiskSpace(total: 1 << 40, free: 1 << 30) }
        let findings = doctor.findings()
        for subject in ["data", "owner", "room", "database", "schema", "clock"] {
            #expect(level(findings, subject) == .ok, "\(subject)")
        }
        #expect(findings.contains { $0.words == "process \(getpid()) serves it" })
        for subject in ["file system", "open files", "cores"] {
            #expect(level(findings, subject) != nil, "\(subject)")
        }
        doctor.diskSpace = { _ in DiskSpace(total: 1 << 40, free: 250) }
        #expect(level(doctor.findings(), "room") == .warn)
        doctor.diskSpace = { _ in DiskSpace(total: 1 << 40, free: 50) }
        #expect(level(doctor.findings(), "room") == .fail)
    }

    @Test func `a doctor tells of a damaged database, and of none`() throws {
        let folder = NSTemporaryDirectory() + "detnas-doctor-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(level(Doctor(folder: folder).findings(), "data") == .fail)
        try Files.makeFolder(folder)
        #expect(level(Doctor(folder: folder).findings(), "database") == .warn)
        let store = try JobStore(folder: folder)
        // A copy is one file: a log beside it would cover up the damage.
        let copy = folder + "/copy"
        _ = try Backup.make(of: store.folder, in: copy)
        try damage(page: 2, of: copy + "/detnas.db")
        let found = Doctor(folder: copy).findings().first { $0.subject == "database" }
        #expect(found?.level == .fail && found?.advice?.contains("detnas restore") == true)
        try damage(page: 1, of: copy + "/detnas.db")
        #expect(level(Doctor(folder: copy).findings(), "database") == .fail)
    }

    @Test func `a certificate is told of before its time is over`() {
        let now = Date()
        func level(from: Double, until: Double) -> Finding.Level {
            Doctor.certificate("a.pem", (now + from, now + until), at: now).level
        }
        #expect(level(from: -1, until: 86_400 * 30) == .ok)
        #expect(level(from: -1, until: 86_400 * 10) == .warn)
        #expect(level(from: -2, until: -1) == .fail)
        #expect(level(from: 10, until: 86_400 * 30) == .fail)
    }

    @Test func `a finding is one line with what to do`() {
        let line = Finding(.warn, "clock", "is late", "set it").line
        #expect(line == "warn  clock: is late; set it")
    }
}

@Suite struct WorkerEnvironmentTests {
    @Test func `a worker gets the settings of its server, not the token of who started it`() {
        let all = ["PATH": "/bin", "DETNAS_TOKEN": "secret", "DETNAS_X": "1", "AWS_KEY": "k"]
        #expect(WorkerCommand.environment(from: all) == ["PATH": "/bin", "DETNAS_X": "1"])
    }
}

@Suite struct ServiceManagerTests {
    @Test(arguments: [false, true])
    func `a manager hears what the server says`(isAbstract: Bool) throws {
        let name = NSTemporaryDirectory() + "detnas-notify-\(UUID().uuidString.prefix(8))"
        defer { unlink(name) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = isAbstract ? [0] + Array(name.utf8.dropFirst()) : Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(bound == 0)
        let path = isAbstract ? "@" + name.dropFirst() : name
        let manager = try #require(
            ServiceManager(["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"])
        )
        #expect(manager.watchdogSeconds == 3)
        manager.tell("READY=1")
        var buffer = [UInt8](repeating: 0, count: 100)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "READY=1")
    }

    @Test func `without a manager nobody is told, and another's watchdog is not ours`() {
        #expect(ServiceManager([:]) == nil)
        #expect(ServiceManager(["NOTIFY_SOCKET": "relative"]) == nil)
        let other = ServiceManager([
            "NOTIFY_SOCKET": "/no/such", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1",
        ])
        #expect(other != nil && other?.watchdogSeconds == nil)
        other?.tell("READY=1")
    }

    @Test func `the scheduler beats as long as it works`() throws {
        let bench = try Bench()
        let count = Mutex(0)
        try bench.scheduler.start()
        bench.scheduler.beat(every: 0.01) { count.withLock { $0 += 1 } }
        #expect(eventually { count.withLock { $0 } > 3 })
    }
}
