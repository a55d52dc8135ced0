// State dicts that PyTorch saved, read without running any of their pickled code.
//
// Two containers: a zip archive (torch 1.6 and later) with the pickle in `NAME/data.pkl` and each
// storage in `NAME/data/KEY`; before that, five pickles in a row, then the storages one by one.
// Source: torch/serialization.py.

package import Foundation

/// Reads `.pth` and `.pt` files.
package enum PyTorchArchive {
    /// The tensors of the state dict in `url`, in the order of the file.
    ///
    /// A dict under `state_dict`, `model_state_dict` or `model` is taken for the model's; otherwise all
    /// tensors are read, and dicts within dicts give names joined with dots. Views become contiguous
    /// copies; the device that a tensor was saved from makes no difference. Memory: the file's pages and
    /// the tensors, which together may take four times the file and 16 MiB.
    ///
    /// - Throws: `CheckpointError.refused` for a pickle that names anything but the parts of a state
    ///   dict; `.malformed` for compressed archives, whole modules, TorchScript, big-endian files, views
    ///   beyond their storage, and every kind of damage that shows; `.unreadable`.
    package static func read(_ url: URL) throws(CheckpointError) -> [TensorEntry] {
        let mapped = try MappedFile(url)
        return try withExtendedLifetime(mapped) { () throws(CheckpointError) in
            try read(mapped.bytes, file: url.path(percentEncoded: false))
        }
    }

    /// The same for a file's bytes.
    static func read(_ bytes: UnsafeRawBufferPointer, file: String) throws(CheckpointError)
        -> [TensorEntry]
    {
        let contents: ArchiveContents
        if bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
            contents = try ArchiveContents(zip: bytes, file: file)
        } else if bytes.first == 0x80 {
            contents = try ArchiveContents(legacy: bytes, file: file)
        } else {
            let start = bytes.prefix(4).map { String($0, radix: 16) }.joined(separator: " ")
            throw .malformed(
                file: file,
                place: "first bytes",
                found: bytes.isEmpty ? "an empty file" : start,
                allowed: "a zip archive (50 4b 3 4) or a pickle (80), as `torch.save` writes them",
            )
        }
        let dictionary = try StateDictionary(contents.root, tables: contents.tables, file: file)
        var budget = 4 * bytes.count + 16 << 20
        var entries: [TensorEntry] = []
        for (name, index) in dictionary.tensors {
            let view = contents.tables.tensors[index]
            let storage = contents.tables.storages[view.storage]
            let place = "tensor \(CheckpointError.quoted(name))"
            let part = try contents.bytes(of: storage, place: place, file: file)
            guard let size = storage.type.byteCount(of: view.shape), size <= budget else {
                throw .malformed(
                    file: file,
                    place: place,
                    found: "shape \(view.shape)",
                    allowed:
                        "tensors of \(4 * bytes.count + 16 << 20) bytes in all, four times the "
                        + "file and 16 MiB",
                )
            }
            budget -= size
            guard view.fits(storage.part.count) else {
                throw .malformed(
                    file: file,
                    place: place,
                    found: "shape \(view.shape), strides \(view.strides), offset \(view.offset)",
                    allowed: "views within its storage of \(storage.part.count) elements",
                )
            }
            let data = view.contiguous(
                UnsafeRawBufferPointer(rebasing: bytes[part]),
                elementSize: storage.type.size,
            )
            entries.append(
                TensorEntry(name: name, type: storage.type, shape: view.shape, data: data)
            )
        }
        return entries
    }
}

/// A container taken apart: what its pickle says, and where its storages lie.
private struct ArchiveContents {
    let root: PickleValue
    let tables: PickleTables
    private let storages: [String: Range<Int>]

    /// The bytes of `storage`.
    func bytes(
        of storage: PickledStorage,
        place: String,
        file: String,
    ) throws(CheckpointError) -> Range<Int> {
        guard let range = storages[storage.key] else {
            throw .malformed(
                file: file,
                place: place,
                found: "no storage \(CheckpointError.quoted(storage.key))",
                allowed: "one of the \(storages.count) in the file",
            )
        }
        guard let size = storage.type.byteCount(of: [storage.count]), size <= range.count else {
            throw .malformed(
                file: file,
                place: place,
                found: "a storage of \(storage.count) elements of \(storage.type.rawValue)",
                allowed: "at most the \(range.count) bytes that it has in the file",
            )
        }
        let start = range.lowerBound + storage.part.lowerBound * storage.type.size
        return start..<start + storage.part.count * storage.type.size
    }

    // MARK: torch 1.6 and later

    init(zip bytes: UnsafeRawBufferPointer, file: String) throws(CheckpointError) {
        let entries = try ZipDirectory(bytes, file: file).entries
        let pickles = entries.keys.filter {
            let parts = $0.split(separator: "/", omittingEmptySubsequences: false)
            return parts.count == 2 && parts[1] == "data.pkl"
        }
        guard pickles.count == 1, let pickle = pickles.first, let program = entries[pickle] else {
            throw .malformed(
                file: file,
                place: "zip archive",
                found: "\(pickles.count) entries NAME/data.pkl",
                allowed: "one, as `torch.save` writes it",
            )
        }
        let folder = pickle.dropLast("data.pkl".count)
        guard entries["\(folder)constants.pkl"] == nil else {
            throw .malformed(
                file: file,
                place: "zip archive",
                found: "a TorchScript program",
                allowed: "a state dict: `torch.save(model.state_dict(), ...)`",
            )
        }
        if let order = entries["\(folder)byteorder"] {
            let word = String(decoding: bytes[order].prefix(16), as: UTF8.self)
            guard word == "little" else {
                throw .malformed(
                    file: file,
                    place: "byteorder",
                    found: CheckpointError.quoted(word),
                    allowed: "little",
                )
            }
        }
        var reader = PickleReader(
            at: ByteCursor(
                UnsafeRawBufferPointer(rebasing: bytes[program]),
                file: "\(file), \(pickle)",
            )
        )
        root = try reader.run()
        tables = reader.tables
        var storages: [String: Range<Int>] = [:]
        for (name, range) in entries where name.hasPrefix("\(folder)data/") {
            storages[String(name.dropFirst(folder.count + "data/".count))] = range
        }
        self.storages = storages
    }

    // MARK: Before torch 1.6

    init(legacy bytes: UnsafeRawBufferPointer, file: String) throws(CheckpointError) {
        var cursor = ByteCursor(bytes, file: file)
        func malformed(_ place: String, _ found: String, _ allowed: String) -> CheckpointError {
            .malformed(file: file, place: place, found: found, allowed: allowed)
        }
        func run() throws(CheckpointError) -> (PickleValue, PickleTables) {
            var reader = PickleReader(at: cursor)
            let value = try reader.run()
            cursor = ByteCursor(bytes, file: file, offset: reader.end)
            return (value, reader.tables)
        }
        let magic = try run().0
        guard magic == .long([0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]) else {
            throw malformed("magic number", magic.kind, "PyTorch's: is this a plain pickle?")
        }
        let version = try run().0
        guard version == .integer(1001) else {
            throw malformed("protocol version", version.kind, "1001")
        }
        let (system, facts) = try run()
        if case .dictionary(let index) = system {
            for pair in facts.dictionaries[index]
            where pair.key == .text("little_endian") && pair.value != .bool(true) {
                throw malformed("little_endian", pair.value.kind, "True")
            }
        }
        (root, tables) = try run()
        let (order, lists) = try run()
        guard case .list(let index) = order else {
            throw malformed("storage keys", order.kind, "a list")
        }
        var storages: [String: Range<Int>] = [:]
        for key in lists.sequences[index] {
            guard case .text(let key) = key, let known = tables.storageIndex[key] else {
                throw malformed("storage keys", key.kind, "keys that the checkpoint names")
            }
            let place = "storage \(CheckpointError.quoted(key))"
            let storage = tables.storages[known]
            let count = try cursor.integer(Int64.self, place)
            guard count == storage.count, let size = storage.type.byteCount(of: [storage.count])
            else { throw malformed(place, "\(count) elements", "\(storage.count), as declared") }
            let start = cursor.offset
            _ = try cursor.take(size, place)
            guard storages.updateValue(start..<start + size, forKey: key) == nil else {
                throw malformed("storage keys", "\(CheckpointError.quoted(key)) twice", "once")
            }
        }
        self.storages = storages
    }
}
