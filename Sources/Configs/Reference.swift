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
