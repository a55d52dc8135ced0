// A file to the daemon: announced, then sent as one stream.

import Configs
package import Foundation
import SearchSpaces

extension Client {
    /// How much of a file is read at once.
    private static let pieceSize = 1 << 20

    /// Uploads a file, and looks whether what was stored is what was sent.
    ///
    /// - Parameter progress: gets the bytes that were sent and all there are.
    /// - Returns: the upload's id.
    /// - Throws: `ClientError`, `ServerProblem`, or what reading the file throws.
    package func upload(
        _ file: URL,
        progress: (Int, Int) -> Void = { _, _ in },
    ) throws -> String {
        let content = try FileHandle(forReadingFrom: file)
        defer { try? content.close() }
        let bytes = Int(try content.seekToEnd())
        try content.seek(toOffset: 0)
        let announced = try send(
            "POST",
            "/v1/uploads",
            ["name": .string(file.lastPathComponent), "bytes": .int(Int64(bytes))],
        )
        guard let id = announced["id"]?.string else {
            throw ClientError("the server gave the upload no id")
        }
        let connection = try Connection(to: address, authorities: authorities)
        let fields = [
            "Content-Length": "\(bytes)", "Content-Type": "application/octet-stream",
        ]
        try connection.send(requestHead("PUT", "/v1/uploads/\(id)", fields))
        var (hash, sent) = (SHA256(), 0)
        var refusal: ClientError?
        while sent < bytes, refusal == nil {
            let piece = try content.read(upToCount: min(Self.pieceSize, bytes - sent)) ?? Data()
            guard !piece.isEmpty else {
                throw ClientError("\(file.path) became shorter while it was sent")
            }
            hash.update(piece)
            do throws(ClientError) {
                try connection.send(piece)
            } catch {
                refusal = error
            }
            sent += piece.count
            progress(sent, bytes)
        }
        var answer = Data()
        do {
            try readAnswer(to: "PUT", connection) { part in
                answer.append(part)
                return true
            }
        } catch let error as ClientError {
            // Where the server took no more without a word, why it could not be sent tells more.
            throw refusal ?? error
        }
        let digest = hash.finalize().hex
        let stored = try value(answer)["sha256"]?.string
        guard stored == digest else {
            throw ClientError(
                "\(id): what was stored has the digest \(stored ?? "none"), what was sent \(digest)"
            )
        }
        return id
    }
}
