// Checkpoints of any origin, and the store of a data directory that is older than they are.

import Configs
import Foundation
import GRDB
import Jobs
import Testing

@testable import JobStore

@Suite struct CheckpointStoreTests {
    @Test func `checkpoints of an older data directory keep ids, order and files`() throws {
        let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let job = Job(kind: .supernetPretrain, spec: [:])
        do {
            let database = try DatabaseQueue(path: folder + "/detnas.db")
            try migrations.migrate(database, upTo: "tokens")
            try database.write { db in
                try db.execute(
                    sql: "INSERT INTO jobs (id, kind, state, document) VALUES (?, ?, 'queued', ?)",
                    arguments: [
                        job.id.rawValue, job.kind.rawValue,
                        String(decoding: try JSON.data(job), as: UTF8.self),
                    ],
                )
                for (number, id) in [(3, "ckpt_a"), (9, "ckpt_b")] {
                    try db.execute(
                        sql: """
                            INSERT INTO checkpoints VALUES
                                (?, ?, ?, 'n', ?, ?, 'supernet', 'd', 1, 0, '2026-01-01T00:00:00.000Z')
                            """,
                        arguments: [number, id, job.id.rawValue, "epoch-1/\(id)", number],
                    )
                }
            }
            try database.close()
        }
        let store = try JobStore(folder: folder)
        let found = try store.checkpoints(limit: 10).elements
        #expect(found.map(\.id) == ["ckpt_b", "ckpt_a"] && found.map(\.number) == [9, 3])
        #expect(found.allSatisfy { $0.job == job.id && $0.space == nil })
        #expect(store.path(of: found[0]) == "\(folder)/runs/\(job.id)/epoch-1/ckpt_b")
    }

    @Test func `a path that a worker made up leads nowhere`() throws {
        try withStore { store in
            var checkpoint = Checkpoint(
                number: 1,
                id: "ckpt_a",
                job: .make(),
                name: "a",
                path: "../../x",
                step: 1,
                kind: "supernet",
                sha256: "",
                bytes: 0,
                final: false,
                createdAt: "",
            )
            #expect(store.path(of: checkpoint) == nil)
            checkpoint.job = nil
            #expect(store.path(of: checkpoint) == nil)
        }
    }
}
