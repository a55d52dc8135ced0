// Which search space a spec means, and which architecture of it.

package import SearchSpaces

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

extension Form<SpaceChoice> {
    /// A name, or an object with the fields of a `SearchSpace`.
    static var space: Form {
        let inline = Form<WrittenSpace>.object
        let names = JSONValue.names(SearchSpace.named.keys.sorted())
        return Form(schema: ["anyOf": [names, inline.schema]]) { json, place, faults in
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
            guard let space = inline.read(json, place, &faults)?.space else { return nil }
            let problems = space.validate()
            faults += problems.map {
                Violation(place + $0.place, .outOfRange, $0.detail, allowed: $0.allowed)
            }
            return problems.isEmpty ? .inline(space) : nil
        } write: {
            switch $0 {
            case .named(let name): .string(name)
            case .inline(let space): inline.write(WrittenSpace(space))
            }
        }
    }
}

extension Form<ArchitectureChoice> {
    /// A reference, or `{"genome": "2,1,...", "space": ...}`.
    static var architecture: Form {
        let reference = Form<Reference>.reference(to: .architecture)
        let written = Form<WrittenArchitecture>.object
        return Form(schema: ["anyOf": [reference.schema, written.schema]]) { json, place, faults in
            guard json.object != nil, json["$from"] == nil else {
                return reference.read(json, place, &faults).map { .reference($0) }
            }
            guard let architecture = written.read(json, place, &faults),
                let space = architecture.space.space
            else { return nil }
            do throws(GenomeError) {
                let genome = try Genome(parsing: architecture.genome, in: space)
                return .genome(genome.description, space: architecture.space)
            } catch {
                faults.append(Violation(pointer(place, "genome"), .notAllowed, "\(error)"))
                return nil
            }
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
}

/// The fields of a `SearchSpace`; its `validate()` says which values make sense together.
private struct WrittenSpace: Fielded {
    struct Stage: Fielded {
        var width = 0
        var blocks = 0

        static var blank: Self { Self() }

        static var fields: [Field<Self>] {
            [
                Field("width", \.width, number, required: true),
                Field("blocks", \.blocks, number, required: true),
            ]
        }
    }

    var name: String
    var stem: Int
    var stages: [Stage]
    var lastConv: Int
    var operations: [SearchSpaces.Operation]
    var block: BlockVariant
    var stemBias: Bool

    init(_ space: SearchSpace) {
        name = space.name
        stem = space.stem
        stages = space.stages.map { Stage(width: $0.width, blocks: $0.blocks) }
        lastConv = space.lastConv
        operations = space.operations
        block = space.block
        stemBias = space.stemBias
    }

    var space: SearchSpace {
        SearchSpace(
            name: name,
            stem: stem,
            stages: stages.map { SearchSpace.Stage(width: $0.width, blocks: $0.blocks) },
            lastConv: lastConv,
            operations: operations,
            block: block,
            stemBias: stemBias,
        )
    }

    static var blank: Self { Self(SearchSpace(name: "", stem: 0, stages: [])) }

    static var fields: [Field<Self>] {
        [
            Field("name", \.name, .text(1...200), required: true),
            Field("stem", \.stem, number, required: true),
            Field("stages", \.stages, .list(.object, count: 1...64), required: true),
            Field("lastConv", \.lastConv, number),
            Field("operations", \.operations, .list(.choice, count: 1...64)),
            Field("block", \.block, .choice),
            Field("stemBias", \.stemBias, .flag),
        ]
    }

    private static var number: Form<Int> { .int(0...1_000_000) }
}

extension ArchitectureChoice {
    /// The architecture that `json` writes out: `{"genome": "2,1,...", "space": ...}`.
    package static func resolve(_ json: JSONValue) -> Result<(SearchSpace, Genome), Violations> {
        var faults: [Violation] = []
        let choice = Form<ArchitectureChoice>.architecture.read(json, "", &faults)
        guard faults.isEmpty, case .genome(let text, let choice) = choice,
            let space = choice.space, let genome = try? Genome(parsing: text, in: space)
        else {
            if faults.isEmpty {
                faults = [
                    Violation("", .wrongType, "found \(json.typeName)", allowed: "an object")
                ]
            }
            return .failure(Violations(faults))
        }
        return .success((space, genome))
    }
}
