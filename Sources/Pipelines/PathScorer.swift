// What a search asks of whoever scores its paths, whatever they are paths of.

import Configs
import Foundation
import SearchSpaces

/// Everything that is known of one path on the search images.
struct PathFigures {
    /// What is ranked; higher is better.
    var value: Double
    var standardError: Double?
    var ap: Double?
    var ap50: Double?
    var top1: Double?
    var top5: Double?
    /// Of each image, in the order of the scorer.
    var losses: [Double]

    var loss: Double { losses.mean }
}

/// Scores paths of one network on one list of images. Several threads may score at once; a path's figures depend on
/// nothing but the path.
protocol PathScorer: AnyObject, Sendable {
    /// How many images a score is made on.
    var imageCount: Int { get }
    /// What of the paths' first letters was kept for others; nil where nothing is.
    var prefixes: PrefixCache? { get }

    /// - Parameter seed: of what is drawn for the standard error.
    /// - Throws: `TorchError` when the path cannot be run.
    func figures(of genome: Genome, _ objective: SearchConfig.Objective, seed: UInt64) throws
        -> PathFigures
    /// What the result tells of a winner, with intervals over the images.
    func report(of genome: Genome, seed: UInt64) throws -> [String: JSONValue]
}

extension [Double] {
    /// 0 of none.
    var mean: Double { reduce(0, +) / Double(Swift.max(count, 1)) }

    /// Of a sample; 0 of fewer than two.
    var deviation: Double {
        let middle = mean
        let squares = reduce(0) { $0 + ($1 - middle) * ($1 - middle) }
        return (squares / Double(Swift.max(count - 1, 1))).squareRoot()
    }

    /// Of the mean.
    var standardError: Double { deviation / Double(Swift.max(count, 1)).squareRoot() }
}

extension DetectorScorer: PathScorer {
    func figures(of genome: Genome, _ objective: SearchConfig.Objective, seed: UInt64) throws
        -> PathFigures
    { figures(of: try score(genome), objective, seed: seed) }

    func figures(of result: Result, _ objective: SearchConfig.Objective, seed: UInt64)
        -> PathFigures
    {
        var figures = PathFigures(
            value: -result.loss,
            standardError: result.losses.standardError,
            ap: result.metrics.ap,
            ap50: result.metrics.ap50,
            losses: result.losses,
        )
        if objective == .ap || objective == .ap50 {
            figures.value = objective == .ap ? result.metrics.ap : result.metrics.ap50
            figures.standardError =
                result.matches.bootstrap(
                    objective == .ap ? .ap : .ap50,
                    resamples: 50,
                    seed: seed,
                )?.standardError
        }
        return figures
    }

    func report(of genome: Genome, seed: UInt64) throws -> [String: JSONValue] {
        let result = try score(genome)
        return [
            "map": .double(result.metrics.ap), "map50": .double(result.metrics.ap50),
            "loss": .double(result.loss), "interval95": result.intervals(seed: seed),
        ]
    }
}
