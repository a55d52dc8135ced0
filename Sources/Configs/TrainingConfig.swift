// How long and how weights are trained, whatever they are the weights of.

package struct TrainingConfig: Hashable, Sendable {
    /// Updates. The paper: 300,000 on ImageNet, 90,000 on COCO.
    package var steps: Int
    /// Images in an update. The paper: 1024 on ImageNet, 16 on COCO, on 8 GPUs.
    package var batch = 16
    package var optimizer = OptimizerConfig.sgd(OptimizerConfig.SGD())
    package var schedule = ScheduleConfig()
    /// The most that the norm of all gradients may have; nil: not clipped, as in the paper.
    package var gradientClip: Double?
    /// Share of the average that is kept in a step, where an exponential moving average of the weights is measured and
    /// kept instead of the last ones; nil: none, as in the paper.
    package var averageDecay: Double?
    /// By how much batch norms move their running statistics in a step. The official code: 0.1 in supernets,
    /// 0.01 in the final detectors.
    package var normMomentum = 0.1
    package var checkpoint = CheckpointPolicy()
    /// Steps between two `metric` events.
    package var logEverySteps = 10
    /// Threads that read and augment images; part of the cores of the job.
    package var loaderThreads = 1
    /// Share of images that may be broken before the job fails; those met are skipped.
    package var maxBadImages = 0.05

    package init(steps: Int) { self.steps = steps }
}

/// When a job writes a checkpoint that it can go on from; whichever is due first.
package struct CheckpointPolicy: Hashable, Sendable {
    /// Steps between two; 0: not by steps.
    package var everySteps = 0
    /// Seconds between two; 0: not by time.
    package var everySeconds = 60

    package init() {}
}

/// How often sampled paths of a supernet are measured while it is trained.
package struct PathEvaluation: Hashable, Sendable {
    /// Random paths to measure; 0: none.
    package var paths = 4
    /// The most validation images for each path.
    package var images = 256
    /// Steps between two evaluations; 0: at the end only.
    package var everySteps = 0
    /// Training images that set the batch-norm statistics of each path.
    package var recalibrationImages = 64

    package init() {}
}

extension TrainingConfig: Fielded {
    static var blank: Self { Self(steps: 1) }

    static var fields: [Field<Self>] { fields(optimizer: .optimizer()) }

    fileprivate static func fields(optimizer: Form<OptimizerConfig>) -> [Field<Self>] {
        [
            Field("steps", \.steps, .int(1...1_000_000_000), required: true),
            Field("batch", \.batch, .int(1...65_536)),
            Field("optimizer", \.optimizer, optimizer),
            Field("schedule", \.schedule, .schedule),
            Field("gradientClip", \.gradientClip, .optional(.number(.positive))),
            Field("averageDecay", \.averageDecay, .optional(.number(.properShare))),
            Field("normMomentum", \.normMomentum, .number(.positiveShare)),
            Field("checkpoint", \.checkpoint, .object),
            Field("logEverySteps", \.logEverySteps, .int(1...1_000_000_000)),
            Field("loaderThreads", \.loaderThreads, .int(1...256)),
            Field("maxBadImages", \.maxBadImages, .number(.share)),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("schedule/warmupSteps", "steps", allowed: "<= steps") {
                $0.schedule.warmupSteps <= $0.steps
                    ? nil
                    : "a warm-up of \($0.schedule.warmupSteps) steps in a training of \($0.steps)"
            },
            Rule("schedule/at", "steps", allowed: "<= steps") {
                guard case .steps(let at, _) = $0.schedule.shape, let last = at.last else {
                    return nil
                }
                return last <= $0.steps ? nil : "a drop at step \(last) of \($0.steps)"
            },
        ]
    }
}

extension CheckpointPolicy: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("everySteps", \.everySteps, .int(0...1_000_000_000)),
            Field("everySeconds", \.everySeconds, .int(0...1_000_000_000)),
        ]
    }
}

extension PathEvaluation: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("paths", \.paths, .int(0...10_000)),
            Field("images", \.images, .int(1...1_000_000_000)),
            Field("everySteps", \.everySteps, .int(0...1_000_000_000)),
            Field("recalibrationImages", \.recalibrationImages, .int(1...1_000_000_000)),
        ]
    }
}

extension Form<TrainingConfig> {
    /// As `.object`, with a detector's optimizer where none is given.
    static var detector: Form {
        var blank = TrainingConfig.blank
        blank.optimizer = .sgd(.detector)
        let table = Table(
            blank: blank,
            fields: TrainingConfig.fields(optimizer: .optimizer(sgd: .detector)),
            rules: TrainingConfig.rules,
        )
        return Form(schema: .object(table.schema), read: table.read) { .object(table.members($0)) }
    }
}
