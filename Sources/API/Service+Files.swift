// The files that a job leaves beside its checkpoints, such as pictures.
//
// A name in a request is looked up among those that the job's result lists; it never becomes a path.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs

extension Service {
    /// In the order in which they were made; none before the job has succeeded.
    @Sendable func listFiles(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["limit", "after"])
        let job = try job(request)
        let files = job.outputs?.files ?? []
        let start = min(max(0, Int(try query.cursor()?.number ?? 0)), files.count)
        let end = min(start + (try query.limit()), files.count)
        let found = Page(
            elements: Array(files[start..<end]),
            next: end < files.count ? ListCursor(number: Int64(end)) : nil,
        )
        return .now(page(found, of: request) { $0.view(of: job.id) })
    }

    /// The file, named by its content as checkpoints are.
    @Sendable func getFile(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let job = try job(request)
        let name = request.parameters["name"] ?? ""
        guard let file = job.outputs?.files?.first(where: { $0.name == name }) else {
            throw Problem.notFound("file of \(job.id)", name)
        }
        return .now(
            try content(
                Stored(
                    what: "\(job.id), \(file.name),",
                    path: store.runDirectory(of: job.id).resolve(file.path),
                    sha256: file.sha256,
                    bytes: file.bytes,
                ),
                named: file.name,
                type: file.mediaType,
                inline: true,
            )
        )
    }
}
