// What a search knows about one genome: where it came from, what it costs, what it scored or why it
// could not be scored.

package import SearchSpaces

/// How good a candidate is, and everything needed to tell with what it may be compared.
package struct Score: Hashable, Codable, Sendable {
    /// What scores must share to be compared.
    package struct Scale: Hashable, Codable, Sendable, CustomStringConvertible {
        /// How the score was made: `supernet-ap`, `supernet-loss`, ...
        package let fidelity: String
        /// A digest of the images it was made on.
        package let images: String
        /// A digest of the checkpoint whose weights it used.
        package let checkpoint: String

        package init(fidelity: String, images: String, checkpoint: String) {
            self.fidelity = fidelity
            self.images = images
            self.checkpoint = checkpoint
        }

        package var description: String {
            "fidelity \(fidelity), images \(images), checkpoint \(checkpoint)"
        }
    }

    /// What a strategy ranks by, at full precision; higher is better (a loss is negated).
    package let value: Double
    /// Mean average precision over IoU 0.50 to 0.95, in 0...1.
    package let ap: Double?
    /// Mean average precision at IoU 0.50, in 0...1.
    package let ap50: Double?
    /// Share of the images whose class is the first guess, and is among the first five.
    package let top1: Double?
    package let top5: Double?
    /// Mean loss an image.
    package let loss: Double?
    /// Of `value`, over the images.
    package let standardError: Double?
    package let scale: Scale

    package init(
        value: Double,
        ap: Double? = nil,
        ap50: Double? = nil,
        top1: Double? = nil,
        top5: Double? = nil,
        loss: Double? = nil,
        standardError: Double? = nil,
        scale: Scale,
    ) {
        self.value = value
        self.ap = ap
        self.ap50 = ap50
        self.top1 = top1
        self.top5 = top5
        self.loss = loss
        self.standardError = standardError
        self.scale = scale
    }
}

/// How a genome was made. Parents are indices of candidates.
package enum Origin: Hashable, Sendable {
    case random
    /// Somebody asked for it.
    case seed
    case mutation(of: Int)
    case crossover(of: Int, and: Int)
}

/// One genome of a search. A strategy makes it; whoever evaluates it adds a score, a failure, or that others are better.
package struct Candidate: Hashable, Codable, Sendable {
    /// Counts the candidates of the search from 0, in the order in which they were proposed.
    package let index: Int
    package let generation: Int
    package let genome: Genome
    /// At the image size of the search's limit.
    package let cost: Cost
    package let origin: Origin
    package var score: Score?
    /// Why there is no score. The genome is not proposed again.
    package var failure: String?
    /// Why it was not scored in full. The genome is neither proposed again nor a parent.
    package var halted: Halted?

    package init(
        index: Int,
        generation: Int,
        genome: Genome,
        cost: Cost,
        origin: Origin,
        score: Score? = nil,
        failure: String? = nil,
        halted: Halted? = nil,
    ) {
        self.index = index
        self.generation = generation
        self.genome = genome
        self.cost = cost
        self.origin = origin
        self.score = score
        self.failure = failure
        self.halted = halted
    }

    /// Whether it was scored, has failed or was halted.
    package var isFinished: Bool { score != nil || failure != nil || halted != nil }

    /// This candidate with its score.
    package func scored(_ score: Score) -> Candidate {
        var copy = self
        copy.score = score
        return copy
    }

    /// This candidate with what few images said of it.
    package func halted(_ verdict: Halted) -> Candidate {
        var copy = self
        copy.halted = verdict
        return copy
    }

    /// This candidate with the reason why it has no score.
    package func failed(_ reason: String) -> Candidate {
        var copy = self
        copy.failure = reason
        return copy
    }
}

extension Origin: Codable {
    private enum CodingKeys: String, CodingKey {
        case kind, parents
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try values.decode(String.self, forKey: .kind)
        let parents = try values.decodeIfPresent([Int].self, forKey: .parents) ?? []
        switch (kind, parents.count) {
        case ("random", 0): self = .random
        case ("seed", 0): self = .seed
        case ("mutation", 1): self = .mutation(of: parents[0])
        case ("crossover", 2): self = .crossover(of: parents[0], and: parents[1])
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .kind,
                in: values,
                debugDescription: "\"\(kind)\" with \(parents.count) parents; allowed: "
                    + "random and seed with 0, mutation with 1, crossover with 2",
            )
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .random:
            try values.encode("random", forKey: .kind)
        case .seed:
            try values.encode("seed", forKey: .kind)
        case .mutation(let parent):
            try values.encode("mutation", forKey: .kind)
            try values.encode([parent], forKey: .parents)
        case .crossover(let first, let second):
            try values.encode("crossover", forKey: .kind)
            try values.encode([first, second], forKey: .parents)
        }
    }
}
