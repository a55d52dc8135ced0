// One architecture in a file, in any of the forms that are exchanged.

package import Foundation
package import SearchSpaces

/// How a file holds an architecture.
package enum ArchitectureForm: String, CaseIterable, Sendable {
    case json = "detnas-json"  // `Architecture.json()`: the space is in it
    case genome  // 2,1,2,0,... or any other text that `Genome(parsing:in:)` reads
    case v0 = "mmrazor-v0"
    case v1 = "mmrazor-v1"

    fileprivate var mmrazor: MMRazorForm? { MMRazorForm(rawValue: rawValue) }
}

package enum ArchitectureFile {
    /// Far more than any architecture needs.
    static let maximumBytes = 1 << 20

    /// Reads the architecture in `url`.
    ///
    /// - Parameters:
    ///   - form: nil: told from the content: `{` begins JSON, a file with a colon is MMRazor's, else it is a genome.
    ///   - space: what the file is read in; may be nil for JSON, which must else agree with it.
    /// - Throws: `ExchangeError`, with every fault of the file.
    package static func read(
        _ url: URL,
        as form: ArchitectureForm? = nil,
        in space: SearchSpace?,
    ) throws -> Architecture {
        let file = url.lastPathComponent
        let data: Data
        do {
            let handle = try FileHandle(forReadingFrom: url)
            data = try handle.read(upToCount: maximumBytes + 1) ?? Data()
        } catch {
            throw ExchangeError(
                file: file,
                "file",
                found: "none that can be read (\(error.localizedDescription))",
                allowed: "an architecture",
            )
        }
        guard data.count <= maximumBytes, let text = String(validating: data, as: UTF8.self) else {
            throw ExchangeError(
                file: file,
                "file",
                found: data.count > maximumBytes
                    ? "more bytes than that" : "bytes that are no UTF-8",
                allowed: "at most \(maximumBytes) bytes of UTF-8",
            )
        }
        let form = form ?? guess(text)
        if form == .json { return try readJSON(data, in: space, file: file) }
        guard let space else {
            throw ExchangeError(
                file: file,
                "space",
                found: "none",
                allowed: "the space that this \(form?.rawValue ?? "YAML file") is a word of",
            )
        }
        let genome: Genome
        if form == .genome {
            do throws(GenomeError) {
                genome = try Genome(parsing: text, in: space)
            } catch {
                throw ExchangeError(
                    file: file,
                    "genome",
                    found: quoted(text),
                    allowed: "a word of \(space.name): \(error)",
                )
            }
        } else {
            genome = try MMRazorArchitecture.read(text, in: space, as: form?.mmrazor, file: file)
        }
        return try Architecture(space: space, genome: genome)
    }

    /// The file's content in `form`, ending with a line feed.
    package static func text(_ architecture: Architecture, as form: ArchitectureForm) throws
        -> String
    {
        if let form = form.mmrazor {
            return try MMRazorArchitecture.write(
                architecture.genome,
                in: architecture.space,
                as: form,
            )
        }
        guard form == .json else { return "\(architecture.genome)\n" }
        return String(decoding: try architecture.json(), as: UTF8.self) + "\n"
    }

    /// Nil: one of MMRazor's.
    private static func guess(_ text: String) -> ArchitectureForm? {
        if text.first(where: { !$0.isWhitespace }) == "{" { return .json }
        return text.contains(":") ? nil : .genome
    }

    private static func readJSON(_ data: Data, in space: SearchSpace?, file: String) throws
        -> Architecture
    {
        let architecture: Architecture
        do {
            architecture = try JSONDecoder().decode(Architecture.self, from: data)
        } catch let error as DecodingError {
            throw ExchangeError(
                file: file,
                "JSON",
                found: "\(error.told)",
                allowed: "what `detnas architecture convert --to detnas-json` writes",
            )
        }
        if let space, !architecture.space.builds(as: space) {
            throw ExchangeError(
                file: file,
                "space",
                found: architecture.space.name,
                allowed: "\(space.name), as asked for",
            )
        }
        return architecture
    }
}

extension SearchSpace {
    /// Whether the same networks are built in both, whatever they are called.
    func builds(as other: SearchSpace) -> Bool {
        let none = Genome([])
        return Architecture.identity(self, none) == Architecture.identity(other, none)
    }
}

extension DecodingError {
    /// What is wrong, and where.
    fileprivate var told: String {
        switch self {
        case .dataCorrupted(let context), .keyNotFound(_, let context),
            .typeMismatch(_, let context), .valueNotFound(_, let context):
            let path = context.codingPath.map(\.stringValue).joined(separator: "/")
            return context.debugDescription + (path.isEmpty ? "" : " at /\(path)")
        @unknown default: return "\(self)"
        }
    }
}
