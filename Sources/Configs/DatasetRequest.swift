// The body of `POST /v1/datasets`.

/// A data set that is to be registered and checked.
package struct DatasetRequest: Hashable, Sendable {
    /// For people.
    package var name = ""
    /// The folder below a root, by which jobs name it; nil: `name`.
    package var folder: String?
    /// A tar archive that is to become this folder.
    package var upload: String?
    /// Whether the check decodes every picture.
    package var decode = true

    /// What jobs call it.
    package var dataset: String { folder ?? name }

    package static func resolve(_ json: JSONValue) -> Result<Self, Violations> {
        var faults: [Violation] = []
        let request = Form<DatasetRequest>.object.read(json, "", &faults)
        guard let request, faults.isEmpty else { return .failure(Violations(faults)) }
        return .success(request)
    }

    /// Why no folder of this name can be made; nil where one can be.
    private static func fault(in folder: String) -> String? {
        func isWord(_ character: Character) -> Bool {
            character.isASCII && (character.isLetter || character.isNumber)
        }
        let isPlain =
            folder.first.map(isWord) ?? false
            && folder.allSatisfy { isWord($0) || "._-".contains($0) }
        return isPlain ? nil : "\(quoted(folder)) cannot be the name of a folder"
    }
}

extension DatasetRequest: Fielded {
    static var blank: Self { Self() }

    static var fields: [Field<Self>] {
        [
            Field("name", \.name, .text(1...200), required: true),
            Field("folder", \.folder, .optional(.text(1...200))),
            Field("upload", \.upload, .optional(.text(1...200))),
            Field("decode", \.decode, .flag),
        ]
    }

    static var rules: [Rule<Self>] {
        let allowed =
            "for an upload a letter or digit, then letters, digits, `.`, `_` and `-` (ASCII)"
        return [
            Rule("folder", "upload", code: .notAllowed, allowed: allowed) {
                $0.upload == nil ? nil : $0.folder.flatMap(fault)
            },
            Rule("name", "folder", "upload", code: .notAllowed, allowed: allowed) {
                $0.upload == nil || $0.folder != nil ? nil : fault(in: $0.name)
            },
        ]
    }
}
