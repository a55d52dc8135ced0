// Which tensors of a checkpoint are the model's, and what they are called.

/// The named tensors of what a pickle left behind.
struct StateDictionary {
    static let maximumDepth = 32
    static let maximumEntries = 1 << 18

    /// In the order of the file; `tensor` is an index of the tables.
    private(set) var tensors: [(name: String, tensor: Int)] = []
    private let tables: PickleTables
    private let file: String
    private var names: Set<String> = []
    private var visited = 0

    /// Looks under `state_dict`, `model_state_dict` or `model` where there is such a dict, else takes
    /// the whole: dicts within dicts give names joined with dots, what is no tensor is passed over.
    ///
    /// - Throws: `CheckpointError.malformed` where the root is no dict, no tensor is found, a name comes
    ///   up twice, or dicts nest deeper than 32.
    init(_ root: PickleValue, tables: PickleTables, file: String) throws(CheckpointError) {
        self.tables = tables
        self.file = file
        guard case .dictionary(let index) = root else {
            throw error("checkpoint", found: root.kind, allowed: "a dict of tensors")
        }
        try walk(model(in: index), path: "", depth: 1)
        guard !tensors.isEmpty else {
            throw error("checkpoint", found: "no tensors", allowed: "a dict of tensors")
        }
    }

    private func model(in root: Int) -> Int {
        for key in ["state_dict", "model_state_dict", "model"] {
            for pair in tables.dictionaries[root] {
                if pair.key == .text(key), case .dictionary(let index) = pair.value { return index }
            }
        }
        return root
    }

    private mutating func walk(
        _ dictionary: Int,
        path: String,
        depth: Int,
    ) throws(CheckpointError) {
        guard depth <= Self.maximumDepth else {
            throw error(
                "checkpoint, \(CheckpointError.quoted(path))",
                found: "dicts nested deeper than that",
                allowed: "\(Self.maximumDepth) deep",
            )
        }
        for (key, value) in tables.dictionaries[dictionary] {
            visited += 1
            guard visited <= Self.maximumEntries else {
                throw error(
                    "checkpoint",
                    found: "more entries than that, shared dicts counted each time",
                    allowed: "\(Self.maximumEntries)",
                )
            }
            switch value {
            case .tensor(let tensor):
                let name = try self.name(key, under: path)
                guard names.insert(name).inserted else {
                    throw error(
                        "tensor \(CheckpointError.quoted(name))",
                        found: "the name twice",
                        allowed: "once",
                    )
                }
                tensors.append((name, tensor))
            case .dictionary(let index):
                try walk(index, path: name(key, under: path), depth: depth + 1)
            default: continue
            }
        }
    }

    private func name(_ key: PickleValue, under path: String) throws(CheckpointError) -> String {
        let word: String
        switch key {
        case .text(let text) where text.utf8.count <= 1024: word = text
        case .integer(let number): word = String(number)
        default:
            throw error(
                "checkpoint, \(CheckpointError.quoted(path))",
                found: "\(key.kind) as a name",
                allowed: "text of at most 1024 bytes, or a whole number",
            )
        }
        return path.isEmpty ? word : "\(path).\(word)"
    }

    private func error(_ place: String, found: String, allowed: String) -> CheckpointError {
        .malformed(file: file, place: place, found: found, allowed: allowed)
    }
}
