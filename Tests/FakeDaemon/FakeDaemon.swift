// The daemon with a fake worker, for whoever tests it from outside: `fake-daemon FOLDER PORT [CERTIFICATE KEY]`.
//
// Everything but the training is real: the store, the scheduler, the worker processes, the server. What a job does is the
// shell in FOLDER/behaviours/SEED.sh, see `FakeService`. Port 0 takes any free one; the first line printed has it.

import API
import Foundation
import HTTP
import JobStore
import Jobs
import Scheduling
import TestSupport

@main struct FakeDaemon {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard [3, 5].contains(arguments.count), let port = UInt16(arguments[2]) else {
            print("usage: fake-daemon FOLDER PORT [CERTIFICATE KEY]")
            exit(64)
        }
        signal(SIGPIPE, SIG_IGN)
        let service = try FakeService(folder: arguments[1])
        let store = try JobStore(folder: service.folder)
        var settings = Scheduler.Settings(
            cores: Machine.cores(),
            worker: WorkerCommand(executable: service.executable, arguments: service.command),
            datasetRoots: [DatasetRoot(service.datasets)].compactMap { $0 },
        )
        settings.pollSeconds = 0.02
        settings.retrySeconds = 0.05
        settings.backoff = Backoff(base: 0.05)
        let log = ServiceLog.standardError
        let scheduler = Scheduler(store: store, settings: settings, log: log)
        try scheduler.start()
        var configuration = HTTPServer.Configuration(port: port)
        if arguments.count == 5 {
            configuration.tls = HTTPServer.TLS(certificate: arguments[3], key: arguments[4])
        }
        // All clients of a test are one peer.
        configuration.limits.connectionsPerPeer = configuration.limits.connections
        let api = Service(scheduler: scheduler, version: "fake", log: log)
        configuration.accessLog = { api.answered($0) }
        let server = HTTPServer(configuration: configuration, routes: api.routes)
        let listensAt = try server.start()
        try FileHandle.standardOutput.write(contentsOf: Data("listens on \(listensAt)\n".utf8))
        waitForTermination()
        server.drain(timeout: 10)
        scheduler.stop()
    }

    private static func waitForTermination() {
        let asked = DispatchSemaphore(value: 0)
        signal(SIGTERM, SIG_IGN)
        let source = DispatchSource.makeSignalSource(
            signal: SIGTERM,
            queue: DispatchQueue(label: "signals"),
        )
        source.setEventHandler { @Sendable in asked.signal() }
        source.resume()
        asked.wait()
        source.cancel()
    }
}
