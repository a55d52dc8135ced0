// How a spec names what another job made, and which search space it means.

package import SearchSpaces

/// A checkpoint or an architecture, made before or by an earlier step of the same pipeline.
package enum Reference: Hashable, Sendable {
    case id(String)  // "ckpt_..." or "arch_..."
    case from(step: String, output: String)  // {"$from": "pretrain.outputs.checkpoint"}
}

/// A search space: one of `SearchSpace.named`, or written out.
package enum SpaceChoice: Hashable, Sendable {
    case named(String)
    case inline(SearchSpace)

    /// The space itself; nil for a name that there is not, which no resolved spec holds.
    package var space: SearchSpace? {
        switch self {
        case .named(let name): SearchSpace.named[name]
        case .inline(let space): space
        }
    }
}

/// One architecture of a search space: written out, or the result of a search.
package enum ArchitectureChoice: Hashable, Sendable {
    /// `genome` is the canonical string, such as `"2,1,2,0,..."`.
    case genome(String, space: SpaceChoice)
    case reference(Reference)
}

extension Form<Reference> {
    /// An id, or `{"$from": "STEP.outputs.OUTPUT"}`.
    static func reference(to output: JobOutput) -> Form {
        let prefix = output == .checkpoint ? "ckpt_" : "arch_"
        let allowed =
            "\"\(prefix)...\", or {\"$from\": \"STEP.outputs.\(output.rawValue)\"} in a pipeline"
        return Form { json, place, faults in
            if let id = json.string {
                if id.hasPrefix(prefix), id.utf8.count > prefix.utf8.count, isName(id) {
                    return .id(id)
                }
                let detail = "\(quoted(id)) is no id of this kind"
                faults.append(Violation(place, .notAllowed, detail, allowed: allowed))
                return nil
            }
            guard let members = json.object else {
                faults.append(wrongType(json, place, expected: allowed))
                return nil
            }
            let unknown = members.keys.filter { $0 != "$from" }.sorted().prefix(32)
            for key in unknown {
                faults.append(
                    Violation(
                        pointer(place, key),
                        .unknownField,
                        "no such field",
                        allowed: "\"$from\"",
                    )
                )
            }
            let from = pointer(place, "$from")
            guard let member = members["$from"] else {
                faults.append(
                    Violation(from, .missing, "this field is required", allowed: allowed)
                )
                return nil
            }
            guard let text = member.string else {
                faults.append(wrongType(member, from, expected: "a string"))
                return nil
            }
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 3, isName(parts[0]), parts[1] == "outputs",
                parts[2] == output.rawValue
            else {
                let detail = "\(quoted(text)) names no output that fits here"
                faults.append(Violation(from, .notAllowed, detail, allowed: allowed))
                return nil
            }
            return unknown.isEmpty
                ? .from(step: String(parts[0]), output: String(parts[2])) : nil
        } write: {
            switch $0 {
            case .id(let id): .string(id)
            case .from(let step, let output): ["$from": .string("\(step).outputs.\(output)")]
            }
        }
    }
}

/// Whether `text` can name a step or be an id: 1 to 128 of ASCII letters, digits, `_` and `-`.
func isName(_ text: some StringProtocol) -> Bool {
    (1...128).contains(text.utf8.count)
        && text.unicodeScalars.allSatisfy {
            $0.isASCII && ($0.properties.isAlphabetic || "0"..."9" ~= $0 || $0 == "_" || $0 == "-")
        }
}

extension Form<SpaceChoice> {
    /// A name, or an object with the fields of a `SearchSpace`.
    static var space: Form {
        let inline = Form<SearchSpace>.object
        return Form { json, place, faults in
            if let name = json.string {
                if SearchSpace.named[name] != nil { return .named(name) }
                faults.append(noSuchName(name, place, among: SearchSpace.named.keys.sorted()))
                return nil
            }
            guard json.object != nil else {
                faults.append(
                    wrongType(json, place, expected: "the name of a space, or an object")
                )
                return nil
            }
            guard let space = inline.read(json, place, &faults) else { return nil }
            let problems = space.validate()
            faults += problems.map { Violation(place, .conflict, "\($0)") }
            return problems.isEmpty ? .inline(space) : nil
        } write: {
            switch $0 {
            case .named(let name): .string(name)
            case .inline(let space): inline.write(space)
            }
        }
    }
}

extension Form<ArchitectureChoice> {
    /// A reference, or `{"genome": "2,1,...", "space": ...}`.
    static var architecture: Form {
        let reference = Form<Reference>.reference(to: .architecture)
        let written = Form<WrittenArchitecture>.object
        return Form { json, place, faults in
            guard json.object != nil, json["$from"] == nil else {
                return reference.read(json, place, &faults).map { .reference($0) }
            }
            guard let architecture = written.read(json, place, &faults) else { return nil }
            return .genome(architecture.genome, space: architecture.space)
        } write: {
            switch $0 {
            case .reference(let choice): reference.write(choice)
            case .genome(let genome, let space):
                written.write(WrittenArchitecture(genome: genome, space: space))
            }
        }
    }
}

private struct WrittenArchitecture: Fielded {
    var genome: String
    var space: SpaceChoice

    static var blank: Self { Self(genome: "", space: .named("")) }

    static var fields: [Field<Self>] {
        [
            Field("genome", \.genome, .text(1...4096), required: true),
            Field("space", \.space, .space, required: true),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("genome", "space", code: .notAllowed) { architecture in
                guard let space = architecture.space.space else { return nil }
                do {
                    _ = try Genome(parsing: architecture.genome, in: space)
                    return nil
                } catch {
                    return "\(error)"
                }
            }
        ]
    }
}

extension SearchSpace: Fielded {
    static var blank: Self { Self(name: "", stem: 0, stages: [], lastConv: 0) }

    static var fields: [Field<Self>] {
        [
            Field("name", \.name, .text(1...200), required: true),
            Field("stem", \.stem, .int(1...8192), required: true),
            Field("stages", \.stages, .list(.object, count: 1...8), required: true),
            Field("lastConv", \.lastConv, .int(1...65_536), required: true),
            Field("operations", \.operations, .list(.choice, count: 1...16)),
            Field("block", \.block, .choice),
            Field("stemBias", \.stemBias, .flag),
        ]
    }
}

extension SearchSpace.Stage: Fielded {
    static var blank: Self { Self(width: 0, blocks: 0) }

    static var fields: [Field<Self>] {
        [
            Field("width", \.width, .int(1...65_536), required: true),
            Field("blocks", \.blocks, .int(1...1000), required: true),
        ]
    }
}
