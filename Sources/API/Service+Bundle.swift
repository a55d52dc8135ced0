// Everything that is worth keeping of a job, in one download.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import SearchSpaces

extension Service {
    /// A tar of the job as JSON, its numbers as CSV, its result's weights, architectures and files, and a manifest of
    /// their digests, which comes first. A download that breaks off begins anew.
    @Sendable func getBundle(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let job = try job(request)
        return .later { responder in
            let queue = self.computing
            queue.async {
                let bundle: Bundle
                do {
                    bundle = try self.bundle(of: job)
                } catch {
                    return responder.respond(self.response(to: error, request))
                }
                let stream = responder.stream(
                    status: 200,
                    headers: HTTPHeaders([
                        ("Content-Type", "application/x-tar"), ("Cache-Control", "no-cache"),
                        ("Content-Disposition", "attachment; filename=\"\(job.id).tar\""),
                    ]),
                )
                BundleStream(bundle, to: stream, queue: queue, at: job.endedAt ?? Date()).start()
            }
        }
    }

    private func bundle(of job: Job) throws -> Bundle {
        var parts: [(name: String, content: Bundle.Content, sha256: String)] = []
        func add(_ name: String, _ data: Data) {
            parts.append((name, .bytes(data), SHA256.digest(Array(data)).hex))
        }
        func add(_ name: String, path: String, sha256: String, bytes: Int) {
            guard let path = store.runDirectory(of: job.id).resolve(path) else { return }
            parts.append((name, .file(path, bytes: bytes), sha256))
        }
        add("job.json", Data((try view(job).canonical + "\n").utf8))
        let table = try TemporaryFile(in: store.uploadFolder)
        try table.append(SeriesTable.head)
        try store.forEachPoint(of: job.id) { try table.append(SeriesTable.line($0, $1)) }
        try table.finish()
        parts.append(("metrics.csv", .temporary(table), table.digest.finalize().hex))
        for found in try store.architectures(of: job.id, limit: 1000).elements {
            guard let content = try found.architecture?.json() else { continue }
            add("architectures/\(found.hash).json", content)
        }
        if let file = job.outputs?.checkpoint {
            add("weights.safetensors", path: file.path, sha256: file.sha256, bytes: file.bytes)
        }
        // Another one may be better than the last, and a job that did not succeed has no last one.
        if let best = try store.bestCheckpoint(of: job.id)?.checkpoint,
            best.sha256 != job.outputs?.checkpoint?.sha256
        {
            add(
                "best-\(best.name).safetensors",
                path: best.path,
                sha256: best.sha256,
                bytes: best.bytes,
            )
        }
        for file in job.outputs?.files ?? [] {
            add("files/\(file.name)", path: file.path, sha256: file.sha256, bytes: file.bytes)
        }
        let manifest = JSONValue.array(
            parts.map {
                [
                    "name": .string($0.name), "bytes": .int($0.content.count),
                    "sha256": .string($0.sha256),
                ]
            }
        )
        var bundle = Bundle()
        bundle.add("\(job.id)/manifest.json", .bytes(Data((manifest.canonical + "\n").utf8)))
        for part in parts { bundle.add("\(job.id)/\(part.name)", part.content) }
        return bundle
    }
}
