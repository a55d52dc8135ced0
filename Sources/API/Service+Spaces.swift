// Search spaces and architectures as things of their own: listed, sampled, checked, compared, trained.

internal import Configs
internal import Foundation
internal import HTTP
internal import JobStore
internal import Jobs
internal import SearchSpaces

extension Service {
    @Sendable func listSpaces(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let spaces = SearchSpace.named.values.sorted { $0.name < $1.name }
        return .now(json(["data": .array(spaces.map(\.estimate))]))
    }

    /// A space with its stages, and what a limit on multiply-adds leaves of it.
    @Sendable func getSpace(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["maxMacs", "imageSize"])
        let space = try space(request)
        let side = try query.integer("imageSize", in: 32...8192) ?? 224
        let limit = try query.integer("maxMacs", in: 0...Int.max)
        return later(on: computing, request) {
            var view = space.estimate.object ?? [:]
            view["definition"] = try JSON.value(space)
            if let limit {
                let table = space.costTable(height: side, width: side)
                view["limit"] = [
                    "maxMacs": .int(limit), "imageSize": .int(side),
                    "isPossible": .bool(table.minimum <= limit), "cheapest": .int(table.minimum),
                    "share": .double(self.share(of: table, within: limit)),
                ]
            }
            return self.json(.object(view))
        }
    }

    /// The share of 10,000 random architectures that cost at most `limit`.
    private func share(of table: CostTable, within limit: Int) -> Double {
        var random = CounterRandom(seed: 0, stream: "share")
        let count = (0..<10_000).count { _ in
            table.cost(of: table.uniform(using: &random)) <= limit
        }
        return Double(count) / 10_000
    }

    /// Random architectures of a space, the same for the same seed.
    @Sendable func sampleSpace(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["n", "seed", "maxMacs"])
        let space = try space(request)
        let count = try query.integer("n", in: 1...1000) ?? 1
        let limit = try query.integer("maxMacs", in: 0...Int.max) ?? Int.max
        let random = CounterRandom(
            seed: UInt64(try query.integer("seed", in: 0...Int.max) ?? 0),
            stream: "sample",
        )
        let table = space.costTable()
        guard table.minimum <= limit else {
            throw Problem.badQuery(
                "maxMacs",
                "\(limit)",
                allowed: ">= \(table.minimum), which the cheapest architecture costs",
            )
        }
        return later(on: computing, request) { [random] in
            var random = random
            let sample = (0..<count).compactMap { _ in
                table.uniform(within: limit, using: &random)
            }
            return self.json(["data": .array(try sample.map { try self.view(space, $0) })])
        }
    }

    /// Whether letters are an architecture of a space, and what it costs.
    @Sendable func validateArchitecture(_ request: HTTPRequest) throws -> HTTPReply {
        _ = try Query(request, allowed: [])
        let (space, genome) = try ArchitectureChoice.resolve(body(request)).get()
        return .now(json(try view(space, genome)))
    }

    private func view(_ space: SearchSpace, _ genome: Genome) throws -> JSONValue {
        let architecture = try Architecture(space: space, genome: genome)
        return [
            "id": .string(architecture.hash), "genome": .string(genome.description),
            "space": .string(space.name), "macs": .int(architecture.cost.macs),
            "params": .int(architecture.cost.params),
        ]
    }

    /// Where two architectures of one space differ, and by how much they cost.
    @Sendable func compareArchitectures(_ request: HTTPRequest) throws -> HTTPReply {
        let query = try Query(request, allowed: ["a", "b"])
        func found(_ name: String) throws -> (StoredArchitecture, Architecture) {
            let hash = query[name] ?? ""
            guard !hash.isEmpty else {
                throw Problem.badQuery(name, hash, allowed: "the id of an architecture")
            }
            guard let stored = try store.architecture(hash), let own = stored.architecture else {
                throw Problem.notFound("architecture", hash)
            }
            return (stored, own)
        }
        let (first, second) = (try found("a"), try found("b"))
        guard first.1.space == second.1.space else {
            throw Problem.badQuery(
                "b",
                second.0.hash,
                allowed: "an architecture of the space of `a`, \(first.1.space.name)",
            )
        }
        let letters = zip(first.1.genome.letters, second.1.genome.letters).enumerated()
        let operations = first.1.space.operations
        let differences = letters.filter { $1.0 != $1.1 }.map { position, pair -> JSONValue in
            [
                "position": .int(position), "a": .string(operations[Int(pair.0)].rawValue),
                "b": .string(operations[Int(pair.1)].rawValue),
            ]
        }
        return .now(
            json([
                "a": .object(first.0.summary), "b": .object(second.0.summary),
                "differences": .array(differences),
                "macs": .int(second.0.macs - first.0.macs),
                "params": .int(second.0.params - first.0.params),
            ])
        )
    }

    /// Submits a `subnet.retrain` of an architecture: the content is a job without kind and `spec/architecture`.
    @Sendable func retrainArchitecture(_ request: HTTPRequest) throws -> HTTPReply {
        try submit(request, .subnetRetrain)
    }

    /// Submits an `architecture.evaluate` in the same way; the checkpoint is a detector supernet.
    @Sendable func evaluateArchitecture(_ request: HTTPRequest) throws -> HTTPReply {
        try submit(request, .architectureEvaluate)
    }

    private func submit(_ request: HTTPRequest, _ kind: JobKind) throws -> HTTPReply {
        let hash = request.parameters["hash"] ?? ""
        guard try store.architecture(hash) != nil else {
            throw Problem.notFound("architecture", hash)
        }
        var members = try body(request).object ?? [:]
        var spec = members["spec"]?.object ?? [:]
        for (place, isThere) in [
            ("/kind", members["kind"] != nil), ("/spec/architecture", spec["architecture"] != nil),
        ] where isThere {
            throw Violations([
                Violation(place, .notAllowed, "the path says this", allowed: "nothing")
            ])
        }
        spec["architecture"] = .string(hash)
        members["spec"] = .object(spec)
        members["kind"] = .string(kind.rawValue)
        return try submit(.object(members), request)
    }

    private func space(_ request: HTTPRequest) throws -> SearchSpace {
        let name = request.parameters["name"] ?? ""
        guard let space = SearchSpace.named[name] else {
            throw Problem.notFound("search space", name)
        }
        return space
    }
}
