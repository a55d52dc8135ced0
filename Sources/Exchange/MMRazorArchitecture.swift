// Architectures as MMRazor writes them: a YAML mapping from each searchable block to the name of its operation.
//
// Version 0 and version 1 name blocks differently, and version 1's search puts the path of the whole algorithm
// before the names. All of these are read; both versions are written.

package import SearchSpaces
import Yams

/// How the keys of a file are made.
package enum MMRazorForm: String, CaseIterable, Sendable {
    case v0 = "mmrazor-v0"  // stage_0_block_0: {chosen: [shuffle_7x7]}
    case v1 = "mmrazor-v1"  // backbone.layers.0.0: {chosen: shuffle_7x7}
}

package enum MMRazorArchitecture {
    /// Far more than 64 blocks in each of four stages need.
    static let maximumBytes = 64 << 10

    // MARK: Writing

    /// `genome` in the words of MMRazor, blocks in order, ending with a line feed.
    ///
    /// - Throws: `GenomeError` when `space` has no such word.
    package static func write(_ genome: Genome, in space: SearchSpace, as form: MMRazorForm)
        throws(GenomeError) -> String
    {
        try genome.check(in: space)
        return zip(space.positions, genome.operations(in: space)).map { position, operation in
            switch form {
            case .v0:
                "stage_\(position.stage)_block_\(position.index):\n"
                    + "  chosen:\n  - \(operation.rawValue)\n"
            case .v1:
                "backbone.layers.\(position.stage).\(position.index):\n"
                    + "  chosen: \(operation.rawValue)\n"
            }
        }.joined()
    }

    // MARK: Reading

    /// The word of `space` that a file describes, in any order of blocks.
    ///
    /// Keys are `stage_S_block_B`, or `layers.S.B` after `backbone.`, `architecture.backbone.` or nothing; values
    /// a mapping with the one key `chosen`, whose value is a name or a list of one name.
    /// - Parameter form: the only kind of keys allowed; nil: either.
    /// - Throws: `ExchangeError` with every block that is missing, repeated or unknown, and every value that is no
    ///   operation of the space; for text that is no YAML, more than one document, anchors, aliases and tags.
    package static func read(
        _ text: String,
        in space: SearchSpace,
        as form: MMRazorForm? = nil,
        file: String,
    ) throws -> Genome {
        let root = try compose(text, file: file)
        guard case .mapping(let blocks) = root else {
            throw ExchangeError(
                file: file,
                place(root),
                found: kind(root),
                allowed: "a mapping with one entry for each of \(space.length) blocks",
            )
        }
        var reader = Reader(space: space, form: form)
        for (key, value) in blocks { reader.take(key, value) }
        return try reader.genome(file: file)
    }

    /// The file's only document.
    private static func compose(_ text: String, file: String) throws -> Node {
        guard text.utf8.count <= maximumBytes else {
            throw ExchangeError(
                file: file,
                "file",
                found: "\(text.utf8.count) bytes",
                allowed: "at most \(maximumBytes)",
            )
        }
        try refuseReferences(text, file: file)
        func failure(_ line: Int?, _ found: String) -> ExchangeError {
            ExchangeError(
                file: file,
                line.map { "line \($0)" } ?? "file",
                found: found,
                allowed: "one YAML mapping from blocks to `chosen`",
            )
        }
        do {
            guard let node = try Yams.compose(yaml: text) else {
                throw failure(nil, "an empty document")
            }
            return node
        } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
            throw ExchangeError(
                file: file,
                keys.enumerated().map {
                    .init(
                        // The line is that of the first.
                        ($0 == 0 ? "line \(context.mark.line), " : "") + quoted($1),
                        found: "the key repeated in its mapping",
                        allowed: "each key once",
                    )
                },
            )
        } catch YamlError.scanner(_, let problem, let mark, _),
            YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _)
        {
            throw failure(mark.line, "broken YAML (\(problem))")
        } catch let error as YamlError {
            throw failure(nil, "broken YAML (\(quoted("\(error)")))")
        }
    }

    /// Refuses `&`, `*` and `!` outside comments before anything is parsed: no architecture needs an anchor, an
    /// alias or a tag, and a few lines of them can stand for any amount of work. Where the text has quotes, comments
    /// are not told apart.
    private static func refuseReferences(_ text: String, file: String) throws(ExchangeError) {
        let scalars = text.unicodeScalars
        let hasQuotes = scalars.contains { $0 == "\"" || $0 == "'" }
        var (line, levels, isComment) = (1, 0, false)
        var previous: Unicode.Scalar = "\n"
        for scalar in scalars {
            if breaks.contains(scalar) {
                line += previous == "\r" && scalar == "\n" ? 0 : 1
                (levels, isComment) = (0, false)
            } else if scalar == "#", !hasQuotes,
                " \t".unicodeScalars.contains(previous)
                    || breaks.contains(previous)
            {
                isComment = true
            } else if !isComment {
                levels += "[{-?".unicodeScalars.contains(scalar) ? 1 : 0
                guard levels <= 16, !"&*!".unicodeScalars.contains(scalar) else {
                    throw ExchangeError(
                        file: file,
                        "line \(line)",
                        found: levels > 16 ? "17 lists in a line" : quoted(String(scalar)),
                        allowed: "keys, names and lists of one name, without anchors, aliases "
                            + "and tags",
                    )
                }
            }
            previous = scalar
        }
    }

    /// YAML's line breaks.
    private static let breaks: Set<Unicode.Scalar> = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"]

    static func place(_ node: Node) -> String { node.mark.map { "line \($0.line)" } ?? "file" }

    static func kind(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): quoted(scalar.string)
        case .sequence(let sequence): "a list of \(sequence.count)"
        case .mapping(let mapping): "a mapping of \(mapping.count)"
        case .alias: "an alias"
        }
    }
}

/// Takes a file's entries one by one and keeps what is wrong with them.
private struct Reader {
    let space: SearchSpace
    let form: MMRazorForm?
    private var letters: [UInt8?]
    private var lines: [Int?]
    private var faults: [ExchangeError.Fault] = []

    init(space: SearchSpace, form: MMRazorForm?) {
        self.space = space
        self.form = form
        letters = Array(repeating: nil, count: space.length)
        lines = Array(repeating: nil, count: space.length)
    }

    mutating func take(_ key: Node, _ value: Node) {
        guard let name = key.scalar?.string, let position = position(of: name) else {
            faults.append(
                .init(
                    MMRazorArchitecture.place(key),
                    found: MMRazorArchitecture.kind(key),
                    allowed: keys,
                )
            )
            return
        }
        let place = "\(MMRazorArchitecture.place(key)), \(quoted(name))"
        guard lines[position] == nil else {
            faults.append(
                .init(
                    place,
                    found: "block \(position) again, after line \(lines[position] ?? 0)",
                    allowed: "each block once",
                )
            )
            return
        }
        lines[position] = key.mark?.line ?? 0
        letters[position] = letter(value, place)
    }

    /// The word, if all its letters are there.
    func genome(file: String) throws(ExchangeError) -> Genome {
        var faults = faults
        for (position, line) in zip(space.positions, lines) where line == nil {
            faults.append(
                .init(
                    "block \(position.index) of stage \(position.stage)",
                    found: "no entry",
                    allowed: "`stage_\(position.stage)_block_\(position.index)` or "
                        + "`backbone.layers.\(position.stage).\(position.index)`",
                )
            )
        }
        guard faults.isEmpty else { throw ExchangeError(file: file, faults) }
        return Genome(letters.compactMap(\.self))
    }

    // MARK: Keys

    private var keys: String {
        let last = "0 to \(space.stages.count - 1)"
        let blocks = space.stages.map { "0 to \($0.blocks - 1)" }.joined(separator: "; ")
        let shapes: [MMRazorForm: String] = [
            .v0: "stage_S_block_B",
            .v1: "layers.S.B, also after `backbone.` or `architecture.backbone.`",
        ]
        let allowed = form.map { [$0] } ?? MMRazorForm.allCases
        return allowed.compactMap { shapes[$0] }.joined(separator: " or ")
            + "; stages \(last), their blocks \(blocks)"
    }

    /// The position that a key names.
    private func position(of key: String) -> Int? {
        let numbers: [Int]
        if let match = key.wholeMatch(of: /stage_(0|[1-9]\d{0,2})_block_(0|[1-9]\d{0,2})/),
            form != .v1
        {
            numbers = [match.1, match.2].compactMap { Int($0) }
        } else if let match = key.wholeMatch(
            of: /(?:(?:architecture\.)?backbone\.)?layers\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})/
        ), form != .v0 {
            numbers = [match.1, match.2].compactMap { Int($0) }
        } else {
            return nil
        }
        return space.positions.firstIndex { [$0.stage, $0.index] == numbers }
    }

    // MARK: Values

    private mutating func letter(_ value: Node, _ place: String) -> UInt8? {
        func refuse(_ place: String, _ found: String, _ allowed: String) -> UInt8? {
            faults.append(.init(place, found: found, allowed: allowed))
            return nil
        }
        guard case .mapping(let mapping) = value, mapping.count == 1, let entry = mapping.first,
            entry.key.scalar?.string == "chosen"
        else {
            var found = MMRazorArchitecture.kind(value)
            if case .mapping(let mapping) = value {
                found =
                    "the keys "
                    + mapping.keys.map(MMRazorArchitecture.kind)
                    .joined(separator: ", ")
            }
            return refuse(place, found, "a mapping with the one key `chosen`")
        }
        let chosen = "\(place), chosen"
        var scalar = entry.value
        if case .sequence(let list) = scalar {
            guard list.count == 1, let only = list.first else {
                return refuse(chosen, "a list of \(list.count)", "one name, or a list of one")
            }
            scalar = only
        }
        guard case .scalar(let name) = scalar,
            let operation = Self.operations[String(name.string.trimmingSpaces)],
            let letter = space.operations.firstIndex(of: operation)
        else {
            return refuse(
                chosen,
                MMRazorArchitecture.kind(scalar),
                space.operations.map(\.rawValue).joined(separator: ", "),
            )
        }
        return UInt8(letter)
    }

    /// MMRazor's names, and those of its older tests.
    private static let operations: [String: SearchSpaces.Operation] = [
        "shuffle_3x3": .shuffle3x3, "ShuffleBlock_3x3": .shuffle3x3,
        "shuffle_5x5": .shuffle5x5, "ShuffleBlock_5x5": .shuffle5x5,
        "shuffle_7x7": .shuffle7x7, "ShuffleBlock_7x7": .shuffle7x7,
        "shuffle_xception": .xception, "ShuffleXception": .xception,
    ]
}

extension String {
    /// Without blanks at both ends.
    fileprivate var trimmingSpaces: Substring {
        let tail = drop { $0 == " " || $0 == "\t" }
        let end = tail.lastIndex { $0 != " " && $0 != "\t" }
        return end.map { tail[...$0] } ?? tail[tail.startIndex..<tail.startIndex]
    }
}
