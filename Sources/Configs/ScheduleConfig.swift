// How the learning rate moves from its peak, and how it gets there.

/// The learning rate at a step, as a share of the optimizer's.
///
/// In JSON the shape is told by `kind`: `"linear"`, `"constant"`, `"poly"`, `"steps"`, `"cosine"`.
package struct ScheduleConfig: Hashable, Sendable {
    package enum Shape: Hashable, Sendable {
        case constant
        /// To 0 at the last step. Source: the paper, ImageNet.
        case linear
        /// `(1 - step / steps) ^ power`.
        case poly(power: Double = 1)
        /// Multiplied by `factor` at each of the steps `at`. The paper: 60,000 and 80,000 on COCO.
        case steps(at: [Int], factor: Double = 0.1)
        /// Half a cosine, to `final`, a share of the peak.
        case cosine(final: Double = 0)
    }

    package var shape = Shape.linear
    /// Steps of linear warm-up. The official code: 500 on COCO.
    package var warmupSteps = 0
    /// Share of the learning rate at step 0 of the warm-up. The official code: 1/3 on COCO.
    package var warmupFactor = 0.1

    package init(_ shape: Shape = .linear) { self.shape = shape }
}

extension Form<ScheduleConfig> {
    static var schedule: Form {
        let warmup: [Field<ScheduleConfig>] = [
            Field("warmupSteps", \.warmupSteps, .int(0...1_000_000_000)),
            Field("warmupFactor", \.warmupFactor, .number(.share)),
        ]
        let steps: [Field<ScheduleConfig>] = [
            Field(
                "at",
                \.at,
                .list(.int(1...1_000_000_000), count: 1...1000),
                required: true,
            ),
            Field("factor", \.factor, .number(.positiveShare)),
        ]
        let ascending = Rule<ScheduleConfig>(
            "at",
            code: .outOfRange,
            allowed: "ascending steps",
        ) { schedule in
            zip(schedule.at, schedule.at.dropFirst()).first { $0 >= $1 }
                .map { "\($0) stands before \($1)" }
        }
        return .variants([
            Variant("linear", ScheduleConfig(.linear), warmup) { $0.shape == .linear },
            Variant("constant", ScheduleConfig(.constant), warmup) { $0.shape == .constant },
            Variant(
                "poly",
                ScheduleConfig(.poly()),
                warmup + [Field("power", \.power, .number(.positive))],
            ) {
                if case .poly = $0.shape { true } else { false }
            },
            Variant("steps", ScheduleConfig(.steps(at: [])), warmup + steps, rules: [ascending]) {
                if case .steps = $0.shape { true } else { false }
            },
            Variant(
                "cosine",
                ScheduleConfig(.cosine()),
                warmup + [Field("final", \.final, .number(.share))],
            ) {
                if case .cosine = $0.shape { true } else { false }
            },
        ])
    }
}

extension ScheduleConfig {
    // What a shape carries, read and written in place; of any other shape, nothing.

    fileprivate var power: Double {
        get { if case .poly(let power) = shape { power } else { .nan } }
        set { shape = .poly(power: newValue) }
    }

    fileprivate var at: [Int] {
        get { if case .steps(let at, _) = shape { at } else { [] } }
        set { shape = .steps(at: newValue, factor: factor) }
    }

    fileprivate var factor: Double {
        get { if case .steps(_, let factor) = shape { factor } else { .nan } }
        set { shape = .steps(at: at, factor: newValue) }
    }

    fileprivate var final: Double {
        get { if case .cosine(let final) = shape { final } else { .nan } }
        set { shape = .cosine(final: newValue) }
    }
}
