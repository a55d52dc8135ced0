// Data sets that come as uploads: unpacked one after the other, in the background, then checked.

package import Configs
internal import Foundation
package import JobStore
package import Jobs

/// Unpacks what waits for it, also what a server before this one was at.
///
/// Sendable: everything changes on `queue` alone, or in the store.
package final class DatasetMaker: Sendable {
    private let scheduler: Scheduler
    private let log: ServiceLog
    private let queue = DispatchQueue(label: "datasets")

    private var store: JobStore { scheduler.store }

    package init(_ scheduler: Scheduler, log: ServiceLog) {
        self.scheduler = scheduler
        self.log = log
        do {
            for dataset in try store.datasets() where dataset.isBeingUnpacked { unpack(dataset) }
        } catch {
            log(.error, "cannot go on unpacking", ["error": "\(store.explained(error))"])
        }
    }

    /// Makes the folder of a data set that was registered with an upload, in a while.
    package func unpack(_ dataset: Dataset) { queue.async { self.make(dataset) } }

    /// Removes a folder that has a hidden name already, in a while: many files take their time.
    package func remove(_ folder: String) {
        queue.async { try? FileManager.default.removeItem(atPath: folder) }
    }

    /// The job that checks a folder, not stored yet.
    ///
    /// - Parameter place: where the request names the folder.
    /// - Throws: `Violations` when there is no such folder.
    package func check(_ folder: String, decode: Bool, at place: String = "/folder") throws -> Job {
        do {
            let request = try JobRequest.resolve(Self.request(folder, decode: decode)).get()
            return try Admission(scheduler).job(for: request).job
        } catch let violations as Violations {
            throw Violations(
                violations.all.map { Violation(place, $0.code, $0.detail, allowed: $0.allowed) }
            )
        }
    }

    /// The request for such a job.
    package static func request(_ folder: String, decode: Bool) -> JSONValue {
        // As long as a name may be.
        let name = "check of \(folder)".unicodeScalars.prefix(200)
        return [
            "kind": .string(JobKind.datasetCheck.rawValue), "name": .string(String(name)),
            "spec": ["dataset": .string(folder), "decode": .bool(decode)],
        ]
    }

    private func make(_ dataset: Dataset) {
        guard let id = dataset.upload else { return }
        let target = "\(store.unpackFolder)/\(dataset.folder)"
        do {
            guard let upload = try store.upload(id) else {
                throw ArchiveError("the upload is no longer there")
            }
            try Files.makeFolder(store.unpackFolder)
            let unpacking = Unpacking(
                archive: store.path(of: upload),
                target: target,
                aside: "\(store.unpackFolder)/.making-\(dataset.id)",
                requireRoom: requireRoom,
                isWanted: { self.isWanted(dataset) },
            )
            guard try unpacking.run() else { return }
            try store.unpacked(dataset.id, check: check(dataset.folder, decode: dataset.decode))
            scheduler.wake()
            log(.info, "data set unpacked", ["dataset": dataset.id])
        } catch StoreError.noSuchDataset {
            // Deleted at the last moment.
            try? FileManager.default.removeItem(atPath: target)
        } catch {
            log(.error, "data set not unpacked", ["dataset": dataset.id, "error": "\(error)"])
            do {
                try store.failDataset(dataset.id, "\(id) cannot be unpacked: \(words(for: error))")
            } catch {
                store.note(error)
            }
        }
    }

    /// Whether it was not deleted, as far as can be told.
    private func isWanted(_ dataset: Dataset) -> Bool {
        do { return try store.dataset(dataset.id) != nil } catch { return true }
    }

    private func requireRoom(for bytes: Int) throws {
        guard let room = scheduler.room(), room.space.free - room.reserve < bytes else { return }
        throw ArchiveError("the disk has too little room: \(room.words)")
    }

    /// Those of an archive's fault tell of no path of the server's.
    private func words(for error: any Error) -> String {
        switch error {
        case let error as ArchiveError: error.description
        case let error as FileError where error.isDiskFull: "the disk is full"
        default: "the server's log tells why"
        }
    }
}
