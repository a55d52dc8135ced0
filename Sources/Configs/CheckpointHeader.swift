// The header of a checkpoint file, for who takes one in without reading a tensor: 8 bytes of length, then JSON.
//
// A reader of its own beside the one that loads weights: this one knows JSON alone, and is stricter, as it asks for what
// the checkpoints of this program have.

package import SearchSpaces

/// What a checkpoint file says of itself, checked against its size.
package struct CheckpointHeader: Hashable, Sendable {
    package let kind: CheckpointKind
    package let step: Int
    package let isFinal: Bool
    package let shuffle: Int
    package let space: SearchSpace
    /// How many tensors there are.
    package let tensors: Int

    /// The longest that is read; those of the largest networks have a tenth of it.
    package static let maximumLength = 8 << 20

    /// Why a file is no checkpoint: the place, what is there, what is allowed.
    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String

        init(_ description: String) { self.description = description }
    }

    /// How many bytes the JSON has that follows the first 8 of a file.
    ///
    /// - Throws: `Fault`, which names the command that converts it for a file of PyTorch's.
    package static func length(
        _ first: some Collection<UInt8>,
        ofFile bytes: Int,
    ) throws(Fault) -> Int {
        let start = Array(first.prefix(8))
        // A zip archive, or the opcode and version that every pickle begins with.
        let isZip = start.starts(with: [0x50, 0x4b, 0x03, 0x04])
        let isPickle = start.first == 0x80 && start.count > 1 && (2...5).contains(start[1])
        guard !isZip, !isPickle || start.dropFirst(4).allSatisfy({ $0 == 0 }) else {
            throw Fault(
                "this is a file of PyTorch's (.pth); allowed: a checkpoint of this program's, such as"
                    + " `detnas checkpoint import FILE.pth OUT.safetensors` makes of it"
            )
        }
        guard start.count == 8 else {
            throw Fault("the file has \(bytes) bytes; allowed: 8 bytes of length and a header")
        }
        let length = start.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let most = min(maximumLength, max(0, bytes - 8))
        guard length >= 2, length <= UInt64(most) else {
            throw Fault("the header length is \(length); allowed: 2 to \(most) in this file")
        }
        return Int(length)
    }

    /// Reads and checks the JSON of a header that `data` bytes of tensors follow.
    package init(parsing json: some Sequence<UInt8>, data: Int) throws(Fault) {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue(parsing: json)
        } catch {
            throw Fault("the header is no JSON: \(error)")
        }
        guard var members = document.object else {
            throw Fault("the header is \(document.typeName); allowed: an object")
        }
        let metadata = members.removeValue(forKey: "__metadata__") ?? [:]
        tensors = members.count
        try Self.check(members, data: data)
        let fields = Metadata(json: metadata)
        let format = try fields.text("format")
        guard format == "detnas-1" else {
            throw Fault("the metadata's format is \(quoted(format)); allowed: \"detnas-1\"")
        }
        let kindName = try fields.text("kind")
        guard let kind = CheckpointKind(rawValue: kindName) else {
            let allowed = named(CheckpointKind.allCases.map(\.rawValue))
            throw Fault("the metadata's kind is \(quoted(kindName)); allowed: \(allowed)")
        }
        self.kind = kind
        step = try fields.number("step", in: 0...Int.max)
        shuffle = try fields.number("shuffle", in: 1...2)
        isFinal = try fields.text("final") == "true"
        space = try fields.space()
        for name in ["config", "pixels"] { _ = try fields.object(name) }
        _ = try fields.text("dataDigest")
        guard let classes = try fields.json("classes").array, !classes.isEmpty,
            classes.allSatisfy({ $0.string != nil })
        else { throw Fault("the metadata's classes are no list of names; allowed: one or more") }
        if kind == .detector || kind == .detectorSupernet { _ = try fields.object("detector") }
        if kind == .detector || kind == .subnet {
            let genome = try fields.text("genome")
            do throws(GenomeError) {
                _ = try Genome(parsing: genome, in: space)
            } catch {
                throw Fault("the metadata's genome: \(error)")
            }
        }
    }

    // MARK: Tensors

    /// Elements' bytes, by the format's names for types.
    private static let sizes = [
        "F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1,
        "BOOL": 1,
    ]

    /// Every tensor takes as many bytes as its shape says, and they follow each other from the first byte of the data to
    /// the last.
    private static func check(_ tensors: [String: JSONValue], data: Int) throws(Fault) {
        var ranges: [(name: String, start: Int, end: Int)] = []
        for (name, tensor) in tensors {
            let place = "tensor \(quoted(name))"
            guard let fields = tensor.object, fields.count == 3, let type = fields["dtype"]?.string,
                let shape = fields["shape"]?.array, let offsets = fields["data_offsets"]?.array
            else { throw Fault("\(place); allowed: dtype, shape and data_offsets, nothing else") }
            guard let size = sizes[type] else {
                let allowed = sizes.keys.sorted().joined(separator: ", ")
                throw Fault("\(place), dtype: \(quoted(type)); allowed: \(allowed)")
            }
            var bytes = size
            for dimension in shape {
                guard case .int(let number) = dimension, number >= 0 else {
                    throw Fault("\(place), shape; allowed: whole numbers from 0")
                }
                let (product, overflow) = bytes.multipliedReportingOverflow(by: Int(number))
                guard !overflow else { throw Fault("\(place), shape: more than 2^63 bytes") }
                bytes = product
            }
            guard offsets.count == 2, case .int(let start) = offsets[0],
                case .int(let end) = offsets[1], 0 <= start, start <= end,
                Int(end - start) == bytes
            else {
                throw Fault("\(place), data_offsets; allowed: \(bytes) bytes, as its shape says")
            }
            ranges.append((name, Int(start), Int(end)))
        }
        var end = 0
        for range in ranges.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
            guard range.start == end, range.end <= data else {
                throw Fault(
                    "tensor \(quoted(range.name)), data_offsets: [\(range.start), \(range.end)];"
                        + " allowed: a start at \(end), where the tensor before ends, and an end up to"
                        + " \(data), where the file ends"
                )
            }
            end = range.end
        }
        guard end == data else {
            throw Fault("\(data) bytes follow the header; allowed: \(end), which it describes")
        }
    }
}

/// The strings beside the tensors.
private struct Metadata {
    let json: JSONValue

    func text(_ name: String) throws(CheckpointHeader.Fault) -> String {
        guard let text = json[name]?.string else {
            throw CheckpointHeader.Fault(
                "the metadata has no \"\(name)\"; allowed: a checkpoint that this program wrote"
            )
        }
        return text
    }

    func number(_ name: String, in range: ClosedRange<Int>) throws(CheckpointHeader.Fault) -> Int {
        let text = try text(name)
        guard let number = Int(text), range.contains(number) else {
            let most = range.upperBound == .max ? "" : "\(range.upperBound)"
            throw CheckpointHeader.Fault(
                "the metadata's \(name) is \(quoted(text)); allowed: \(range.lowerBound)...\(most)"
            )
        }
        return number
    }

    func json(_ name: String) throws(CheckpointHeader.Fault) -> JSONValue {
        let text = try text(name)
        do throws(JSONError) {
            return try JSONValue(parsing: text)
        } catch {
            throw CheckpointHeader.Fault("the metadata's \(name) is no JSON: \(error)")
        }
    }

    func object(_ name: String) throws(CheckpointHeader.Fault) -> JSONValue {
        let value = try json(name)
        guard value.object != nil else {
            throw CheckpointHeader.Fault(
                "the metadata's \(name) is \(value.typeName); allowed: an object"
            )
        }
        return value
    }

    func space() throws(CheckpointHeader.Fault) -> SearchSpace {
        var faults: [Violation] = []
        let choice = Form<SpaceChoice>.space.read(try object("space"), "", &faults)
        guard let space = choice?.space, faults.isEmpty else {
            throw CheckpointHeader.Fault("the metadata's space: \(Violations(faults))")
        }
        return space
    }
}
