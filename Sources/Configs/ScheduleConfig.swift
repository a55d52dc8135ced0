// How the learning rate moves from its peak, and how it gets there.

/// The learning rate at a step, as a share of the optimizer's.
package struct ScheduleConfig: Hashable, Sendable {
    package enum Shape: Hashable, Sendable {
        case constant
        /// To 0 at the last step. Source: the paper, ImageNet.
        case linear
        /// `(1 - step / steps) ^ power`.
        case poly(power: Double)
        /// Multiplied by `factor` at each of the steps `at`. The paper: 60,000 and 80,000 on COCO.
        case steps(at: [Int], factor: Double)
        /// Half a cosine, to `final`, a share of the peak.
        case cosine(final: Double)
    }

    package var shape = Shape.linear
    /// Steps of linear warm-up. The official code: 500 on COCO.
    package var warmupSteps = 0
    /// Share of the learning rate at step 0 of the warm-up. The official code: 1/3 on COCO.
    package var warmupFactor = 0.1

    package init(_ shape: Shape = .linear) { self.shape = shape }
}
