// Staying with a job, whatever happens to it, to the daemon and to the way between.

import Configs
import Foundation
import Synchronization
import Testing

@testable import Client

/// What a test was told.
private final class Told: Sendable {
    private let all = Mutex<[String]>([])

    var lines: [String] { all.withLock { $0 } }

    func tell(_ line: String) { all.withLock { $0.append(line) } }
}

@Suite struct FollowingTests {
    private func patience(_ told: Told, seconds: Double = 10) -> Patience {
        var made = Patience()
        made.seconds = seconds
        made.pauses = (0.01, 0.05)
        made.tell = { told.tell($0) }
        return made
    }

    private static func job(_ state: String, _ lastSeq: Int) -> Scripted.Answer {
        let isOver = ["succeeded", "failed", "cancelled"].contains(state)
        return .json([
            "state": .string(state), "terminal": .bool(isOver), "lastSeq": .int(Int64(lastSeq)),
        ])
    }

    private func follow(
        _ client: Client,
        _ told: Told,
        after: Int? = nil,
        types: String? = nil,
    ) throws -> (seqs: [Int], state: String?) {
        var seqs: [Int] = []
        var patience = patience(told)
        let end = try client.follow("job_1", after: after, types: types, &patience) { event, _ in
            seqs.append(event["seq"]?.int ?? 0)
        }
        return (seqs, end["state"]?.string)
    }

    /// As a daemon does that ends a stream at the first `job.end` that it meets.
    @Test func `the end of an earlier attempt is not the end`() throws {
        let server = try Scripted { target, before in
            if !target.contains("/events") {
                return before < 1 ? Self.job("running", 3) : Self.job("succeeded", 5)
            }
            return target.contains("after=2")
                ? .events([3, 4, 5], ends: [5]) : .events([1, 2], ends: [2])
        }
        defer { server.stop() }
        let told = Told()
        let found = try follow(server.client, told)
        #expect(found.seqs == [1, 2, 3, 4, 5] && found.state == "succeeded")
        #expect(told.lines.isEmpty)
    }

    /// The second end is stored already when the first one is met.
    @Test func `a job that ended twice is told of to its last event`() throws {
        let server = try Scripted { target, _ in
            if !target.contains("/events") { return Self.job("failed", 4) }
            return target.contains("after=2")
                ? .events([3, 4], ends: [4]) : .events([1, 2], ends: [2])
        }
        defer { server.stop() }
        let found = try follow(server.client, Told())
        #expect(found.seqs == [1, 2, 3, 4] && found.state == "failed")
    }

    @Test func `what is behind the last event of the types that were asked for is not waited for`()
        throws
    {
        let server = try Scripted { target, _ in
            if !target.contains("/events") { return Self.job("cancelled", 9) }
            return target.contains("after=7") ? .events([]) : .events([3, 7], ends: [7])
        }
        defer { server.stop() }
        let found = try follow(server.client, Told(), types: "metric")
        #expect(found.seqs == [3, 7] && found.state == "cancelled")
        #expect(server.asked.contains("/v1/jobs/job_1/events?follow=true&after=7&types=metric"))
    }

    /// A daemon that stops ends its streams in good order, and the job may end just after.
    @Test func `what happens between the end of a stream and the look at the job is told`() throws {
        let late = try Scripted { target, before in
            if !target.contains("/events") { return Self.job("succeeded", 3) }
            return before == 0 ? .events([]) : .events([1, 2, 3], ends: [3])
        }
        defer { late.stop() }
        #expect(try follow(late.client, Told()).seqs == [1, 2, 3])
    }

    @Test func `a daemon that is restarted is waited for, and no event is told twice`() throws {
        let first = try Scripted { target, _ in
            target.contains("/events") ? .events([1, 2], isOpen: true) : Self.job("running", 2)
        }
        let (port, client, told) = (first.port, first.client, Told())
        let second = Mutex<Scripted?>(nil)
        let restart = Thread {
            while told.lines.isEmpty, first.asked.isEmpty { usleep(1000) }
            usleep(100_000)
            first.stop()
            usleep(200_000)
            let again = try? Scripted(port: port) { target, before in
                if !target.contains("/events") { return Self.job("succeeded", 4) }
                if before == 0 { return .json(["title": "Not yet"], status: 503) }
                // One that was told before comes again.
                return .events([2, 3, 4], ends: [4])
            }
            second.withLock { $0 = again }
        }
        restart.start()
        let found = try follow(client, told)
        // The thread may still be about to tell of the server that answered.
        while second.withLock({ $0 == nil }), !restart.isFinished { usleep(1000) }
        let again = try #require(second.withLock { $0 })
        defer { again.stop() }
        #expect(found.seqs == [1, 2, 3, 4] && found.state == "succeeded")
        #expect(again.asked.contains("/v1/jobs/job_1/events?follow=true&after=2"))
        #expect((1...2).contains(told.lines.count))
        #expect(try #require(told.lines.first).contains("trying again for 10 s"))
    }

    /// Only signs of life come for longer than a daemon may be away.
    @Test func `how long a daemon may be away counts from its last answer`() throws {
        let first = try Scripted { target, before in
            if !target.contains("/events") { return Self.job("running", 1) }
            return before == 0 ? .json([:], status: 503) : .events([], isOpen: true)
        }
        let (port, client, told) = (first.port, first.client, Told())
        let second = Mutex<Scripted?>(nil)
        let restart = Thread {
            while first.asked.count < 2 { usleep(1000) }
            usleep(3_500_000)
            first.stop()
            let again = try? Scripted(port: port) { target, _ in
                target.contains("/events") ? .events([1], ends: [1]) : Self.job("succeeded", 1)
            }
            second.withLock { $0 = again }
        }
        restart.start()
        var (patience, count) = (patience(told, seconds: 3), 0)
        let end = try client.follow("job_1", &patience) { _, _ in count += 1 }
        second.withLock { $0 }?.stop()
        #expect(end["state"] == "succeeded" && count == 1 && !told.lines.isEmpty)
    }

    @Test func `what was dropped of an old job is passed over`() throws {
        let server = try Scripted { target, _ in
            if !target.contains("/events") { return Self.job("succeeded", 9) }
            guard !target.contains("after=") else {
                return .json(["code": "compacted", "oldestSeq": 8], status: 410)
            }
            return .events([1, 3, 5, 8, 9], ends: [9])
        }
        defer { server.stop() }
        #expect(try follow(server.client, Told(), after: 3).seqs == [5, 8, 9])
    }

    @Test func `a daemon that stays away is given up, and one that refuses is not asked again`()
        throws
    {
        let told = Told()
        var short = patience(told, seconds: 0.2)
        let nobody = Client(.tcp(host: "127.0.0.1", port: 1))
        let gone = try #require(throws: ClientError.self) {
            try nobody.ended("job_1", &short)
        }
        #expect(ExitStatus.of(gone) == 69 && gone.description.contains("gave up"))
        #expect(told.lines.count == 1)

        let server = try Scripted { _, _ in .json(["title": "Not found"], status: 404) }
        defer { server.stop() }
        var long = patience(told)
        for what in 0..<2 {
            let refusal = try #require(throws: ServerProblem.self) {
                _ =
                    what == 0
                    ? try server.client.ended("job_1", &long)
                    : try server.client.follow("job_1", &long) { _, _ in }
            }
            #expect(ExitStatus.of(refusal) == 66)
        }
        #expect(server.asked.count == 2)
    }

    @Test func `the time is over also while nobody answers, and while the job goes on`() throws {
        var patience = patience(Told())
        let nobody = Client(.tcp(host: "127.0.0.1", port: 1))
        #expect(throws: TimeOver.self) {
            try nobody.ended("job_1", by: Date() + 0.1, &patience)
        }
        let server = try Scripted { _, _ in Self.job("running", 1) }
        defer { server.stop() }
        #expect(throws: TimeOver.self) {
            try server.client.ended("job_1", by: Date() + 0.1, &patience)
        }
        #expect(server.asked.first?.hasSuffix("until=terminal") == true)
    }

    @Test func `each try waits longer than the one before, until an answer comes`() throws {
        var patience = patience(Told(), seconds: 60)
        patience.pauses = (0.1, 0.2)
        let error = ClientError("no", .unreachable)
        var waits: [Double] = []
        for _ in 0..<3 {
            let start = Date()
            try patience.wait(after: error)
            waits.append(-start.timeIntervalSinceNow)
        }
        #expect(waits[0] >= 0.1 && waits[1] >= 0.2 && waits[2] >= 0.2)
        patience.seconds = 0.5
        #expect(throws: ClientError.self) { try patience.wait(after: error) }
        patience.heard()
        try patience.wait(after: error)
    }

    @Test func `what is no JSON is no daemon's answer, and is not asked for again`() throws {
        let server = try Scripted { target, _ in
            target.contains("/events") ? .events([1]) : .text("<html>")
        }
        defer { server.stop() }
        let error = try #require(throws: ClientError.self) { try follow(server.client, Told()) }
        #expect(ExitStatus.of(error) == 76 && server.asked.count == 2)
    }

    @Test(arguments: [
        ("succeeded", 0), ("failed", 1), ("cancelled", 2),
    ])
    func `a command ends as its job`(state: String, status: Int32) {
        #expect(ExitStatus.of(state: state) == status)
    }

    @Test(arguments: [
        (401, 77), (403, 77), (404, 66), (410, 66), (409, 65), (422, 65), (429, 75), (500, 70),
        (503, 69), (507, 75),
    ])
    func `no refusal looks like the end of a job`(status: Int, code: Int32) {
        #expect(ExitStatus.of(ServerProblem(status: status, body: .null)) == code)
    }
}

@Suite struct IdentifierTests {
    private func server() throws -> Scripted {
        try Scripted { target, _ in
            if target.contains("/v1/architectures") {
                return .json(["data": [["id": "arch_0123456789abcdef"]]])
            }
            guard target.contains("after=next") else {
                return .json([
                    "data": [
                        ["id": "job_01aaa", "state": "failed", "kind": "k", "name": "one"],
                        ["id": "job_01aab", "state": "queued", "kind": "k", "name": "two"],
                    ], "nextCursor": "next",
                ])
            }
            return .json(["data": [["id": "job_02"], ["id": "job_021"]]])
        }
    }

    @Test(arguments: [
        ("job_01aaa", "job_01aaa"), ("01aab", "job_01aab"), ("job_021", "job_021"),
        ("job_02", "job_02"),
    ])
    func `the beginning of an id will do where only one begins so`(text: String, id: String)
        throws
    {
        let server = try server()
        defer { server.stop() }
        #expect(try server.client.id(text, of: .job) == id)
        #expect(try server.client.id("0123", of: .architecture) == "arch_0123456789abcdef")
    }

    @Test func `several are listed, none is said, a whole id is not looked for`() throws {
        let server = try server()
        defer { server.stop() }
        let several = try #require(throws: ClientError.self) {
            try server.client.id("01aa", of: .job)
        }
        #expect(several.description.contains("2 jobs begin with \"01aa\""))
        #expect(several.description.contains("  job_01aab  queued  k  two"))
        let none = try #require(throws: ClientError.self) {
            try server.client.id("a b", of: .job)
        }
        #expect(ExitStatus.of(none) == 66 && none.description.contains("there is no job \"a b\""))
        let count = server.asked.count
        let whole = "job_01jd2y3m6v0000000000000000"
        #expect(try server.client.id(whole, of: .job) == whole)
        #expect(server.asked.count == count)
    }
}
