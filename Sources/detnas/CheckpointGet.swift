// `detnas checkpoint get`: a checkpoint from the daemon into a file.

import ArgumentParser
import Client
import Configs
import Foundation

struct CheckpointGet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract:
            "Downloads a checkpoint; goes on where an earlier try was cut off, and checks the digest.",
    )

    @Argument(help: "A checkpoint's id, or a job's: then its result.")
    var id: String

    @Option(name: .shortAndLong, help: "The file (default: ID.safetensors).")
    var output: String?

    @OptionGroup var options: ServerOptions

    func run() throws {
        let client = try options.client
        let checkpoint: String
        if id.hasPrefix("job_") {
            let job = try client.get("/v1/jobs/\(client.id(id, of: .job))")
            guard let result = job["outputs"]?["checkpointId"]?.string else {
                throw ClientError(
                    "\(id) is \(job["state"]?.string ?? "?") and has left no checkpoint"
                )
            }
            checkpoint = result
        } else {
            checkpoint = try client.id(id, of: .checkpoint)
        }
        let target = URL(filePath: output ?? "\(checkpoint).safetensors")
        let digest = try client.download(checkpoint: checkpoint, to: target)
        print("\(digest)  \(target.relativePath)")
    }
}
