// What a detector's pyramid and heads cost, from their own weights: each weight of a convolution is used once for every
// cell of its output. As everywhere, one multiply-add is one unit; norms, biases and resizing are not counted.

import NN

extension Module {
    /// Weights that multiply: of convolutions and linear layers.
    var multipliers: Int {
        parameters.reduce(0) { sum, parameter in
            switch parameter.role {
            case .weight, .depthwiseWeight: sum + parameter.value.count
            case .bias, .normWeight, .normBias, .buffer: sum
            }
        }
    }
}

extension Detector {
    /// Multiply-adds of pyramid and heads for one image in evaluation, the same for every architecture of a space; the
    /// backbone's are the search space's. The second stage is counted for as many regions as there may be.
    ///
    /// - Parameters:
    ///   - height: of the network's input, a multiple of 32; as `width`.
    package func headMacs(height: Int, width: Int) -> Int {
        let areas = pyramid.areas(height: height, width: width)
        return pyramid.macs(areas) + head.macs(areas)
    }

    /// Numbers that training changes.
    package var trainedParameters: Int {
        parameters.reduce(0) { $0 + ($1.role == .buffer ? 0 : $1.value.count) }
    }
}

extension FeaturePyramid {
    /// Cells of each level.
    func areas(height: Int, width: Int) -> [Int] {
        // Every halving rounds up, as convolutions with half their kernel as padding do.
        func side(_ length: Int, _ level: Int) -> Int {
            (0..<level).reduce(length) { value, _ in (value + 1) / 2 }
        }
        return (first..<first + levelCount).map { side(height, $0) * side(width, $0) }
    }

    func macs(_ areas: [Int]) -> Int {
        let fine = zip(zip(laterals, outputs), areas).map { parts, area in
            (parts.0.multipliers + parts.1.multipliers) * area
        }
        let coarse = zip(convolved, areas.dropFirst(laterals.count)).map { $0.multipliers * $1 }
        return (fine + coarse).reduce(0, +)
    }
}
