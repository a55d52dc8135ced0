// The four choices of a searchable block, and the two ways in which code bases built it
// (DetNAS, arXiv:1903.10979, section 3; the block is ShuffleNetV2's, arXiv:1807.11164).

/// What a searchable block computes. Raw values are stored and sent, so they never change.
package enum Operation: String, Codable, CaseIterable, Sendable {
    case shuffle3x3 = "shuffle_3x3"
    case shuffle5x5 = "shuffle_5x5"
    case shuffle7x7 = "shuffle_7x7"
    case xception = "shuffle_xception"

    /// The side of the depthwise kernels, pixels.
    package var kernel: Int {
        switch self {
        case .shuffle3x3, .xception: 3
        case .shuffle5x5: 5
        case .shuffle7x7: 7
        }
    }
}

/// How wide the two branches of a stride-2 block are.
package enum BlockVariant: String, Codable, CaseIterable, Sendable {
    case official  // projection keeps the input's channels, the main branch makes the rest
    case mmrazor  // both branches make half of the output
}

/// How a stride-1 block splits its input in an identity half and a main half. Weights trained with
/// one method are useless with the other, so a checkpoint records it.
package enum ShuffleMethod: Int, Codable, CaseIterable, Sendable {
    case one = 1  // interleave the halves, then cut in the middle
    case two = 2  // even channels are the identity half, odd ones the main half
}
