// What is stored is stored once, whole, and by one server.

import Configs
import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

/// A store in a folder of its own, removed afterwards.
func withStore(_ body: (JobStore) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(try JobStore(folder: folder))
}

func startedJob(_ store: JobStore, kind: JobKind = .searchEvolution) throws -> Job {
    let job = try store.insert([Job(kind: kind, spec: ["a": 1])])[0]
    return try store.change(job.id) { try $0.begin(on: [0], from: nil, at: Date()) }
}

func line(_ type: String, _ data: [String: JSONValue] = [:]) throws -> Data {
    try JSON.data(NewEvent(type, data)) + Data("\n".utf8)
}

@Suite struct JobStoreTests {
    @Test func `a second server on one data directory is refused, until the first has gone`() throws
    {
        let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var first: JobStore? = try JobStore(folder: folder)
        #expect(throws: StoreError.inUse(folder: folder, owner: "\(getpid())")) {
            _ = try JobStore(folder: folder)
        }
        _ = first
        first = nil
        _ = try JobStore(folder: folder)
    }

    @Test func `jobs and events are there after the store was opened again`() throws {
        let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var store: JobStore? = try JobStore(folder: folder)
        let job = try startedJob(#require(store))
        store = nil
        let again = try JobStore(folder: folder)
        #expect(try again.job(job.id) == job)
        #expect(
            try again.events(of: job.id, after: 0, limit: 10).map(\.type)
                == ["job.state", "job.state", "attempt.started"]
        )
    }

    @Test func `a change that throws leaves nothing behind`() throws {
        try withStore { store in
            let job = try startedJob(store)
            #expect(throws: JobError.self) {
                try store.change(job.id) { try $0.begin(on: [1], from: nil, at: Date()) }
            }
            #expect(try store.job(job.id) == job)
            #expect(try store.events(of: job.id, after: 0, limit: 10).count == job.lastSeq)
        }
    }

    @Test func `every change moves the revision and wakes who watches`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let woken = Counter()
            let watch = store.changes.watch(job.id) { woken.add() }
            let changed = try store.change(job.id) { try $0.requestCancel(.graceful, at: Date()) }
            #expect(changed.revision == job.revision + 1)
            #expect(woken.value == 1)
            watch.cancel()
            try store.change(job.id) { try $0.requestCancel(.now, at: Date()) }
            #expect(woken.value == 1)
            #expect(store.changes.count == 0)
        }
    }

    @Test func `pages of jobs meet every job once while others come in`() throws {
        try withStore { store in
            var wanted = JobFilter()
            wanted.states = [.running]
            let old = try (0..<7).map { _ in try startedJob(store).id }
            var seen: [JobID] = []
            var cursor: ListCursor?
            repeat {
                let page = try store.jobs(wanted, after: cursor, limit: 3)
                seen += page.elements.map(\.id)
                cursor = try page.next.map { try #require(ListCursor($0.text)) }
                _ = try startedJob(store)
            } while cursor != nil
            #expect(seen == old.reversed())
            wanted.states = [.queued]
            #expect(try store.jobs(wanted, limit: 3).elements.isEmpty)
        }
    }

    @Test(arguments: ["", "x", "AAAA", "../../../../..", "!!!!!!!!!!!!!!!!!!!!!!"])
    func `text that is no cursor is none`(text: String) {
        #expect(ListCursor(text) == nil)
    }
}

@Suite struct IngestTests {
    @Test func `a torn last line waits until it is whole`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let whole = try line("metric", ["step": 1, "loss": 0.5])
            let torn = try line("metric", ["step": 2, "loss": 0.25])
            let cut = torn.prefix(torn.count - 5)
            let first = try store.ingest(whole + cut, job: job.id, epoch: 1, at: 0)
            #expect(first == whole.count)
            #expect(try store.ingest(cut, job: job.id, epoch: 1, at: first) == first)
            #expect(try store.ingest(torn, job: job.id, epoch: 1, at: first) == first + torn.count)
            let events = try store.events(of: job.id, after: 0, types: ["metric"], limit: 10)
            #expect(events.map { $0.data["step"] } == [1, 2])
            #expect(try store.job(job.id)?.latestMetrics["loss"] == 0.25)
        }
    }

    /// Cuts a log into pieces at random places, offers each piece several times and out of turn, as readers do that
    /// were killed between reading and storing.
    @Test(arguments: 0..<5) func `whatever is read again is stored once`(seed: UInt64) throws {
        try withStore { store in
            let job = try startedJob(store)
            var log = Data()
            for step in 0..<200 { log += try line("metric", ["step": .int(step)]) }
            var random = SplitMix(state: seed)
            var offset = 0
            while offset < log.count {
                let from =
                    Bool.random(using: &random)
                    ? offset : Int.random(in: 0...offset, using: &random)
                let to = min(log.count, from + Int.random(in: 1...400, using: &random))
                let next = try store.ingest(log[from..<to], job: job.id, epoch: 1, at: from)
                #expect(next >= offset)
                offset = next
            }
            #expect(try store.ingest(log, job: job.id, epoch: 1, at: 0) == log.count)
            let events = try store.events(of: job.id, after: 0, limit: 1000)
            #expect(events.map(\.seq) == Array(1...events.count))
            #expect(
                events.filter { $0.type == "metric" }.map { $0.data["step"] }
                    == (0..<200).map { .int($0) }
            )
        }
    }

    @Test func `two readers at once store each event once`() throws {
        try withStore { store in
            let job = try startedJob(store)
            var log = Data()
            for step in 0..<100 { log += try line("metric", ["step": .int(step)]) }
            let whole = log
            DispatchQueue.concurrentPerform(iterations: 4) { _ in
                var offset = 0
                while offset < whole.count {
                    let piece = whole[offset..<min(whole.count, offset + 500)]
                    offset =
                        (try? store.ingest(piece, job: job.id, epoch: 1, at: offset)) ?? offset
                }
            }
            #expect(
                try store.events(of: job.id, after: 0, types: ["metric"], limit: 1000)
                    .map { $0.data["step"] } == (0..<100).map { .int($0) }
            )
        }
    }

    @Test func `what is no event is told of and passed over`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let good = try line("log", ["message": "ok"])
            let log = Data("{\"ts\":\n".utf8) + good + Data("[1,2]\n\n".utf8) + good
            #expect(try store.ingest(log, job: job.id, epoch: 1, at: 0) == log.count)
            let types = try store.events(of: job.id, after: job.lastSeq, limit: 10).map(\.type)
            #expect(types == ["warning", "log", "warning", "log"])
        }
    }

    @Test func `a line without end is not waited for for ever`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let endless = Data(repeating: 0x20, count: JobStore.lineLimit)
            #expect(try store.ingest(endless, job: job.id, epoch: 1, at: 0) == endless.count)
        }
    }

    @Test func `a heartbeat is heard and not stored`() throws {
        try withStore { store in
            let job = try startedJob(store)
            try store.save(Attempt(job: job.id, n: 1, cores: [0], startedAt: Date()))
            _ = try store.ingest(line("heartbeat"), job: job.id, epoch: 1, at: 0)
            #expect(try store.events(of: job.id, after: job.lastSeq, limit: 10).isEmpty)
            #expect(try store.attempts(of: job.id)[0].heardAt != nil)
        }
    }

    @Test func `a checkpoint has one id, in its event and in the list`() throws {
        try withStore { store in
            let job = try startedJob(store)
            let file = CheckpointFile(
                name: "final",
                path: "epoch-1/checkpoints/final.safetensors",
                kind: "supernet",
                step: 9,
                sha256: String(repeating: "a", count: 64),
                bytes: 10,
            )
            let data = try #require(JSON.value(file).object)
            let created = try line("checkpoint.created", data)
            let next = try store.ingest(created, job: job.id, epoch: 1, at: 0)
            _ = try store.ingest(created, job: job.id, epoch: 1, at: next)
            var bad = data
            bad["path"] = "../../../etc/passwd"
            _ = try store.ingest(
                line("checkpoint.created", bad),
                job: job.id,
                epoch: 2,
                at: 0,
            )
            let list = try store.checkpoints(of: job.id, limit: 10).elements
            #expect(list.count == 1)
            let event = try store.events(of: job.id, after: job.lastSeq, limit: 1)[0]
            #expect(event.data["id"]?.string == list[0].id)
            #expect(!list[0].final)

            let end = WorkerEnd(
                exit: .code(0),
                result: ResultFile(outputs: JobOutputs(checkpoint: file)),
            )
            try store.settle(
                job.id,
                end,
                attempt: nil,
                ranUntil: Date(),
                backoff: Backoff(),
            )
            #expect(try store.checkpoint(list[0].id)?.final == true)
            #expect(try store.checkpoints(of: job.id, limit: 10).elements.count == 1)
        }
    }

    @Test func `candidates are unique, and every page follows the order asked for`() throws {
        try withStore { store in
            let job = try startedJob(store)
            var log = Data()
            for index in 0..<20 {
                // Two have no map: they come last in both directions.
                let map: JSONValue = index < 2 ? .null : .double(Double(index * 7 % 20) / 20)
                log += try line(
                    "candidate.evaluated",
                    [
                        "index": .int(index), "generation": .int(index / 10),
                        "genome": .string("\(index)"), "map": map, "macs": 5, "params": 6,
                    ],
                )
            }
            _ = try store.ingest(log + log, job: job.id, epoch: 1, at: 0)
            for (sort, ascending) in [("map", true), ("-map", false)] {
                var seen: [Candidate] = []
                var cursor: ListCursor?
                repeat {
                    let page = try store.candidates(
                        of: job.id,
                        sort: #require(CandidateSort(sort)),
                        after: cursor,
                        limit: 3,
                    )
                    seen += page.elements
                    cursor = page.next.flatMap { ListCursor($0.text) }
                } while cursor != nil
                #expect(Set(seen.map(\.genome)).count == 20)
                #expect(seen.count == 20)
                #expect(seen.suffix(2).allSatisfy { $0.map == nil })
                let maps = seen.compactMap(\.map)
                #expect(maps == maps.sorted(by: ascending ? (<) : (>)))
            }
            var wanted = CandidateFilter()
            wanted.generation = 1
            #expect(try store.candidates(of: job.id, wanted, limit: 50).elements.count == 10)
            #expect(CandidateSort("--map") == nil)
            #expect(CandidateSort("nothing") == nil)
        }
    }

    @Test func `a full disk refuses an event whole, and takes it when there is room`() throws {
        try withStore { store in
            let job = try startedJob(store)
            var log = Data()
            for step in 0..<500 {
                log += try line(
                    "log",
                    ["message": .string(String(repeating: "x", count: 500) + "\(step)")],
                )
            }
            let whole = log
            func limit(to pages: Int) throws {
                try store.database.writeWithoutTransaction { db in
                    _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = \(pages)")
                }
            }
            let pages = try store.database.read { try Int.fetchOne($0, sql: "PRAGMA page_count") }
            try limit(to: #require(pages))
            #expect(throws: DatabaseError.self) {
                try store.ingest(whole, job: job.id, epoch: 1, at: 0)
            }
            #expect(try store.offsets(of: job.id) == [:])
            #expect(try store.job(job.id) == job)
            try limit(to: 1 << 20)
            #expect(try store.ingest(whole, job: job.id, epoch: 1, at: 0) == whole.count)
            #expect(try store.events(of: job.id, after: 0, limit: 1000).count == 500 + job.lastSeq)
        }
    }
}

/// `@unchecked Sendable`: `lock` guards `value`.
final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private(set) var value = 0
    func add() { lock.withLock { value += 1 } }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
