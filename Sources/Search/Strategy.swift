// What proposes genomes. Between `ask` and `tell` anything may evaluate them, in any order and at
// any place; a strategy only ever sees candidates.

package import SearchSpaces

/// Proposes candidates and learns from their scores.
///
/// What is proposed is a pure function of the settings and of what was told, so a search that was
/// stopped anywhere goes on as if it had not been.
package protocol Strategy: Sendable {
    /// Everything that was told.
    var archive: Archive { get }

    /// The current generation, empty when the search has ended.
    ///
    /// Candidates that were told already come with their score or failure; the others wait for one.
    /// The next generation follows when none waits any more.
    ///
    /// - Parameter seeds: called with the number of a generation that is about to be proposed for the first time, but
    ///   not with 0: genomes that shall be in it.
    mutating func ask(seeds: (Int) throws -> [Genome]) throws -> [Candidate]

    /// Takes candidates of the current generation with a score or a failure, one or many at a time.
    /// One that was told before with the same outcome is passed over; at a wrong one `tell` throws,
    /// and those before it are taken.
    mutating func tell(_ candidates: [Candidate]) throws
}

extension Strategy {
    package mutating func ask() throws -> [Candidate] { try ask { _ in [] } }
}

/// Why a search cannot start, go on from a journal, or take what it was told.
package enum SearchError: Error, Hashable, CustomStringConvertible {
    case impossibleLimit(limit: Int, cheapest: Int, convention: CostConvention)
    case seedOverLimit(genome: Genome, cost: Int, limit: Int, convention: CostConvention)
    case setting(name: String, value: String, allowed: String)
    case space([String])
    case notAsked(index: Int, genome: Genome)
    case otherJournal(index: Int, genome: Genome)

    package var description: String {
        switch self {
        case .impossibleLimit(let limit, let cheapest, let convention):
            "no architecture costs at most \(limit): the cheapest costs \(cheapest) "
                + "(\(convention.stated))"
        case .seedOverLimit(let genome, let cost, let limit, let convention):
            "the seed \(genome) costs \(cost); allowed: at most \(limit) (\(convention.stated))"
        case .setting(let name, let value, let allowed):
            "\(name) is \(value); allowed: \(allowed)"
        case .space(let problems):
            "the search space cannot be built: \(problems.joined(separator: "; "))"
        case .notAsked(let index, let genome):
            "candidate \(index) (\(genome)) is not of the current generation"
        case .otherJournal(let index, let genome):
            "candidate \(index) (\(genome)) of the journal was not proposed by these settings"
        }
    }
}
