// Candidates of a search: listed, and handed in while it runs.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import Scheduling

extension Service {
    @Sendable func listCandidates(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(
            request,
            allowed: [
                "sort", "generation", "state", "minMap", "maxMacs", "maxParams", "limit", "after",
            ],
        )
        let job = try job(request)
        var sort = CandidateSort()
        if let text = query["sort"] {
            guard let asked = CandidateSort(text) else {
                let fields = CandidateSort.Field.allCases.map(\.rawValue)
                throw Problem.badQuery(
                    "sort",
                    text,
                    allowed: fields.joined(separator: ", ")
                        + ", each with - in front for the greatest first",
                )
            }
            sort = asked
        }
        var wanted = CandidateFilter()
        wanted.generation = try query.integer("generation", in: 0...Int.max)
        wanted.state = try query.choice("state", CandidateFilter.State.self)
        wanted.minMap = try query.number("minMap")
        wanted.maxMacs = try query.integer("maxMacs", in: 0...Int.max)
        wanted.maxParams = try query.integer("maxParams", in: 0...Int.max)
        let found = try store.candidates(
            of: job.id,
            wanted,
            sort: sort,
            after: query.cursor(),
            limit: query.limit(),
        )
        let space = job.searchSpace
        return .now(page(found, of: request) { $0.view(in: space) })
    }

    /// Architectures that a search shall evaluate too: they are in the next generation that it begins, and are bred
    /// from like any other. Those that it knows already are passed over.
    @Sendable func joinSearch(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let asked = try CandidatesRequest.resolve(body(request))
        let job = try job(request)
        if let reason = reasonNotToJoin(job) {
            throw Problem.impossible(job.state, reason)
        }
        try Admission(scheduler).check(asked.genomes, for: job)
        let known = try Set(store.allCandidates(of: job.id).map(\.genome))
        let new = asked.genomes.filter { !known.contains($0) }
        if !new.isEmpty { try store.runDirectory(of: job.id).handIn(new) }
        log(
            .info,
            "candidates",
            ["request": request.id, "job": "\(job.id)", "count": "\(new.count)"],
        )
        return .now(
            json(
                [
                    "accepted": .array(new.map { .string($0) }),
                    "known": .array(
                        asked.genomes.filter(known.contains).map { .string($0) }
                    ),
                ],
                status: 202,
            )
        )
    }

    private func reasonNotToJoin(_ job: Job) -> String? {
        guard case .success(.search(let config)) = JobSpec.resolve(kind: job.kind, job.spec)
        else { return "a \(job.kind.rawValue) has no candidates" }
        if job.state.isTerminal { return "the job is \(job.state.rawValue)" }
        let done = job.progress?.done ?? 0
        // Generation 0 has the seeds of the spec.
        return config.generations > 1 && done < config.population * (config.generations - 1)
            ? nil : "its last generation has begun"
    }
}
