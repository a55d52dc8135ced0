// The numbers of DetNAS's evolution (arXiv:1903.10979, section 4; children as in the official code).

package import SearchSpaces

/// How large a search is and how it makes children.
package struct EvolutionSettings: Hashable, Codable, Sendable {
    /// Candidates in a generation.
    package var population = 50
    /// Generations, the random first one included.
    package var generations = 20
    /// How many of the best candidates of all generations have children.
    package var parents = 10
    /// Children by mutation in a generation.
    package var mutation = 20
    /// Children by crossover in a generation; what remains of the population is random.
    package var crossover = 20
    /// How likely mutation draws a letter anew; the draw may give the same letter.
    package var mutationProbability = 0.1
    /// What a candidate may cost at most, multiply-adds; nil: anything.
    package var limit: Int?
    /// What `limit` counts, and the cost that breaks ties.
    package var convention = CostConvention.backbone
    /// The side of the image that costs are counted for, pixels.
    package var imageSize = 224
    package var seed: UInt64 = 0
    /// Genomes that are in generation 0 before any random one; a repeated one counts once.
    package var seeds: [Genome] = []
    /// The same for later generations; what is not of the space or over the limit is left out.
    package var laterSeeds: [Int: [Genome]] = [:]

    package init() {}

    /// The first setting that cannot be, if any.
    var problem: SearchError? {
        func check(_ name: String, _ value: Int, _ allowed: ClosedRange<Int>) -> SearchError? {
            allowed.contains(value)
                ? nil
                : .setting(
                    name: name,
                    value: "\(value)",
                    allowed: "\(allowed.lowerBound) to \(allowed.upperBound)",
                )
        }
        let many = 1...1_000_000
        if let problem = check("population", population, many)
            ?? check("generations", generations, many) ?? check("parents", parents, many)
            ?? check("mutation", mutation, 0...population)
            ?? check("crossover", crossover, 0...(population - mutation))
            ?? check("imageSize", imageSize, SearchSpace.Bounds.imageSide)
        {
            return problem
        }
        return (0...1).contains(mutationProbability)
            ? nil
            : .setting(
                name: "mutationProbability",
                value: "\(mutationProbability)",
                allowed: "0 to 1",
            )
    }
}
