// What is looked at before a job is taken: its data sets, what it refers to, whether its limit can be met.

package import Configs
internal import Foundation
internal import JobStore
package import Jobs
package import SearchSpaces

/// What is known of something a spec refers to, or of what a spec will make.
package struct Lineage: Equatable, Sendable {
    package var space: SearchSpace?
    package var shuffle: Int?
    /// Of the checkpoint, where there is one.
    package var checkpoint: CheckpointKind?

    package init(
        space: SearchSpace? = nil,
        shuffle: Int? = nil,
        checkpoint: CheckpointKind? = nil,
    ) {
        self.space = space
        self.shuffle = shuffle
        self.checkpoint = checkpoint
    }
}

/// Checks requests against this server: its disk, its store, its cores.
package struct Admission: Sendable {
    private let store: JobStore
    private let settings: Scheduler.Settings
    private let datasetRoots: [DatasetRoot]

    package init(_ scheduler: Scheduler) {
        store = scheduler.store
        settings = scheduler.settings
        datasetRoots = scheduler.datasetRoots
    }

    /// The job that `request` asks for, not stored yet.
    /// - Throws: `Violations`, or what the store throws.
    package func job(for request: JobRequest) throws -> (job: Job, lineage: Lineage) {
        var faults: [Violation] = []
        let lineage = try check(request, at: "", earlier: [:], &faults)
        guard faults.isEmpty else { throw Violations(faults) }
        return (try job(request, lineage), lineage)
    }

    /// The jobs of a pipeline, in order, not stored yet.
    /// - Throws: `Violations`, or what the store throws.
    package func jobs(
        for request: PipelineRequest,
        id: String,
    ) throws -> [(job: Job, lineage: Lineage)] {
        var faults: [Violation] = []
        var made: [String: (id: JobID, lineage: Lineage)] = [:]
        var jobs: [(Job, Lineage)] = []
        for (index, step) in request.steps.enumerated() {
            let lineage = try check(
                step,
                at: "/steps/\(index)",
                earlier: made.mapValues(\.lineage),
                &faults,
            )
            var job = try job(step, lineage)
            job.pipeline = id
            job.step = step.name
            job.needs = PipelineRequest.dependencies(of: step).compactMap { made[$0]?.id }.sorted()
            made[step.name] = (job.id, lineage)
            jobs.append((job, lineage))
        }
        guard faults.isEmpty else { throw Violations(faults) }
        return jobs
    }

    /// Checks architectures that shall join a search.
    /// - Throws: `Violations`.
    package func check(_ genomes: [String], for search: Job) throws {
        var faults: [Violation] = []
        guard case .success(.search(let config)) = JobSpec.resolve(kind: search.kind, search.spec)
        else { return }
        check(
            genomes,
            in: search.space.flatMap(space),
            within: config.limit,
            most: config.population,
            at: "/genomes",
            &faults,
        )
        guard faults.isEmpty else { throw Violations(faults) }
    }

    private func job(_ request: JobRequest, _ lineage: Lineage) throws -> Job {
        var job = Job(
            kind: request.kind,
            spec: request.spec.json,
            submittedSpec: request.submittedSpec,
        )
        job.name = request.name
        job.labels = request.labels
        job.priority = request.priority
        job.seed = request.seed
        job.cores = request.cores
        job.device = request.device.rawValue
        job.limits = JobBudget(
            maxSeconds: request.limits.maxSeconds,
            maxAttempts: request.limits.maxAttempts,
        )
        job.keepCheckpoints = request.retention.checkpoints
        job.space = try lineage.space.map { try JSON.value($0) }
        job.shuffle = lineage.shuffle
        return job
    }

    private func check(
        _ request: JobRequest,
        at place: String,
        earlier: [String: Lineage],
        _ faults: inout [Violation],
    ) throws -> Lineage {
        if request.cores > settings.cores.count {
            faults.append(
                Violation(
                    "\(place)/cores",
                    .outOfRange,
                    "\(request.cores) cores asked, this server gives jobs \(settings.cores.count)",
                    allowed: "1...\(settings.cores.count)",
                )
            )
        }
        for need in request.spec.datasets(at: "\(place)/spec") { check(need, &faults) }
        var input = Lineage()
        for need in request.spec.references(at: "\(place)/spec") {
            let found = try lineage(of: need, earlier, &faults)
            if let mine = input.space, let its = found.space, mine != its {
                faults.append(
                    Violation(
                        need.pointer,
                        .conflict,
                        "this is of the space \"\(its.name)\", the checkpoint of \"\(mine.name)\"",
                        allowed: "the same space",
                    )
                )
            }
            input = Lineage(
                space: input.space ?? found.space,
                shuffle: input.shuffle ?? found.shuffle,
                checkpoint: input.checkpoint ?? found.checkpoint,
            )
        }
        var lineage = outcome(of: request.spec, input, at: "\(place)/spec", &faults)
        lineage.checkpoint = request.spec.checkpointKind
        if case .search(let config) = request.spec {
            check(config.limit, in: lineage.space, at: "\(place)/spec/limit", &faults)
            check(
                config.seeds,
                in: lineage.space,
                within: config.limit,
                most: config.population,
                at: "\(place)/spec/seeds",
                &faults,
            )
        }
        if case .audit(let config) = request.spec {
            check(config.limit, in: lineage.space, at: "\(place)/spec/limit", &faults)
            if case .genomes(let choice) = config.architectures {
                check(
                    choice.genomes,
                    in: lineage.space,
                    at: "\(place)/spec/architectures/genomes",
                    &faults,
                )
            }
        }
        return lineage
    }

    private func check(_ need: DatasetNeed, _ faults: inout [Violation]) {
        let found = datasetRoots.lazy.compactMap { root in
            root.dataset(need.dataset).map { (root, $0) }
        }.first
        guard let (root, folder) = found else {
            let names = datasetRoots.flatMap(\.datasets).map { "\"\($0)\"" }
            faults.append(
                Violation(
                    need.pointer,
                    .notFound,
                    "no data set \"\(need.dataset)\" under the roots of this server",
                    allowed: names.isEmpty ? "none: see --datasets" : names.joined(separator: ", "),
                )
            )
            return
        }
        for path in need.paths where root.path(path.path, in: folder) == nil {
            faults.append(
                Violation(
                    path.pointer,
                    .notFound,
                    "the data set \"\(need.dataset)\" has no \"\(path.path)\"",
                    allowed: "a path that exists within the data set",
                )
            )
        }
    }

    /// What a reference brings along. One to an earlier step was checked with the pipeline.
    private func lineage(
        of need: ReferenceNeed,
        _ earlier: [String: Lineage],
        _ faults: inout [Violation],
    ) throws -> Lineage {
        switch (need.reference, need.expected) {
        case (.from(let step, _, _), _):
            return earlier[step] ?? Lineage()
        case (.id(let id), .checkpoint(let kinds)):
            let allowed =
                "a checkpoint of kind "
                + kinds.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
            guard let found = try store.checkpoint(id) else {
                faults.append(
                    Violation(need.pointer, .notFound, "no checkpoint \"\(id)\"", allowed: allowed)
                )
                return Lineage()
            }
            if !kinds.contains(where: { $0.rawValue == found.kind }) {
                faults.append(
                    Violation(
                        need.pointer,
                        .notAllowed,
                        "\(id) is a checkpoint of kind \"\(found.kind)\"",
                        allowed: allowed,
                    )
                )
            }
            let maker = try found.job.flatMap(store.job)
            return Lineage(
                space: (found.spaceValue ?? maker?.space).flatMap(space),
                shuffle: found.shuffle ?? maker?.shuffle,
                checkpoint: CheckpointKind(rawValue: found.kind),
            )
        case (.id(let id), .architecture):
            guard let found = try store.architecture(id) else {
                faults.append(
                    Violation(
                        need.pointer,
                        .notFound,
                        "no architecture \"\(id)\"",
                        allowed: "an id of GET /v1/architectures",
                    )
                )
                return Lineage()
            }
            return Lineage(space: space(found.spaceValue))
        }
    }

    private func space(_ json: JSONValue) -> SearchSpace? {
        (try? JSON.data(json)).flatMap { try? JSON.read(SearchSpace.self, from: $0) }
    }

    /// The space and shuffle method of what the job makes; notes those that its input does not have.
    private func outcome(
        of spec: JobSpec,
        _ input: Lineage,
        at place: String,
        _ faults: inout [Violation],
    ) -> Lineage {
        switch spec {
        case .pretrain(let config):
            return Lineage(space: config.space.space, shuffle: config.shuffle)
        case .finetune(let config):
            if let mine = config.space?.space, let its = input.space, mine != its {
                faults.append(
                    Violation(
                        "\(place)/space",
                        .conflict,
                        "the checkpoint was made in the space \"\(its.name)\"",
                        allowed: "the same space, or none",
                    )
                )
            }
            if let mine = config.shuffle, let its = input.shuffle, mine != its {
                faults.append(
                    Violation(
                        "\(place)/shuffle",
                        .conflict,
                        "the checkpoint was made with shuffle method \(its), not \(mine)",
                        allowed: "\(its), or none",
                    )
                )
            }
            return Lineage(
                space: config.space?.space ?? input.space,
                shuffle: config.shuffle ?? input.shuffle ?? 1,
            )
        case .search, .audit:
            return input
        case .retrain(let config):
            if case .genome(_, let space) = config.architecture {
                return Lineage(space: space.space, shuffle: config.shuffle)
            }
            return Lineage(space: input.space, shuffle: config.shuffle)
        case .predict(let config):
            check(config.architecture, of: input, at: "\(place)/architecture", &faults)
            return input
        case .evaluate(let config):
            check(config.architecture, of: input, at: "\(place)/architecture", &faults)
            return input
        case .check:
            return Lineage()
        }
    }

    /// A supernet needs one of its paths named; a detector is one architecture.
    private func check(
        _ path: PathChoice?,
        of input: Lineage,
        at place: String,
        _ faults: inout [Violation],
    ) {
        switch (input.checkpoint, path) {
        case (.detectorSupernet, nil):
            faults.append(
                Violation(
                    place,
                    .missing,
                    "the checkpoint is a supernet: which of its paths is meant?",
                    allowed: "letters such as \"2,1,0,3\", or an architecture's id",
                )
            )
        case (.detector, .some):
            faults.append(
                Violation(
                    place,
                    .conflict,
                    "the checkpoint is a detector, which is one architecture",
                    allowed: "none",
                )
            )
        case (_, .letters(let text)):
            guard let space = input.space else { return }
            do throws(GenomeError) {
                _ = try Genome(parsing: text, in: space)
            } catch {
                faults.append(Violation(place, .notAllowed, "\(error)"))
            }
        default: break
        }
    }
}
