// A whole server, with a fake worker, in a folder of its own.

import API
import Configs
import Foundation
import HTTP
import JobStore
import Jobs
import Scheduling
import TestSupport
import Testing

final class ServerBench {
    let service: FakeService
    let store: JobStore
    let scheduler: Scheduler
    let server: HTTPServer
    let routes: [HTTPRoute]
    let client: Client

    init(
        needsToken: Bool = false,
        requestsPerSecond: Int = 1000,
        log: ServiceLog = .silent,
        _ change: (inout Service.Limits) -> Void = { _ in },
        settings changeSettings: (inout Scheduler.Settings) -> Void = { _ in },
        prepare: (FakeService) throws -> Void = { _ in },
    ) throws {
        service = try FakeService()
        try prepare(service)
        store = try JobStore(folder: service.folder)
        var settings = Scheduler.Settings(
            cores: [0, 1],
            worker: WorkerCommand(executable: service.executable, arguments: service.command),
            datasetRoots: [DatasetRoot(service.datasets)].compactMap { $0 },
        )
        settings.pollSeconds = 0.02
        settings.backoff = Backoff(base: 0.05)
        changeSettings(&settings)
        scheduler = Scheduler(store: store, settings: settings, log: log)
        try scheduler.start()
        var limits = Service.Limits()
        change(&limits)
        let api =
            Service(
                scheduler: scheduler,
                version: "test",
                access: Access(
                    store: store,
                    needsToken: needsToken,
                    requestsPerSecond: requestsPerSecond,
                ),
                limits: limits,
                log: log,
            )
        routes = api.routes
        var configuration = HTTPServer.Configuration()
        configuration.accessLog = { api.answered($0) }
        server = HTTPServer(configuration: configuration, routes: routes)
        client = Client(port: try server.start())
    }

    deinit {
        server.drain(timeout: 5)
        for job in (try? store.jobs(in: [.running])) ?? [] {
            _ = try? scheduler.cancel(job.id, .now)
        }
        scheduler.stop()
        service.remove()
    }

    static let pretrain: JSONValue = [
        "kind": "supernet.pretrain",
        "spec": ["data": ["dataset": "photos"], "space": "detnas-mini", "training": ["steps": 10]],
    ]

    static func finetune(_ checkpoint: JSONValue, _ more: [String: JSONValue] = [:]) -> JSONValue {
        var spec: [String: JSONValue] = [
            "train": ["dataset": "photos", "annotations": "annotations/instances_train.json"],
            "checkpoint": checkpoint, "training": ["steps": 10],
        ]
        spec.merge(more) { $1 }
        return ["kind": "detector.finetune", "spec": .object(spec)]
    }

    static func search(_ checkpoint: JSONValue, _ more: [String: JSONValue] = [:]) -> JSONValue {
        var spec: [String: JSONValue] = [
            "train": [
                "dataset": "photos", "annotations": "annotations/instances_train.json",
                "part": ["role": "weights"],
            ],
            "search": [
                "dataset": "photos", "annotations": "annotations/instances_train.json",
                "part": ["role": "architecture"],
            ],
            "checkpoint": checkpoint,
        ]
        spec.merge(more) { $1 }
        return ["kind": "search.evolution", "spec": .object(spec)]
    }

    /// Submits a job whose worker does what `shell` says, and returns its id.
    func submit(
        _ shell: String = "result",
        _ request: JSONValue = ServerBench.pretrain,
        seed: Int = 0,
    ) throws -> String {
        try service.behave(seed: seed, shell)
        var members = try #require(request.object)
        members["seed"] = .int(Int64(seed))
        let answer = try client.send("POST", "/v1/jobs", body: .object(members))
        try #require(answer.status == 201, "\(answer.text)")
        return try #require(answer.json["id"]?.string)
    }

    /// The job when it has ended.
    func end(_ id: String) throws -> JSONValue {
        let job = try client.json("/v1/jobs/\(id)?wait=10s&until=terminal")
        #expect(job["terminal"] == true)
        return job
    }

    func run(
        _ shell: String,
        _ request: JSONValue = ServerBench.pretrain,
        seed: Int = 0,
    ) throws -> JSONValue {
        let job = try end(submit(shell, request, seed: seed))
        #expect(job["state"] == "succeeded", "\(job.canonical)")
        return job
    }

    func refuse(
        _ request: JSONValue,
        to target: String = "/v1/jobs",
        _ status: Int = 422,
        at location: SourceLocation = #_sourceLocation,
    ) throws -> [String: JSONValue] {
        let answer = try client.send("POST", target, body: request)
        #expect(answer.status == status, "\(answer.text)", sourceLocation: location)
        #expect(
            answer.headers["content-type"] == "application/problem+json",
            sourceLocation: location,
        )
        let problem = try answer.json
        #expect(
            try OpenAPI().faults(problem, OpenAPI().schema("Problem")) == [],
            sourceLocation: location,
        )
        return Dictionary(
            (problem["errors"]?.array ?? []).map { ($0["pointer"]?.string ?? "", $0) }
        ) { first, _ in first }
    }
}
