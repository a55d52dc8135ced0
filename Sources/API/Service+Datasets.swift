// Data sets: those that lie below the roots, and those that were registered, each with what its newest check found.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling

extension Service {
    /// In the order of their folders' names: what was registered, and every folder that nobody registered.
    @Sendable func listDatasets(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["limit", "after"])
        let (limit, cursor) = (try query.limit(), try query.cursor())
        return later(on: computing, request) {
            let registered = try self.store.datasets()
            let names = Set(registered.map(\.folder))
            // A folder of a name that an earlier root has too is hidden by that one.
            let found = Set(self.scheduler.datasetRoots.flatMap(\.datasets)).subtracting(names)
            let all: [(folder: String, dataset: Dataset?)] =
                (registered.map { ($0.folder, $0) } + found.map { ($0, nil) })
                .sorted { $0.folder < $1.folder }
            let (part, next) = self.part(of: all, cursor, limit)
            let views = try part.map { entry in
                try entry.dataset.map(self.view) ?? self.unregistered(entry.folder)
            }
            return self.page(views, next: next, of: request)
        }
    }

    @Sendable func getDataset(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        return .now(json(try view(dataset(request))))
    }

    /// What its newest check found wrong, each with its place.
    @Sendable func listDatasetProblems(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["limit", "after"])
        let (limit, cursor) = (try query.limit(), try query.cursor())
        let dataset = try dataset(request)
        return later(on: computing, request) {
            let (part, next) = self.part(of: try self.problems(of: dataset), cursor, limit)
            let more: [String: JSONValue] = [
                "checkedAt": .optional(dataset.checkedAt),
                "problems": dataset.resultValue?["problems"] ?? .null,
            ]
            return self.page(part, next: next, of: request, more)
        }
    }

    @Sendable func addDataset(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        if let earlier = try replay(request) { return .now(earlier) }
        let asked = try DatasetRequest.resolve(body(request)).get()
        let files = try files(of: asked)
        let id = "ds_" + ULID.make()
        let place = "/v1/datasets/\(id)"
        let named = try namedRequest(request, location: place)
        try checkRoom(for: 1)
        let made: Dataset
        do {
            made = try store.makeDataset(
                id: id,
                name: asked.name,
                folder: asked.dataset,
                decode: asked.decode,
                files: files,
                request: named,
            )
        } catch StoreError.repeatedRequest {
            return try addDataset(request)
        } catch StoreError.datasetExists(let other) {
            throw Problem.datasetExists(
                other.upload != nil && other.upload == asked.upload
                    ? "\(other.id) is being made of this upload"
                    : "\(other.id) has the name \"\(other.name)\" and the folder \"\(other.folder)\""
            )
        }
        if made.isBeingUnpacked { datasetMaker.unpack(made) } else { scheduler.wake() }
        log(.info, "data set registered", ["request": request.id, "dataset": id])
        return .now(json(try view(made), status: 201, [("Location", place)]))
    }

    /// Submits another check of it; no content means that every picture is decoded.
    @Sendable func checkDataset(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        if let earlier = try replay(request) { return .now(earlier) }
        let decode = try onlyField("decode", of: request, allowed: "true, false") { $0.bool }
        let dataset = try dataset(request)
        guard root(of: dataset.folder) != nil, !dataset.isBeingUnpacked else {
            let why =
                dataset.isBeingUnpacked
                ? "it is being unpacked"
                : dataset.failure ?? "no root has a folder \"\(dataset.folder)\""
            throw Problem(
                409,
                "no_files",
                "The data set has no files now",
                "\(dataset.id): \(why)",
            )
        }
        return try submit(
            DatasetMaker.request(dataset.folder, decode: decode ?? true),
            request,
        )
    }

    /// The registration; the files too where they came by an upload.
    @Sendable func deleteDataset(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        try requireMatch(request, etag: nil)
        let dataset = try dataset(request)
        do {
            let files = try store.deleteDataset(dataset.id)
            if let files { datasetMaker.remove(files) }
        } catch StoreError.referenced(let by) {
            throw Problem(
                409,
                "referenced",
                "Jobs need this data set",
                "\(by.count) unfinished jobs read it, among them "
                    + by.prefix(3).map(\.job.rawValue).joined(separator: ", "),
                more: ["by": .array(by.prefix(100).map { .string($0.job.rawValue) })],
            )
        }
        log(.info, "data set deleted", ["request": request.id, "dataset": dataset.id])
        return .now(HTTPResponse(status: 204))
    }
}

// Details
extension Service {
    private func dataset(_ request: HTTPRequest) throws -> Dataset {
        let id = request.parameters["id"] ?? ""
        guard let found = try store.dataset(id) else { throw Problem.notFound("data set", id) }
        return found
    }

    /// Where the files are that a request tells of.
    /// - Throws: `Violations`; `Problem` where an upload would hide what is there.
    private func files(of asked: DatasetRequest) throws -> DatasetFiles {
        guard let upload = asked.upload else {
            return .check(
                try datasetMaker.check(
                    asked.dataset,
                    decode: asked.decode,
                    at: asked.folder == nil ? "/name" : "/folder",
                )
            )
        }
        let stored = try storedUpload(upload, at: "/upload")
        if let root = root(of: asked.dataset) {
            throw Problem.datasetExists(
                "the root \"\(root.name)\" has a folder \"\(asked.dataset)\""
            )
        }
        return .upload(stored.id)
    }

    private func root(of folder: String) -> DatasetRoot? {
        scheduler.datasetRoots.first { $0.dataset(folder) != nil }
    }

    /// What its check wrote down.
    /// - Throws: `Problem` where that is gone.
    private func problems(of dataset: Dataset) throws -> [JSONValue] {
        guard let id = dataset.checkedBy else { return [] }
        let file = try store.job(id)?.outputs?.files?.first { $0.name == CheckConfig.problems }
        guard let path = file.flatMap({ store.runDirectory(of: id).resolve($0.path) }),
            let data = try? Data(contentsOf: URL(filePath: path)),
            let list = try? JSONValue(parsing: data).array
        else {
            throw Problem(
                410,
                "gone",
                "The list is gone",
                "what \(id) found in \(dataset.id) is no longer on the disk; check it again",
            )
        }
        return list
    }

    /// The part of a list that a page shows, by its place.
    private func part<Element>(
        of all: [Element],
        _ cursor: ListCursor?,
        _ limit: Int,
    ) -> ([Element], next: ListCursor?) {
        let start = min(max(0, Int(cursor?.number ?? 0)), all.count)
        let end = min(start + limit, all.count)
        return (Array(all[start..<end]), end < all.count ? ListCursor(number: Int64(end)) : nil)
    }

    func view(_ known: Dataset) throws -> JSONValue {
        let (dataset, job) = try store.checked(known.id) ?? (known, nil)
        let root = root(of: dataset.folder)
        let found = dataset.resultValue
        let failures: [JSONValue] =
            if let failure = dataset.failure ?? job?.failure?.message {
                [.string(failure)]
            } else {
                found?["failures"]?.array ?? []
            }
        let state =
            switch job?.state {
            case _ where dataset.isBeingUnpacked: "unpacking"
            case .queued, .running, .paused: "checking"
            case _ where !failures.isEmpty: "failed"
            case _ where root == nil: "missing"
            case _ where found == nil: "unchecked"
            default: "ready"
            }
        var links: [String: JSONValue] = [
            "self": .string("/v1/datasets/\(dataset.id)"),
            "problems": .string("/v1/datasets/\(dataset.id)/problems"),
        ]
        links["job"] = job.map { .string("/v1/jobs/\($0.id)") }
        return [
            "id": .string(dataset.id), "name": .string(dataset.name),
            "folder": .string(dataset.folder), "root": .optional(root?.name),
            "state": .string(state), "failures": .array(failures),
            "job": .optional(job?.id.rawValue), "createdAt": .string(dataset.createdAt),
            "checkedAt": .optional(dataset.checkedAt), "found": found ?? .null,
            "links": .object(links),
        ]
    }

    /// A folder by its name alone.
    private func unregistered(_ folder: String) -> JSONValue {
        [
            "id": nil, "name": .string(folder), "folder": .string(folder),
            "root": .optional(root(of: folder)?.name), "state": "unregistered", "failures": [],
            "job": nil, "createdAt": nil, "checkedAt": nil, "found": nil, "links": [:],
        ]
    }
}

extension Problem {
    fileprivate static func datasetExists(_ detail: String) -> Problem {
        Problem(
            409,
            "dataset_exists",
            "There is such a data set",
            "\(detail); choose another name, or delete that one first",
        )
    }
}
