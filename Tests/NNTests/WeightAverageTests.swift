// The moving average of weights.

import Testing
import Torch

@testable import NN

struct WeightAverageTests {
    private func parameter(_ value: Double) throws -> Parameter {
        try Parameter(ParameterPath("w", seed: 0), .weight, .full([2], value))
    }

    @Test func `the average is the recurrence's, and stands in only for as long as it is asked to`()
        throws
    {
        let weight = try parameter(1)
        let average = try WeightAverage([weight], decay: 0.9)
        for value in [3.0, 5, 2] {
            try withoutGradients { try weight.value.assign(.full([2], value)) }
            try average.update()
        }
        // 1 -> 1.2 -> 1.58 -> 1.622
        try average.inPlace {
            for found in try weight.value.floats() { #expect(abs(found - 1.622) < 1e-6) }
        }
        #expect(try weight.value.floats() == [2, 2])
    }

    @Test func `a restored average goes on as if it had never stopped`() throws {
        let weight = try parameter(1)
        let whole = try WeightAverage([weight], decay: 0.5)
        try withoutGradients { try weight.value.assign(.full([2], 4)) }
        try whole.update()
        let other = try parameter(4)
        let resumed = try WeightAverage([other], decay: 0.5)
        let stored = Dictionary(whole.state().map { ($0.name, $0.value) }) { first, _ in first }
        try resumed.restore { try #require(stored[$0]) }
        for (average, parameter) in [(whole, weight), (resumed, other)] {
            try withoutGradients { try parameter.value.assign(.full([2], 8)) }
            try average.update()
        }
        let expected = try whole.inPlace { try weight.value.floats() }
        let found = try resumed.inPlace { try other.value.floats() }
        #expect(found == expected)
    }
}
