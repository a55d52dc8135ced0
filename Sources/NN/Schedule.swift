// The learning rate as a function of the step.

import Foundation

/// A schedule: a pure function, so that a resumed run needs no state of it.
package struct Schedule: Sendable {
    package enum Shape: Sendable {
        case constant
        /// `(1 - step / total) ^ power`; power 1 is DetNAS's linear fall to 0.
        case poly(power: Double)
        /// Multiplied by `factor` at each of the steps `at`.
        case steps(at: [Int], factor: Double)
        /// Half a cosine from 1 to `final`.
        case cosine(final: Double)
    }

    package var base: Double
    package var shape: Shape
    package var total: Int
    package var warmupSteps: Int
    /// The share of the rate that warm-up starts from; it rises linearly.
    package var warmupFactor: Double

    package init(
        base: Double,
        shape: Shape,
        total: Int,
        warmupSteps: Int = 0,
        warmupFactor: Double = 0.1,
    ) {
        self.base = base
        self.shape = shape
        self.total = total
        self.warmupSteps = warmupSteps
        self.warmupFactor = warmupFactor
    }

    /// The rate of `step`, counted from 0.
    package func rate(at step: Int) -> Double {
        let share = Double(step) / Double(max(total, 1))
        let factor =
            switch shape {
            case .constant: 1.0
            case .poly(let power): pow(max(0, 1 - share), power)
            case .steps(let at, let factor): pow(factor, Double(at.count { step >= $0 }))
            case .cosine(let final): final + (1 - final) * (1 + cos(.pi * min(share, 1))) / 2
            }
        guard step < warmupSteps else { return base * factor }
        let progress = Double(step) / Double(warmupSteps)
        return base * factor * (warmupFactor + (1 - warmupFactor) * progress)
    }
}
