// `detnas serve`: the daemon. Puts the jobs of its data directory in order, then opens its listener.

import API
import ArgumentParser
import CLinux
import Foundation
import HTTP
import JobStore
import Scheduling

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Takes jobs over HTTP and runs each in a worker process.",
        discussion: """
            Stops on SIGTERM or SIGINT: running jobs write a checkpoint and go on at the next start. \
            A second signal ends it at once; workers then go on and are met again at the next start. \
            With TLS, SIGHUP reads the certificate again.
            """,
    )

    @Option(help: "The data directory: jobs, checkpoints, events. One server owns it.")
    var data = "data"

    @Option(
        name: .customLong("datasets"),
        help: "A folder whose folders are data sets; may be repeated.",
    )
    var datasetRoots: [String] = []

    @Option(help: "A loopback address, or, with TLS and a token, any other, such as 0.0.0.0.")
    var host = "127.0.0.1"

    @Flag(help: "Ask for a token on a loopback address too; see detnas token.")
    var requireToken = false

    @Option(help: "Requests a second that a token may send, and twice as many at once.")
    var requestsPerSecond = 100

    @Option(
        name: .customLong("trusted-proxy"),
        help: """
            The address of a reverse proxy, whose X-Forwarded-For says who is calling; may be repeated. Nobody else must be \
            able to send from it.
            """,
    )
    var trustedProxies: [String] = []

    @Option(help: "The most connections at once; further ones wait.")
    var connections = 1024

    @Option(help: "The most connections of one address at once; trusted proxies have no limit.")
    var connectionsPerAddress = 64

    @Option(
        name: .customLong("name"),
        help:
            "A name that requests may call this server by; may be repeated (default: loopback names; any with a token).",
    )
    var names: [String] = []

    @Option(help: "0: any free one.")
    var port: UInt16 = 8080

    @Option(
        help: """
            Listen on a Unix socket at this path too, without TLS; its owner alone may come, and is not asked for a token \
            (default: detnas.sock in the data directory; none: on no socket).
            """
    )
    var unix: String?

    @Option(help: "Speak TLS: the server's certificate and its chain, in PEM.")
    var tlsCertificate: String?

    @Option(help: "The certificate's key, in PEM, without a passphrase.")
    var tlsKey: String?

    @Option(
        name: .customLong("tls-client-ca"),
        help: "Take only clients with a certificate that one of these signed, in PEM.",
    )
    var tlsClientAuthorities: String?

    @Option(help: "The CPU cores that jobs may have, such as 0,1 (default: all).")
    var cores: CoreList?

    @Option(help: "The most jobs at once (default: one a core).")
    var slots: Int?

    @Option(
        help: """
            Free bytes on the data directory's file system below which no new work is taken or started, such as 500M or \
            20G (default: 1G, or 2 % of the file system where that is less).
            """
    )
    var diskReserve: Bytes?

    @Option(
        help: """
            How many of its newest checkpoints are kept of each job, beside the best, the final one and those that are \
            needed; a job may ask for another number (default: all).
            """
    )
    var keepCheckpoints: Int?

    @Option(
        help:
            "Days after the end of a job for which its metric, job.progress and log events are kept (default: for ever)."
    )
    var keepEvents: Int?

    func validate() throws {
        let mine = Machine.cores()
        for core in cores?.cores ?? [] where !mine.contains(core) {
            throw ValidationError(
                "--cores names core \(core), which this process may not use;"
                    + " allowed: \(mine.map(String.init).joined(separator: ","))"
            )
        }
        if let slots, slots < 1 {
            throw ValidationError("--slots is \(slots); allowed: 1 or more")
        }
        for (name, value) in [
            ("--requests-per-second", requestsPerSecond), ("--keep-checkpoints", keepCheckpoints),
            ("--keep-events", keepEvents), ("--connections", connections),
            ("--connections-per-address", connectionsPerAddress),
        ] {
            if let value, value < 1 || value > 1_000_000 {
                throw ValidationError("\(name) is \(value); allowed: 1 to 1000000")
            }
        }
        for proxy in trustedProxies where HTTPServer.address(proxy) == nil {
            throw ValidationError("--trusted-proxy \(proxy) is no address, such as 10.0.0.9 or ::1")
        }
        if !isLoopback, tlsCertificate == nil {
            throw ValidationError(
                "--host \(host) is no loopback address; it needs --tls-certificate and --tls-key"
            )
        }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key go together")
        }
        if tlsClientAuthorities != nil, tlsCertificate == nil {
            throw ValidationError("--tls-client-ca needs --tls-certificate and --tls-key")
        }
    }

    func run() throws {
        let roots = try datasetRoots.map { path in
            guard let root = DatasetRoot(path) else {
                throw ValidationError("--datasets \(path): there is no such folder")
            }
            return root
        }
        // A server that runs for a month shall not keep what each of its threads once needed.
        _ = cl_keep_little(2)
        // Who reads the log may go away.
        signal(SIGPIPE, SIG_IGN)
        let log = ServiceLog.standardError
        let store = try JobStore(folder: URL(filePath: data).standardizedFileURL.path)
        let scheduler = Scheduler(store: store, settings: settings(roots), log: log)
        if needsToken, socket == nil, try store.tokens().isEmpty {
            throw ValidationError(
                "there is no token yet, and nobody could make one: start with --unix PATH too, or once on a"
                    + " loopback address, and make one with detnas token add"
            )
        }
        // The jobs are in order before anybody can ask for them.
        try scheduler.start()
        do {
            let service = Service(
                scheduler: scheduler,
                version: Detnas.version,
                access: Access(
                    store: store,
                    needsToken: needsToken,
                    requestsPerSecond: requestsPerSecond,
                    isEncrypted: tls != nil,
                ),
                limits: limits,
                log: log,
            )
            let (server, place) = try listen(service, store, log)
            // Unbuffered: whoever started it may read the line through a pipe.
            try FileHandle.standardOutput.write(
                contentsOf: Data("detnas listens on \(place), data in \(store.folder)\n".utf8)
            )
            let reload = reloadOnHangup(server, log)
            let manager = ServiceManager()
            manager?.tell("READY=1\nSTATUS=listens on \(place)")
            if let manager, let limit = manager.watchdogSeconds {
                // Twice as often as is asked for, as systemd advises.
                scheduler.beat(every: limit / 2) { manager.tell("WATCHDOG=1") }
            }
            let tidying = tidyMemory()
            waitForSignal()
            tidying.cancel()
            reload.cancel()
            manager?.tell("STOPPING=1\nSTATUS=workers write their checkpoints")
            log(.info, "stopping")
            server.drain(timeout: 30)
            scheduler.stop()
        } catch {
            // Workers that were met again go on without this server.
            scheduler.detach()
            throw error
        }
    }

    private func settings(_ roots: [DatasetRoot]) -> Scheduler.Settings {
        var settings = Scheduler.Settings(
            cores: cores?.cores ?? Machine.cores(),
            slots: slots,
            datasetRoots: roots,
        )
        settings.version = Detnas.version
        settings.diskReserve = diskReserve?.count
        settings.keepCheckpoints = keepCheckpoints
        settings.keepEventDays = keepEvents
        return settings
    }

    private var limits: Service.Limits {
        var limits = Service.Limits()
        limits.http.connections = connections
        limits.http.connectionsPerPeer = connectionsPerAddress
        return limits
    }

    /// A server that listens, and where, in words.
    private func listen(
        _ service: Service,
        _ store: JobStore,
        _ log: ServiceLog,
    ) throws -> (HTTPServer, place: String) {
        func start(_ socket: String?) throws -> (HTTPServer, String) {
            let server = HTTPServer(
                configuration: configuration(service, socket),
                routes: service.routes,
            )
            return (server, place(try server.start(), socket))
        }
        do {
            return try start(socket)
        } catch HTTPServerError.cannotListen(let place, let reason) where place == socket {
            // Not every file system has sockets; one that was asked for must be there, and one for the first token.
            let isNeeded = try unix != nil || (needsToken && store.tokens().isEmpty)
            guard !isNeeded else {
                throw HTTPServerError.cannotListen(at: place, reason: reason)
            }
            log(.warning, "no Unix socket", ["path": place, "reason": reason])
            return try start(nil)
        }
    }

    private func configuration(
        _ service: Service,
        _ socket: String?,
    ) -> HTTPServer.Configuration {
        var configuration = HTTPServer.Configuration(host: host, port: port)
        configuration.tls = tls
        configuration.limits = limits.http
        configuration.trustedProxies = Set(trustedProxies.compactMap(HTTPServer.address))
        configuration.asksWhoIsCalling = needsToken
        if !names.isEmpty {
            configuration.hostNames?.formUnion(names)
        } else if needsToken {
            configuration.hostNames = nil
        }
        configuration.unixSocket = socket.map { HTTPServer.UnixSocket(path: $0) }
        configuration.accessLog = { service.answered($0) }
        return configuration
    }

    /// The path of the Unix socket; nil where none is wanted, or the data directory's path leaves no room for one.
    private var socket: String? {
        if let unix { return unix == "none" ? nil : unix }
        let path = data + "/detnas.sock"
        return path.utf8.count <= 107 ? path : nil
    }

    private var isLoopback: Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }

    private var needsToken: Bool { requireToken || !isLoopback }

    private var tls: HTTPServer.TLS? {
        guard let tlsCertificate, let tlsKey else { return nil }
        return HTTPServer.TLS(
            certificate: tlsCertificate,
            key: tlsKey,
            clientAuthorities: tlsClientAuthorities,
        )
    }

    /// Gives freed memory back twice a minute: a large answer now and then would stay with the server otherwise.
    private func tidyMemory() -> any DispatchSourceTimer {
        let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "memory"))
        timer.schedule(deadline: .now() + 30, repeating: 30, leeway: .seconds(5))
        timer.setEventHandler { @Sendable in cl_give_back() }
        timer.resume()
        return timer
    }

    /// Where the server listens, in words.
    private func place(_ port: UInt16, _ socket: String?) -> String {
        let name = host.contains(":") ? "[\(host)]" : host
        return "\(tls == nil ? "http" : "https")://\(name):\(port)"
            + (socket.map { " and \($0)" } ?? "")
    }

    /// Reads the certificate again at each SIGHUP, until it is cancelled. Without one the signal changes nothing: a
    /// service manager's `reload`, or a terminal that closes, must not end trainings.
    private func reloadOnHangup(
        _ server: HTTPServer,
        _ log: ServiceLog,
    ) -> any DispatchSourceSignal {
        signal(SIGHUP, SIG_IGN)
        let queue = DispatchQueue(label: "certificate")
        let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: queue)
        let hasCertificate = tls != nil
        source.setEventHandler { @Sendable in
            guard hasCertificate else {
                return log(.info, "SIGHUP: there is no certificate to read again")
            }
            do {
                try server.reloadCertificate()
                log(.info, "certificate read again")
            } catch {
                log(.error, "certificate kept", ["reason": "\(error)"])
            }
        }
        source.resume()
        return source
    }

    /// Returns at the first SIGTERM or SIGINT; the second one ends the process.
    private func waitForSignal() {
        let first = DispatchSemaphore(value: 0)
        let count = SignalCount()
        let queue = DispatchQueue(label: "signals")
        let sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { @Sendable in
                if count.next() > 1 { _exit(130) }
                first.signal()
            }
            source.resume()
            return source
        }
        first.wait()
        // They must live on, for the second signal.
        count.keep(sources)
    }
}

/// `@unchecked Sendable`: used on the queue of the signals, and once more after the first of them.
private final class SignalCount: @unchecked Sendable {
    private var count = 0
    private var sources: [any DispatchSourceSignal] = []

    func next() -> Int {
        count += 1
        return count
    }

    /// Makes a reference cycle on purpose: the sources stay until the process ends.
    func keep(_ sources: [any DispatchSourceSignal]) { self.sources = sources }
}

/// `0,1` or `0-3,8`.
struct CoreList: ExpressibleByArgument {
    let cores: [Int]

    init?(argument: String) {
        var cores: Set<Int> = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
                first >= 0, last >= first, last < 8192
            else { return nil }
            cores.formUnion(first...last)
        }
        self.cores = cores.sorted()
    }
}
