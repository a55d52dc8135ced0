// A network's parameters as a safetensors file, and back, with what must agree written beside them.

package import Configs
import Detectors
package import Foundation
import NN
package import SearchSpaces
package import Torch

/// What a checkpoint is and what it was made with; kept as strings in the file's metadata.
package struct CheckpointMetadata: Sendable {
    /// `supernet`, `detector-supernet`, `subnet` or `detector`.
    package var kind: String
    package var space: SearchSpace
    package var shuffle: Int
    package var classes: [String]
    package var pixels: JSONValue
    /// The resolved spec of the job.
    package var config: JSONValue
    /// SHA-256 over the training data's file names, sizes and annotations.
    package var dataDigest: String
    /// The one path of a subnet.
    package var genome: Genome?
    /// How the detector is built; nil for a classifier.
    package var detector: JSONValue?
    /// The stage of a job that has several.
    package var stage: String?
    /// What the stages before this one measured, by stage: a job that goes on from here can still report it.
    package var earlierStages: JSONValue?

    /// The file's metadata.
    package func strings(step: Int, final: Bool) throws -> [String: String] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var strings = [
            "format": "detnas-1", "kind": kind, "step": "\(step)", "final": "\(final)",
            "shuffle": "\(shuffle)", "dataDigest": dataDigest, "config": config.canonical,
            "pixels": pixels.canonical,
            "space": String(decoding: try encoder.encode(space), as: UTF8.self),
            "classes": JSONValue.array(classes.map { .string($0) }).canonical,
        ]
        strings["genome"] = genome?.description
        strings["detector"] = detector?.canonical
        strings["stage"] = stage
        strings["earlierStages"] = earlierStages?.canonical
        return strings
    }

    package init(
        kind: String,
        space: SearchSpace,
        shuffle: Int,
        classes: [String],
        pixels: JSONValue,
        config: JSONValue,
        dataDigest: String,
        genome: Genome? = nil,
        detector: JSONValue? = nil,
        stage: String? = nil,
        earlierStages: JSONValue? = nil,
    ) {
        self.kind = kind
        self.space = space
        self.shuffle = shuffle
        self.classes = classes
        self.pixels = pixels
        self.config = config
        self.dataDigest = dataDigest
        self.genome = genome
        self.detector = detector
        self.stage = stage
        self.earlierStages = earlierStages
    }

    init(_ strings: [String: String], file: String) throws {
        func field(_ name: String) throws -> String {
            guard let value = strings[name] else {
                throw RunError.badCheckpoint("\(file): its metadata has no `\(name)`")
            }
            return value
        }
        func json(_ name: String) throws -> JSONValue { try JSONValue(parsing: field(name)) }
        guard try field("format") == "detnas-1" else {
            throw RunError.badCheckpoint(
                "\(file): format `\(try field("format"))`; allowed is detnas-1"
            )
        }
        kind = try field("kind")
        space = try JSONDecoder().decode(SearchSpace.self, from: Data(field("space").utf8))
        guard let method = Int(try field("shuffle")) else {
            throw RunError.badCheckpoint("\(file): shuffle `\(try field("shuffle"))` is no number")
        }
        shuffle = method
        classes = (try json("classes").array ?? []).compactMap(\.string)
        pixels = try json("pixels")
        config = try json("config")
        dataDigest = try field("dataDigest")
        genome = try strings["genome"].map { try Genome(parsing: $0, in: space) }
        detector = try strings["detector"].map { try JSONValue(parsing: $0) }
        stage = strings["stage"]
        earlierStages = try strings["earlierStages"].map { try JSONValue(parsing: $0) }
    }
}

/// A checkpoint opened for reading.
package struct CheckpointFile {
    package let url: URL
    package let metadata: CheckpointMetadata
    package let step: Int
    package let isFinal: Bool
    private let file: SafeTensorsFile

    package init(_ url: URL) throws {
        do {
            file = try SafeTensorsFile(url)
        } catch {
            throw RunError.badCheckpoint("\(error)")
        }
        self.url = url
        do {
            metadata = try CheckpointMetadata(file.metadata, file: url.lastPathComponent)
        } catch let error as RunError {
            throw error
        } catch {
            throw RunError.badCheckpoint("\(url.lastPathComponent): its metadata: \(error)")
        }
        step = file.metadata["step"].flatMap { Int($0) } ?? 0
        isFinal = file.metadata["final"] == "true"
    }

    /// The metadata of any safetensors file; what is JSON in it as such.
    package static func metadata(of url: URL) throws -> JSONValue {
        do {
            let strings = try SafeTensorsFile(url).metadata
            return .object(
                strings.mapValues { text in
                    let value = try? JSONValue(parsing: text)
                    return value?.object != nil || value?.array != nil
                        ? value ?? .string(text) : .string(text)
                }
            )
        } catch {
            throw RunError.badCheckpoint("\(error)")
        }
    }

    package func has(_ name: String) -> Bool { file[name] != nil }

    /// - Throws: `RunError.badCheckpoint` naming a tensor that is not there.
    package func tensor(_ name: String) throws -> Tensor {
        guard let record = file[name] else {
            throw RunError.badCheckpoint("\(url.lastPathComponent): no tensor `\(name)`")
        }
        return try file.withBytes(of: name) {
            try Tensor(bytes: $0, shape: record.shape, type: DType(record.type))
        }
    }

    /// Fails unless the checkpoint is of one of `kinds` and made with the same space and shuffle method.
    package func check(kinds: [String], space: SearchSpace?, shuffle: Int?) throws {
        let name = url.lastPathComponent
        guard kinds.contains(metadata.kind) else {
            throw RunError.badCheckpoint(
                "\(name) is a \(metadata.kind); allowed: \(kinds.joined(separator: ", "))"
            )
        }
        if let space, space != metadata.space {
            let (found, asked) = try metadata.space.told(apartFrom: space)
            throw RunError.badCheckpoint(
                "\(name) was trained in space \(found); asked for is \(asked)"
            )
        }
        if let shuffle, shuffle != metadata.shuffle {
            throw RunError.badCheckpoint(
                "\(name) was trained with shuffle method \(metadata.shuffle); asked for is \(shuffle)"
            )
        }
    }
}

extension SearchSpace {
    /// The names of two spaces, or where these are equal all that they are.
    fileprivate func told(apartFrom other: SearchSpace) throws -> (String, String) {
        guard name == other.name else { return (name, other.name) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (
            String(decoding: try encoder.encode(self), as: UTF8.self),
            String(decoding: try encoder.encode(other), as: UTF8.self),
        )
    }
}

/// The parameters of a run, ready to be written and read.
struct Checkpoints {
    let parameters: [Parameter]
    let metadata: CheckpointMetadata

    @discardableResult
    func save(
        _ context: any RunContext,
        name: String,
        step: Int,
        final: Bool,
        extra: [(name: String, value: Tensor)] = [],
    ) throws -> StoredCheckpoint {
        let all = parameters.map { (name: $0.name, value: $0.value) } + extra
        let strings = try metadata.strings(step: step, final: final)
        return try context.commit(name: name, step: step, kind: metadata.kind, final: final) {
            url in
            do {
                return try SafeTensorsWriter.write(
                    to: url,
                    metadata: strings,
                    tensors: all.map { entry in
                        TensorSource(
                            name: entry.name,
                            type: ElementType(entry.value.type),
                            shape: entry.value.shape,
                        ) { take in try entry.value.data().withUnsafeBytes(take) }
                    },
                )
            } catch CheckpointError.diskFull(let file) {
                throw RunError.diskFull(
                    "\(file) could not be written: there is no room left for it"
                )
            }
        }
    }

    /// Takes every parameter from `file` by name.
    func restore(from file: CheckpointFile) throws { try parameters.load(from: file) }
}

extension [Parameter] {
    /// Assigns what `file` has under the parameters' names.
    ///
    /// - Parameter optional: whether a parameter may keep its first value for want of a tensor.
    /// - Throws: `RunError.badCheckpoint` naming a tensor that is missing or of another shape.
    func load(from file: CheckpointFile, optional: (String) -> Bool = { _ in false }) throws {
        for parameter in self {
            if !file.has(parameter.name), optional(parameter.name) { continue }
            do {
                try parameter.value.assign(file.tensor(parameter.name))
            } catch let error as TorchError {
                throw RunError.badCheckpoint(
                    "\(file.url.lastPathComponent): \(parameter.name): \(error)"
                )
            }
        }
    }
}

extension DType {
    init(_ type: ElementType) {
        switch type {
        case .float16: self = .float16
        case .bfloat16: self = .bfloat16
        case .float32: self = .float32
        case .float64: self = .float64
        case .int64: self = .int64
        case .int32: self = .int32
        case .int16: self = .int16
        case .int8: self = .int8
        case .uint8: self = .uint8
        case .bool: self = .bool
        }
    }
}

extension ElementType {
    init(_ type: DType) {
        switch type {
        case .float16: self = .float16
        case .bfloat16: self = .bfloat16
        case .float32: self = .float32
        case .float64: self = .float64
        case .int64: self = .int64
        case .int32: self = .int32
        case .int16: self = .int16
        case .int8: self = .int8
        case .uint8: self = .uint8
        case .bool: self = .bool
        }
    }
}
