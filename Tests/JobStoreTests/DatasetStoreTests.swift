// Data sets that are registered, and the checks that speak for them.

import Configs
import Foundation
import Jobs
import Testing

@testable import JobStore

/// A check of a folder, not stored.
private func check(_ folder: String) throws -> Job {
    let spec = try JobSpec.resolve(kind: .datasetCheck, ["dataset": .string(folder)]).get()
    return Job(kind: .datasetCheck, spec: spec.json)
}

extension JobStore {
    fileprivate func add(_ folder: String, _ files: DatasetFiles? = nil) throws -> Dataset {
        try makeDataset(
            id: "ds_" + ULID.make(),
            name: "the \(folder)",
            folder: folder,
            decode: true,
            files: files ?? .check(check(folder)),
        )
    }

    fileprivate func addUpload() throws -> String {
        let id = "up_" + ULID.make()
        _ = try makeUpload(id: id, name: "a.tar", bytes: nil, sha256: nil)
        try Data("x".utf8).write(to: URL(filePath: "\(uploadFolder)/\(id)"))
        _ = try completeUpload(id, bytes: 1, sha256: "ab")
        return id
    }

    fileprivate func end(_ job: JobID, finding metrics: JSONValue?) throws {
        try change(job) { try $0.begin(on: [0], from: nil, at: Date()) }
        let result = metrics.map { ResultFile(outputs: JobOutputs(metrics: $0)) }
        _ = try settle(
            job,
            WorkerEnd(
                exit: .code(metrics == nil ? 1 : 0),
                result: result,
                error: ErrorFile(code: "bad_data", message: "no", retriable: false),
            ),
            attempt: nil,
            ranUntil: Date(),
            backoff: Backoff(),
        )
    }
}

@Suite struct DatasetStoreTests {
    @Test func `a data set has the result of the newest check of its folder that came to its end`()
        throws
    {
        try withStore { store in
            let made = try store.add("photos")
            let first = try #require(made.job)
            #expect(try store.job(first)?.kind == .datasetCheck)
            #expect(made.result == nil && !made.unpacked && !made.isBeingUnpacked)
            let second = try store.insert([check("photos")])[0].id
            let other = try store.insert([check("cells")])[0].id
            try store.end(second, finding: ["images": 2])
            // Ended later, and asked for earlier.
            try store.end(first, finding: ["images": 1])
            try store.end(other, finding: ["images": 9])
            var found = try #require(try store.dataset(made.id))
            #expect(found.job == second && found.checkedBy == second)
            #expect(found.resultValue == ["images": 2] && found.checkedAt != nil)
            let third = try store.insert([check("photos")])[0].id
            try store.end(third, finding: nil)
            found = try #require(try store.dataset(made.id))
            #expect(found.job == third && found.checkedBy == second)
            // The result outlives its job.
            try store.delete(second, keepsFiles: false)
            #expect(try store.dataset(made.id)?.resultValue == ["images": 2])
        }
    }

    @Test func `name, folder and upload are those of one data set at most`() throws {
        try withStore { store in
            let upload = try store.addUpload()
            let made = try store.add("cells", .upload(upload))
            #expect(made.isBeingUnpacked && made.unpacked && made.job == nil)
            for (name, folder, files) in [
                ("the cells", "other", DatasetFiles.check(try check("other"))),
                ("other", "cells", .check(try check("cells"))),
                ("other", "other", .upload(upload)),
            ] {
                #expect(throws: StoreError.datasetExists(made)) {
                    try store.makeDataset(
                        id: "ds_x",
                        name: name,
                        folder: folder,
                        decode: true,
                        files: files,
                    )
                }
            }
            #expect(throws: StoreError.noSuchUpload("up_x")) {
                try store.add("new", .upload("up_x"))
            }
            #expect(try store.datasets() == [made])
            #expect(try store.counts() == [:])
            _ = try store.deleteDataset(made.id)
            #expect(try store.add("cells").id != made.id)
        }
    }

    @Test func `an upload is no more when it was unpacked, and stays when it could not be`() throws
    {
        try withStore { store in
            let (one, two) = (try store.addUpload(), try store.addUpload())
            let made = try store.add("one", .upload(one))
            let failed = try store.add("two", .upload(two))
            try store.unpacked(made.id, check: check("one"))
            try store.failDataset(failed.id, "it is damaged")
            #expect(try store.uploads(limit: 9).elements.map(\.id) == [two])
            #expect(!FileManager.default.fileExists(atPath: "\(store.uploadFolder)/\(one)"))
            let found = try #require(try store.dataset(made.id))
            #expect(found.job != nil && !found.isBeingUnpacked)
            let other = try #require(try store.dataset(failed.id))
            #expect(other.failure == "it is damaged" && !other.isBeingUnpacked)
            #expect(try store.add("three", .upload(two)).isBeingUnpacked)
            #expect(throws: StoreError.noSuchDataset("ds_gone")) {
                try store.unpacked("ds_gone", check: check("one"))
            }
        }
    }

    @Test
    func
        `a data set is deleted when no unfinished job reads it, and no folder of a user's with it`()
        throws
    {
        try withStore { store in
            let made = try store.add("photos")
            let job = try #require(made.job)
            #expect(throws: StoreError.referenced([Referrer(job: job, reason: .input)])) {
                _ = try store.deleteDataset(made.id)
            }
            try store.end(job, finding: [:])
            try Files.makeFolder("\(store.unpackFolder)/photos")
            #expect(try store.deleteDataset(made.id) == nil)
            #expect(FileManager.default.fileExists(atPath: "\(store.unpackFolder)/photos"))
            #expect(throws: StoreError.noSuchDataset(made.id)) {
                _ = try store.deleteDataset(made.id)
            }
        }
    }

    @Test
    func `an unpacked folder goes with its data set, and what was cut off goes at the next start`()
        throws
    {
        try withStore { store in
            let made = try store.add("cells", .upload(store.addUpload()))
            try store.unpacked(made.id, check: check("cells"))
            let job = try #require(try store.dataset(made.id)?.job)
            try store.end(job, finding: [:])
            let pending = try store.add("half", .upload(store.addUpload()))
            for name in ["cells", "half", ".making-ds_x", ".gone-ds_y", "stray"] {
                try Files.makeFolder("\(store.unpackFolder)/\(name)/train")
            }
            try store.removeLeftovers()
            func names() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: store.unpackFolder)
            }
            #expect(try names() == ["cells"])
            #expect(try store.dataset(pending.id)?.isBeingUnpacked == true)
            let hidden = try store.deleteDataset(made.id)
            #expect(hidden == "\(store.unpackFolder)/.gone-\(made.id)")
            #expect(try names() == [".gone-\(made.id)"])
            try store.removeLeftovers()
            #expect(try names() == [])
        }
    }
}
