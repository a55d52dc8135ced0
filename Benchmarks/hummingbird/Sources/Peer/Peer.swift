// `Peer PORT FOLDER`: answers each file of FOLDER at its name, as the daemon answered what was saved there.
//
// What ends in `.json` is kept in memory and sent with the daemon's fields; anything else is sent from the disk.

import Foundation
import HTTPTypes
import Hummingbird
import Logging

@main struct Peer {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let port = Int(arguments[1]) else {
            print("usage: Peer PORT FOLDER")
            exit(64)
        }
        let folder = arguments[2]
        let router = Router()
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            guard name.hasSuffix(".json") else { continue }
            let path = "\(folder)/\(name)"
            let content = ByteBuffer(bytes: try Data(contentsOf: URL(filePath: path)))
            router.get("/\(name)") { _, _ in
                Response(
                    status: .ok,
                    headers: [
                        .contentType: "application/json", .eTag: "\"r1\"",
                        .cacheControl: "no-cache",
                        HTTPField.Name("X-Request-Id")!: "req_0123456789abcdef",
                    ],
                    body: ResponseBody(byteBuffer: content),
                )
            }
        }
        router.add(middleware: FileMiddleware(folder))
        var logger = Logger(label: "peer")
        logger.logLevel = .error
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
            logger: logger,
        )
        try await application.runService()
    }
}
