// What the server runs on, and what sits where.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling

extension Service {
    /// Asks nothing of the store: it answers as long as the server can answer at all.
    @Sendable func health(_ request: HTTPRequest) throws -> HTTPReply { .now(Service.healthy) }

    static let healthy = HTTPResponse(
        status: 200,
        headers: HTTPHeaders([("Content-Type", "application/json")]),
        body: .bytes(Data("{\"status\":\"ok\"}\n".utf8)),
    )

    @Sendable func system(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let cores = scheduler.placement().map { core, job in
            ["core": .int(core), "job": .optional(job?.rawValue)] as JSONValue
        }
        let counts = try store.counts()
        let roots = scheduler.datasetRoots.map { root in
            [
                "name": .string(root.name),
                "datasets": .array(root.datasets.map { .string($0) }),
            ] as JSONValue
        }
        return .now(
            json([
                "version": .string(version), "startedAt": .time(startedAt),
                "cores": .array(cores), "slots": .int(scheduler.settings.slots),
                "jobs": .object(
                    Dictionary(
                        uniqueKeysWithValues: JobState.allCases.map {
                            ($0.rawValue, .int(counts[$0] ?? 0))
                        }
                    )
                ),
                "lastEvent": .int(try store.lastOfFeed()), "memory": memory(), "disk": disk(),
                "datasetRoots": .array(roots),
                "limits": [
                    "bodyBytes": .int(limits.bodyBytes), "uploadBytes": .int(limits.uploadBytes),
                    "queuedJobs": .int(limits.queuedJobs),
                    "pipelineSteps": .int(PipelineRequest.stepLimit),
                    "waitSeconds": 300, "pageElements": 500,
                    "requestsPerSecond": .int(access.requestsPerSecond),
                    "headBytes": .int(limits.http.head), "headFields": .int(limits.http.fields),
                    "targetBytes": .int(limits.http.target),
                    "jsonDepth": .int(JSONValue.depthLimit),
                    "connections": .int(limits.http.connections),
                    "connectionsPerAddress": .int(limits.http.connectionsPerPeer),
                    "streamBacklogBytes": .int(limits.http.streamBacklog),
                    "labels": 64, "nameCharacters": 200,
                ],
            ])
        )
    }

    /// Bytes, as the kernel counts them.
    private func memory() -> JSONValue {
        let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
        var found: [String: JSONValue] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count >= 2, let kilobytes = Int(parts[1]) else { continue }
            if parts[0] == "MemTotal:" { found["totalBytes"] = .int(kilobytes * 1024) }
            if parts[0] == "MemAvailable:" { found["availableBytes"] = .int(kilobytes * 1024) }
        }
        return .object(found)
    }

    /// Of the file system that the data directory is on.
    private func disk() -> JSONValue {
        let room = scheduler.room()
        return [
            "totalBytes": .optional(room?.space.total), "freeBytes": .optional(room?.space.free),
            "reserveBytes": .optional(room?.reserve), "isShort": .bool(room?.isShort == true),
        ]
    }
}
