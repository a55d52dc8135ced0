// A file from the daemon: goes on where an earlier try was cut off, and is named only when its digest is right.

import Configs
package import Foundation
import SearchSpaces

extension Client {
    /// Downloads a checkpoint into `target`.
    ///
    /// - Parameter progress: gets the bytes that are there and all there will be.
    /// - Returns: the digest, as told and as found.
    /// - Throws: `ClientError` where the content is not what the daemon has named.
    @discardableResult
    package func download(
        checkpoint id: String,
        to target: URL,
        progress: (Int, Int) -> Void = { _, _ in },
    ) throws -> String {
        let facts = try get("/v1/checkpoints/\(id)")
        guard let digest = facts["sha256"]?.string, let bytes = facts["bytes"]?.int else {
            throw ClientError("checkpoint \(id) has no digest")
        }
        let aside = URL(filePath: target.path + ".part")
        let files = FileManager.default
        if !files.fileExists(atPath: aside.path) {
            guard files.createFile(atPath: aside.path, contents: nil) else {
                throw ClientError("cannot write \(aside.path)")
            }
        }
        let file = try FileHandle(forWritingTo: aside)
        defer { try? file.close() }
        var there = Int(try file.seekToEnd())
        if there > bytes {
            try file.truncate(atOffset: 0)
            there = 0
        }
        if there < bytes {
            let fields = ["Range": "bytes=\(there)-", "If-Range": "\"sha256-\(digest)\""]
            try exchange("GET", "/v1/checkpoints/\(id)/content", nil, there > 0 ? fields : [:]) {
                // The whole file, where only the rest was asked for.
                guard $0.status == 200, there > 0 else { return }
                try file.truncate(atOffset: 0)
                there = 0
            } take: { part in
                try file.write(contentsOf: part)
                there += part.count
                progress(there, bytes)
                return true
            }
        }
        try file.synchronize()
        let found = try SHA256.digest(file: aside).hex
        guard found == digest else {
            try? files.removeItem(at: aside)
            throw ClientError(
                "\(target.path): the digest is \(found), the daemon's \(digest); the file was thrown away"
            )
        }
        try? files.removeItem(at: target)
        try files.moveItem(at: aside, to: target)
        return digest
    }
}
