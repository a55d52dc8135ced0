// Successive halving of a search's candidates, by their losses on few images.

/// When a candidate is not worth more images.
package struct HalvingConfig: Hashable, Sendable {
    /// Search images on which every candidate is seen first, a seeded choice; with exact statistics of at most as many
    /// training images.
    package var images = 32
    /// One in so many goes on in any case, to so many times the images, until all of them score it.
    package var factor = 4
    /// How many standard errors of the paired difference another must be worse than the last of these to be halted.
    package var z = 2.0

    package init() {}
}

extension HalvingConfig: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("images", \.images, .int(2...1_000_000_000)),
            Field("factor", \.factor, .int(2...1000)),
            Field("z", \.z, .number(.notNegative)),
        ]
    }
}
