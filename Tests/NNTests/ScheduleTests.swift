// Schedules against PyTorch's, step by step.

import NN
import Testing

struct ScheduleTests {
    private func rates(_ schedule: Schedule, _ steps: Int = 10) -> [Double] {
        (0..<steps).map { schedule.rate(at: $0) }
    }

    private func expect(
        _ rates: [Double],
        _ expected: [Double],
        sourceLocation: SourceLocation = #_sourceLocation,
    ) {
        #expect(rates.count == expected.count, sourceLocation: sourceLocation)
        for (a, b) in zip(rates, expected) {
            #expect(abs(a - b) < 1e-12, sourceLocation: sourceLocation)
        }
    }

    // Each list: torch 2.13.0, torch.optim.lr_scheduler, o = SGD([p], lr=0.4), the rate before each of 10 steps of
    //   PolynomialLR(o, 10, power=1), PolynomialLR(o, 10, power=2), MultiStepLR(o, [3, 7], 0.1),
    //   CosineAnnealingLR(o, 10, eta_min=0.04),
    //   ChainedScheduler([LinearLR(o, 1/4, 1, 4), MultiStepLR(o, [6], 0.1)])

    @Test func `poly falls to 0 at the end, by its power`() {
        expect(
            rates(Schedule(base: 0.4, shape: .poly(power: 1), total: 10)),
            [0.4, 0.36, 0.32, 0.28, 0.24, 0.2, 0.16, 0.12, 0.08, 0.04],
        )
        expect(
            rates(Schedule(base: 0.4, shape: .poly(power: 2), total: 10), 12),
            [0.4, 0.324, 0.256, 0.196, 0.144, 0.1, 0.064, 0.036, 0.016, 0.004, 0, 0],
        )
    }

    @Test func `steps fall from the step they name on`() {
        expect(
            rates(Schedule(base: 0.4, shape: .steps(at: [3, 7], factor: 0.1), total: 10)),
            [0.4, 0.4, 0.4, 0.04, 0.04, 0.04, 0.04, 0.004, 0.004, 0.004],
        )
    }

    @Test func `a cosine ends at its share of the rate, and stays there`() {
        expect(
            rates(Schedule(base: 0.4, shape: .cosine(final: 0.1), total: 10), 13),
            [
                0.4, 0.391_190_172_933_127_7, 0.365_623_058_987_490_53, 0.325_801_345_412_645_16,
                0.275_623_058_987_490_57, 0.22, 0.164_376_941_012_509_5, 0.114_198_654_587_354_87,
                0.074_376_941_012_509_48, 0.048_809_827_066_872_37, 0.04, 0.04, 0.04,
            ],
        )
    }

    @Test func `warm-up rises in a line from its share to the schedule's own rate`() {
        expect(
            rates(
                Schedule(
                    base: 0.4,
                    shape: .steps(at: [6], factor: 0.1),
                    total: 10,
                    warmupSteps: 4,
                    warmupFactor: 0.25,
                )
            ),
            [0.1, 0.175, 0.25, 0.325, 0.4, 0.4, 0.04, 0.04, 0.04, 0.04],
        )
        let constant = Schedule(base: 2, shape: .constant, total: 0)
        expect(rates(constant, 3), [2, 2, 2])
    }
}
