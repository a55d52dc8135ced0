// How a spec names what another job made.

/// A checkpoint or an architecture, made before or by an earlier step of the same pipeline.
package enum Reference: Hashable, Sendable {
    case id(String)  // "ckpt_..." or "arch_..."
    /// `{"$from": "pretrain.outputs.checkpoint"}`; of architectures the best, or the one of this rank.
    case from(step: String, output: String, rank: Int = 1)
}

extension Form<Reference> {
    /// The best architectures that a later step may name.
    private static var ranks: ClosedRange<Int> { 1...100 }

    /// An id, or `{"$from": "STEP.outputs.OUTPUT"}`, of architectures also with `rank`.
    static func reference(to output: JobOutput) -> Form {
        let prefix = output == .checkpoint ? "ckpt_" : "arch_"
        let allowed =
            "\"\(prefix)...\", or {\"$from\": \"STEP.outputs.\(output.rawValue)\"} in a pipeline"
        let rank: [String: JSONValue] =
            output == .architecture ? ["rank": Form<Int>.int(ranks).schema] : [:]
        let members: [String: JSONValue] = ["$from": ["type": "string"]]
        let schema: JSONValue = [
            "anyOf": [
                ["type": "string", "pattern": .string("^\(prefix)[A-Za-z0-9_-]+$")],
                [
                    "type": "object", "properties": .object(members.merging(rank) { $1 }),
                    "required": ["$from"], "additionalProperties": false,
                ],
            ]
        ]
        return Form(schema: schema) { json, place, faults in
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
            let known = ["$from"] + rank.keys
            let unknown = members.keys.filter { !known.contains($0) }.sorted().prefix(32)
            for key in unknown {
                faults.append(
                    Violation(
                        pointer(place, key),
                        .unknownField,
                        "no such field",
                        allowed: known.map(quoted).joined(separator: ", "),
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
            let place = pointer(place, "rank")
            let rank = members["rank"].map { Form<Int>.int(ranks).read($0, place, &faults) } ?? 1
            guard unknown.isEmpty, let rank else { return nil }
            return .from(step: String(parts[0]), output: String(parts[2]), rank: rank)
        } write: {
            switch $0 {
            case .id(let id): .string(id)
            case .from(let step, let output, let rank):
                JSONValue.object(["$from": .string("\(step).outputs.\(output)")])
                    .merged(with: rank == 1 ? [:] : ["rank": .int(Int64(rank))])
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
