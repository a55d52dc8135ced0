// One architecture as a word: a letter for each searchable block, stage by stage. Its canonical
// form is the list of integers that DetNAS and Single Path One-Shot publish.

/// A word over the operations of a space; letter `l` at position `p` chooses `operations[l]` there.
package struct Genome: Hashable, Codable, Sendable, CustomStringConvertible {
    package let letters: [UInt8]

    /// Takes any letters; `check(in:)` tells whether a space has the word.
    package init(_ letters: [UInt8]) { self.letters = letters }

    /// The canonical form, `2,1,2,0,...`.
    package var description: String { letters.map(String.init).joined(separator: ",") }

    /// Encodes as the canonical form; decodes that or a list of integers.
    package init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let list = try? value.decode([UInt8].self) {
            letters = list
            return
        }
        let text = try value.decode(String.self)
        let tokens = text.split(separator: ",", omittingEmptySubsequences: false)
        let letters = tokens.compactMap { UInt8($0) }
        guard letters.count == tokens.count else {
            throw DecodingError.dataCorruptedError(
                in: value,
                debugDescription: "\"\(text)\" is not a list of integers such as \"2,1,0,3\"",
            )
        }
        self.letters = letters
    }

    package func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(description)
    }
}

/// Why a text or a word is no genome of a space. Positions and stages are counted from 0.
package enum GenomeError: Error, Hashable, CustomStringConvertible {
    case length(found: Int, needed: Int)
    case letter(position: Int, stage: Int, found: String, allowed: [String])
    case stages(found: Int, needed: Int)
    case stageLength(stage: Int, found: Int, needed: Int)

    package var description: String {
        switch self {
        case .length(let found, let needed):
            "the genome has \(found) letters; the space has \(needed) positions"
        case .letter(let position, let stage, let found, let allowed):
            "position \(position) (stage \(stage)) has \"\(found)\"; "
                + "allowed: \(allowed.joined(separator: ", "))"
        case .stages(let found, let needed):
            "the genome has \(found) groups; the space has \(needed) stages"
        case .stageLength(let stage, let found, let needed):
            "group \(stage) has \(found) letters; stage \(stage) has \(needed) blocks"
        }
    }
}

extension Genome {
    /// Reads integers between commas or blanks, with or without brackets (`[2, 1, 2, 0, ...]`), or
    /// digits grouped by stage (`2120-2112-33130031-3132`).
    package init(parsing text: String, in space: SearchSpace) throws(GenomeError) {
        let inner = text.filter { !"[]()\"'".contains($0) }
        let tokens: [String]
        if inner.contains("-") {
            let groups = inner.split(separator: "-", omittingEmptySubsequences: false)
                .map { group in group.filter { !$0.isWhitespace && $0 != "," }.map(String.init) }
            guard groups.count == space.stages.count else {
                throw .stages(found: groups.count, needed: space.stages.count)
            }
            for (number, (group, stage)) in zip(groups, space.stages).enumerated()
            where group.count != stage.blocks {
                throw .stageLength(stage: number, found: group.count, needed: stage.blocks)
            }
            tokens = groups.flatMap { $0 }
        } else {
            tokens = Genome.tokens(inner)
        }
        // A letter that cannot be is reported as it was written, before anything else is.
        let letters = tokens.map { UInt8($0) ?? UInt8.max }
        try Genome(letters).check(in: space, asWritten: tokens)
        self.init(letters)
    }

    /// Throws unless `space` has this word.
    package func check(in space: SearchSpace) throws(GenomeError) {
        try check(in: space, asWritten: letters.map(String.init))
    }

    /// The digits of each stage, `2120-2112-33130031-3132`.
    package func grouped(in space: SearchSpace) -> String {
        var rest = letters[...]
        let groups = space.stages.map { stage in
            let group = rest.prefix(stage.blocks)
            rest = rest.dropFirst(stage.blocks)
            return group.map(String.init).joined()
        }
        return groups.joined(separator: "-")
    }

    /// The operation chosen at each position of `space`.
    package func operations(in space: SearchSpace) -> [Operation] {
        letters.map { space.operations[Int($0)] }
    }

    private func check(in space: SearchSpace, asWritten written: [String]) throws(GenomeError) {
        let positions = space.positions
        for (number, letter) in letters.enumerated() where letter >= space.operations.count {
            guard number < positions.count else { break }
            throw .letter(
                position: number,
                stage: positions[number].stage,
                found: written[number],
                allowed: space.operations.enumerated().map { "\($0) (\($1.rawValue))" },
            )
        }
        guard letters.count == positions.count else {
            throw .length(found: letters.count, needed: positions.count)
        }
    }

    /// Commas separate, as do blanks; between two commas must be something, after the last not.
    private static func tokens(_ text: String) -> [String] {
        var tokens = text.split(separator: ",", omittingEmptySubsequences: false)
            .flatMap { part in
                let words = part.split(whereSeparator: \.isWhitespace).map(String.init)
                return words.isEmpty ? [""] : words
            }
        if tokens.last == "" { tokens.removeLast() }
        return tokens
    }
}
