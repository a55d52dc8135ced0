// The loop that pretraining, fine-tuning and retraining share: step, watch, log, checkpoint, resume.

import Configs
import Foundation
import NN
import Torch

/// One training run over one set of parameters.
///
/// What a step does is a function of its number alone, so a run that goes on from a checkpoint ends with the
/// same bytes as one that was never interrupted.
struct TrainingLoop {
    /// One path through the network: what it computed on the step's batch.
    struct Pass {
        var loss: Tensor
        var terms: [(name: String, value: Tensor)] = []
    }

    /// What a step computes: its passes are run one after another, and their gradients add up.
    struct Step {
        var passes: [() throws -> Pass]
        /// Names of the batch's images, for the message when the loss is not finite.
        var images: [String]
    }

    let context: any RunContext
    let config: TrainingConfig
    let stage: String?
    let checkpoints: Checkpoints
    let optimizer: Optimizer
    let schedule: Schedule
    private let average: WeightAverage?

    init(
        _ context: any RunContext,
        _ config: TrainingConfig,
        stage: String? = nil,
        _ checkpoints: Checkpoints,
    ) throws {
        self.context = context
        self.config = config
        self.stage = stage
        self.checkpoints = checkpoints
        optimizer = try Optimizer(checkpoints.parameters, config.optimizer)
        average = try config.averageDecay.map {
            try WeightAverage(checkpoints.parameters, decay: $0)
        }
        schedule = Schedule(config)
    }

    /// Runs from `start` to the end, or from where an earlier try left off.
    ///
    /// - Parameters:
    ///   - body: reads the batch of a step.
    ///   - evaluate: called after each step with the number of steps done.
    /// - Throws: `RunError.stopped` after the checkpoint that a stop asks for; `.notFinite` for a loss that is, and
    ///   for parameters that are when they would be written.
    func run(
        resuming file: CheckpointFile?,
        _ body: (Int) throws -> Step,
        afterStep: (Int) throws -> Void,
    ) throws {
        let start = try restore(from: file)
        let progress = Progress(
            context,
            phase: "training",
            unit: "steps",
            from: start,
            total: config.steps,
            stage: stage,
        )
        progress.advance(to: start)
        var lastCheckpoint = ContinuousClock.now
        var logged = (at: ContinuousClock.now, step: start)

        for step in start..<max(start, config.steps) {
            let rate = schedule.rate(at: step)
            let batch = try body(step)
            let done = step + 1
            let isLogged = done % max(config.logEverySteps, 1) == 0 || done == config.steps
            let values = try run(batch, step: step, withTerms: isLogged)
            try optimizer.step(learningRate: rate, clip: config.gradientClip)
            try average?.update()

            if isLogged {
                let seconds = logged.at.duration(to: .now) / .seconds(1)
                let images = Double((done - logged.step) * config.batch)
                log(step: done, rate, values, imagesPerSecond: images / seconds)
                logged = (.now, done)
            }
            progress.advance(to: done)
            if done == config.steps { try requireFinite(step, batch) }
            try afterStep(done)
            if context.stopRequested, done < config.steps {
                try requireFinite(step, batch)
                try save(done)
                throw RunError.stopped
            }
            let isOrdered = context.takeCheckpointOrder()
            if isDue(done, since: lastCheckpoint) || isOrdered && done < config.steps {
                try requireFinite(step, batch)
                try save(done)
                lastCheckpoint = .now
            }
        }
    }

    /// The step that `file` was written after; 0 without one.
    private func restore(from file: CheckpointFile?) throws -> Int {
        guard let file else { return 0 }
        try checkpoints.restore(from: file)
        // A final checkpoint has no optimizer state, and nothing is left to train.
        guard !file.isFinal else { return file.step }
        try optimizer.restore { try file.tensor($0) }
        try average?.restore { try file.tensor($0) }
        return file.step
    }

    /// Runs a step's passes, each with its gradient.
    ///
    /// - Returns: the means over the passes of the loss and, with `withTerms`, of each of its terms.
    private func run(_ batch: Step, step: Int, withTerms: Bool) throws -> [String: Double] {
        var sums: [String: Double] = [:]
        for pass in batch.passes {
            let result = try pass()
            let loss = try result.loss.item()
            guard loss.isFinite else {
                throw RunError.notFinite(step: step, images: batch.images)
            }
            sums["loss", default: 0] += Double(loss)
            if withTerms {
                for term in result.terms {
                    sums[term.name, default: 0] += Double(try term.value.item())
                }
            }
            try result.loss.backward()
        }
        return sums.mapValues { $0 / Double(batch.passes.count) }
    }

    /// Runs `body` on the weights that are measured and kept: the averaged ones, where there is an average.
    ///
    /// After a run that went on from a final checkpoint those are the same.
    func measured<Result>(_ file: CheckpointFile?, _ body: () throws -> Result) throws -> Result {
        guard let average, file?.isFinal != true else { return try body() }
        return try average.inPlace(body)
    }

    /// The end of a run: what is measured, and the final checkpoint, both of the weights that are kept.
    func finish(resumed file: CheckpointFile?, _ measure: () throws -> [String: JSONValue]) throws
        -> (checkpoint: StoredCheckpoint, metrics: [String: JSONValue])
    {
        try measured(file) {
            let metrics = try measure()
            let stored = try checkpoints.save(
                context,
                name: stage.map { "\($0)-final" } ?? "final",
                step: config.steps,
                final: true,
            )
            return (stored, metrics)
        }
    }

    /// A finite loss may have an infinite gradient; what is written must be good to go on from.
    private func requireFinite(_ step: Int, _ batch: Step) throws {
        guard try checkpoints.parameters.allSatisfy({ try $0.value.isFinite() }) else {
            throw RunError.notFinite(step: step, images: batch.images)
        }
    }

    private func isDue(_ done: Int, since last: ContinuousClock.Instant) -> Bool {
        let policy = config.checkpoint
        if done == config.steps { return false }
        if policy.everySteps > 0, done % policy.everySteps == 0 { return true }
        return policy.everySeconds > 0
            && last.duration(to: .now) >= .seconds(Double(policy.everySeconds))
    }

    private func save(_ step: Int) throws {
        let prefix = stage.map { "\($0)-" } ?? ""
        try checkpoints.save(
            context,
            name: "\(prefix)step-\(String(format: "%08d", step))",
            step: step,
            final: false,
            extra: optimizer.state() + (average?.state() ?? []),
        )
    }

    private func log(
        step: Int,
        _ rate: Double,
        _ values: [String: Double],
        imagesPerSecond: Double,
    ) {
        var data: [String: JSONValue] = [
            "step": .int(Int64(step)), "lr": .double(rate),
            "imagesPerSecond": .double(imagesPerSecond),
        ]
        if let stage { data["stage"] = .string(stage) }
        data.merge(values.mapValues { .double($0) }) { _, value in value }
        context.emit("metric", .object(data))
    }
}

extension Optimizer {
    convenience init(_ parameters: [Parameter], _ config: OptimizerConfig) throws {
        let rule: OptimizerRule =
            switch config {
            case .sgd(let sgd): .sgd(momentum: sgd.momentum)
            case .adamw(let adam):
                .adamW(betas: (adam.betas[0], adam.betas[1]), epsilon: adam.epsilon)
            }
        let groups = config.groups
        try self.init(parameters, rule: rule) { role in
            switch role {
            case .weight, .buffer: Group(weightDecay: config.weightDecay)
            case .depthwiseWeight:
                Group(weightDecay: groups.decayDepthwise ? config.weightDecay : 0)
            case .bias:
                Group(
                    rateFactor: groups.biasLearningRateMultiplier,
                    weightDecay: groups.decayBiases ? config.weightDecay : 0,
                )
            case .normWeight, .normBias:
                Group(weightDecay: groups.decayNorms ? config.weightDecay : 0)
            }
        }
    }
}

extension Schedule {
    init(_ config: TrainingConfig) {
        let shape: Shape =
            switch config.schedule.shape {
            case .constant: .constant
            case .linear: .poly(power: 1)
            case .poly(let power): .poly(power: power)
            case .steps(let at, let factor): .steps(at: at, factor: factor)
            case .cosine(let final): .cosine(final: final)
            }
        self.init(
            base: config.optimizer.learningRate,
            shape: shape,
            total: config.steps,
            warmupSteps: config.schedule.warmupSteps,
            warmupFactor: config.schedule.warmupFactor,
        )
    }
}
