// A database that was damaged, or cannot be written, is told of; what can be read is read.

import Configs
import Foundation
import GRDB
import Jobs
import TestSupport
import Testing

@testable import JobStore

@Suite struct DamageTests {
    @Test func `a damaged table is told of, and the others are read`() throws {
        let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var store: JobStore? = try JobStore(folder: folder)
        let job = try startedJob(#require(store))
        store = nil
        try damage(table: "events", in: folder)

        let again = try JobStore(folder: folder)
        #expect(try again.job(job.id) == job)
        #expect(again.damage == nil)
        do {
            _ = try again.events(of: job.id, after: 0, limit: 9)
            Issue.record("damaged events were read")
        } catch {
            guard case StoreError.damaged(folder, _) = again.explained(error) else {
                Issue.record("\(error)")
                return
            }
        }
        #expect(again.damage != nil)
        // The check lists what is wrong, or gives up over it.
        let condition = try? JobStore.inspect(folder)
        #expect(condition == nil || condition?.faults.isEmpty == false)
    }

    @Test func `what is no database keeps a server from starting, with what to do`() throws {
        let folder = NSTemporaryDirectory() + "/detnas-store-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Files.makeFolder(folder)
        try Data(repeating: 7, count: 8192).write(to: URL(filePath: folder + "/detnas.db"))
        do {
            _ = try JobStore(folder: folder)
            Issue.record("it was opened")
        } catch {
            #expect("\(error)".contains("detnas doctor") && "\(error)".contains("detnas restore"))
        }
        // The lock is free again.
        #expect(JobStore.owner(of: folder) == nil)
    }

    @Test func `a store that may not be written says so and goes on being read`() throws {
        try withStore { store in
            let job = try startedJob(store)
            try store.database.writeWithoutTransaction {
                try $0.execute(sql: "PRAGMA query_only = 1")
            }
            do {
                try store.change(job.id) { try $0.requestCancel(.now, at: Date()) }
                Issue.record("it was written")
            } catch {
                guard case StoreError.notWritable = store.explained(error) else {
                    Issue.record("\(error)")
                    return
                }
            }
            #expect(try store.job(job.id) == job)
            #expect(store.damage == nil)
        }
    }

    @Test func `a document that was changed by somebody else counts as damage`() throws {
        try withStore { store in
            let (good, bad) = (try startedJob(store), try startedJob(store))
            try store.database.write {
                try $0.execute(
                    sql: "UPDATE jobs SET document = '{}' WHERE id = ?",
                    arguments: [bad.id.rawValue],
                )
            }
            #expect(try store.job(good.id) == good)
            do { _ = try store.job(bad.id) } catch { store.note(error) }
            #expect(store.damage == "a stored document cannot be read")
        }
    }

    @Test func `an owner is named as long as it holds the folder`() throws {
        try withStore { store in
            #expect(JobStore.owner(of: store.folder) == "\(getpid())")
        }
    }
}
