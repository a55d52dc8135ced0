// A data directory of any age opens, and what was in it is read as it was.

import Configs
import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite struct MigrationTests {
    private static let id = "job_01jd2y3m6v0000000000000000"

    /// As the first version stored it: later fields are missing.
    private static let document = """
        {"attempt":1,"cores":1,"createdAt":"2026-01-02T03:04:05.678Z","device":"cpu","failures":0,\
        "id":"\(id)","kind":"search.evolution","labels":{"team":"cells"},"lastSeq":3,\
        "latestMetrics":{"map":0.25},"limits":{"maxAttempts":3},"name":"old","needs":[],\
        "phase":"done","placement":[],"priority":2,"revision":4,"runSeconds":1.5,"seed":7,\
        "spec":{"a":1},"state":"succeeded","submittedSpec":{},"endedAt":"2026-01-02T04:04:05.678Z"}
        """

    /// Writes rows as a version that knew the migrations up to `level` did.
    private func fill(_ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO jobs (id, kind, state, document)
                    VALUES (:id, 'search.evolution', 'succeeded', :document);
                INSERT INTO attempts (job, n, startedAt, document)
                    VALUES (:id, 1, '2026-01-02T03:04:05.678Z', :attempt);
                INSERT INTO events (job, seq, ts, attempt, type, data) VALUES
                    (:id, 1, '2026-01-02T03:04:05.678Z', 0, 'job.state', '{"state":"queued"}'),
                    (:id, 2, '2026-01-02T03:04:06.000Z', 1, 'metric', '{"step":1,"loss":0.5}'),
                    (:id, 3, '2026-01-02T04:04:05.678Z', 1, 'job.end', '{"state":"succeeded"}');
                INSERT INTO followed (job, epoch, attempt, offset) VALUES (:id, 1, 1, 99);
                INSERT INTO checkpoints
                    (id, job, name, path, step, kind, sha256, bytes, final, createdAt)
                    VALUES ('ckpt_old', :id, 'a', 'epoch-1/checkpoints/a.safetensors', 5,
                        'supernet', 'ab', 12, 1, '2026-01-02T03:04:05.678Z');
                INSERT INTO candidates (job, genome, place, generation, map, macs, params)
                    VALUES (:id, '0,1', 0, 0, 0.25, 100, 10);
                INSERT INTO architectures (hash, job, genome, space, macs, params, createdAt)
                    VALUES ('arch_old', :id, '0,1', '{}', 100, 10, '2026-01-02T03:04:05.678Z');
                """,
            arguments: [
                "id": Self.id, "document": Self.document,
                "attempt": """
                {"job":"\(Self.id)","n":1,"cores":[0],"startedAt":"2026-01-02T03:04:05.678Z"}
                """,
            ],
        )
    }

    @Test(arguments: migrations.migrations)
    func `a database of every earlier version opens with all that it holds`(level: String) throws {
        let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Files.makeFolder(folder)
        let old = try DatabaseQueue(path: folder + "/detnas.db")
        try migrations.migrate(old, upTo: level)
        try old.write(fill)
        try old.close()

        let store = try JobStore(folder: folder)
        let id = try #require(JobID(rawValue: Self.id))
        let job = try #require(try store.job(id))
        #expect(job.name == "old" && job.priority == 2 && job.labels == ["team": "cells"])
        #expect(job.state == .succeeded && job.keepCheckpoints == nil)
        #expect(try store.attempts(of: id).map(\.cores) == [[0]])
        #expect(try store.events(of: id, after: 0, limit: 9).map(\.seq) == [1, 2, 3])
        #expect(try store.offsets(of: id) == [1: 99])
        #expect(try store.checkpoints(limit: 9).elements.map(\.id) == ["ckpt_old"])
        #expect(try store.candidates(of: id, limit: 9).elements.map(\.map) == [0.25])
        #expect(try store.architecture("arch_old")?.macs == 100)
        #expect(try store.series(of: id, "loss", most: 10).map(\.value) == [0.5])
        #expect(try store.counts() == [.succeeded: 1])
        // And it is written to as any other.
        _ = try startedJob(store)
        #expect(try store.compactEvents(endedBefore: Date()) == 1)
        try store.delete(id, keepsFiles: false)
    }

    @Test func `a database of a later version is left alone`() throws {
        let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var store: JobStore? = try JobStore(folder: folder)
        try store?.database.write {
            try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('of tomorrow')")
        }
        store = nil
        #expect(throws: StoreError.tooNew(folder: folder)) { _ = try JobStore(folder: folder) }
        #expect("\(StoreError.tooNew(folder: folder))".contains("later version"))
        #expect(try JobStore.inspect(folder)?.isKnown == false)
    }
}
