// Weights that were trained with PyTorch, as a checkpoint of ours.
//
// Every tensor of the network must be in the file in the right shape, and every tensor of the file must have its
// place in the network: a wrong space, genome or shuffle cannot end in weights that are half loaded.

package import Configs
package import Foundation
import NN
import Pipelines
package import SearchSpaces

/// What a file of weights is said to be.
package struct CheckpointImport: Sendable {
    package var space: SearchSpace
    /// The one path of a subnet; nil for a supernet.
    package var genome: Genome?
    package var names: PyTorchNames
    package var classes: [String]
    package var shuffle: ShuffleMethod
    package var pixels: Pixels

    /// - Parameter pixels: nil: what the code behind `names` feeds its networks.
    package init(
        space: SearchSpace,
        genome: Genome?,
        names: PyTorchNames,
        classes: [String],
        shuffle: ShuffleMethod,
        pixels: Pixels? = nil,
    ) {
        self.space = space
        self.genome = genome
        self.names = names
        self.classes = classes
        self.shuffle = shuffle
        self.pixels = pixels ?? .fed(by: names)
    }

    /// Reads `source` and writes the checkpoint `target`, of kind `supernet` or `subnet`.
    ///
    /// - Returns: the file's SHA-256 in hexadecimal, and the count of its tensors.
    /// - Throws: `ExchangeError` with all tensors that are missing, left over or of another shape or type;
    ///   `CheckpointError` where either file cannot be read or written.
    package func run(_ source: URL, to target: URL) throws -> (sha256: String, tensors: Int) {
        let tensors = try read(source)
        let stored = try SafeTensorsWriter.write(
            to: target,
            metadata: metadata(of: source).strings(step: 0, final: true),
            tensors: tensors.map { tensor in
                TensorSource(name: tensor.name, type: .float32, shape: tensor.shape) { take in
                    try tensor.data.withUnsafeBytes(take)
                }
            },
        )
        return (stored.sha256, tensors.count)
    }

    private func metadata(of source: URL) -> CheckpointMetadata {
        CheckpointMetadata(
            kind: genome == nil ? "supernet" : "subnet",
            space: space,
            shuffle: shuffle.rawValue,
            classes: classes,
            pixels: pixels.json,
            config: [
                "import": [
                    "file": .string(source.lastPathComponent), "names": .string(names.rawValue),
                ]
            ],
            dataDigest: "unknown",
            genome: genome,
        )
    }

    // MARK: Names

    /// The network's tensors under our names.
    func read(_ source: URL) throws -> [TensorTaker.Taken] {
        let file = source.lastPathComponent
        let found = try entries(source)
        if let genome {
            do throws(GenomeError) {
                try genome.check(in: space)
            } catch {
                throw ExchangeError(
                    file: file,
                    "genome",
                    found: "\(genome)",
                    allowed: "a word of \(space.name): \(error)",
                )
            }
        }
        guard let scheme = NamingScheme(names, among: found.keys) else {
            throw ExchangeError(
                file: file,
                "names",
                found: found.keys.sorted().prefix(3).map { quoted($0) }.joined(separator: ", ")
                    + (found.count > 3 ? " and \(found.count - 3) more" : ""),
                allowed: "\(names.rawValue)'s, one of "
                    + NamingScheme.starts(of: names).joined(separator: ", "),
            )
        }
        try refuseWhatCannotBe(scheme, found, file: file)
        var reader = TensorTaker(found: found)
        let layout = NetworkLayout(space, only: genome)
        let permuted = scheme.shufflesLast ? layout.afterEndShuffle : [:]
        for layer in layout.layers {
            reader.take(layer, scheme.names(of: layer.place), permuted[layer.name])
        }
        reader.takeLinear(
            scheme,
            shape: [classes.count, space.lastConv],
        )
        return try reader.result(file: file)
    }

    /// The file's tensors by name, without what data-parallel training puts before names and without norms'
    /// counters.
    private func entries(_ source: URL) throws -> [String: TensorEntry] {
        let read = try PyTorchArchive.read(source)
        let prefix = "module."
        let isWrapped = read.allSatisfy { $0.name.hasPrefix(prefix) }
        return Dictionary(
            read.filter { !$0.name.hasSuffix(".num_batches_tracked") }.map {
                (isWrapped ? String($0.name.dropFirst(prefix.count)) : $0.name, $0)
            },
            uniquingKeysWith: { first, _ in first },
        )
    }

    /// Networks that no space has, told as such and not as a list of tensors.
    func refuseWhatCannotBe(
        _ scheme: NamingScheme,
        _ found: [String: TensorEntry],
        file: String,
    ) throws(ExchangeError) {
        var faults: [ExchangeError.Fault] = []
        func refuse(_ place: String, _ found: String, _ allowed: String) {
            faults.append(.init(place, found: found, allowed: allowed))
        }
        switch scheme {
        case .torchvision:
            let stages = Set(found.keys.compactMap { $0.prefixMatch(of: /stage(\d+)\./)?.1 })
            if !stages.contains("1") {
                refuse(
                    "network",
                    "torchvision's own: a max-pool between `conv1` and `stage2`",
                    "four stages, `stage1` to `stage4`, of which the first stands where the pool is",
                )
            }
            if shuffle != .one {
                refuse(
                    "shuffle",
                    "method \(shuffle.rawValue)",
                    "1: torchvision's blocks end by interleaving their halves",
                )
            }
            let operations = genome?.operations(in: space) ?? space.operations
            if operations.contains(.xception) || genome == nil {
                refuse(
                    "genome",
                    genome.map { "\($0)" } ?? "none: a supernet",
                    "one path without \(Operation.xception.rawValue); torchvision has no choices",
                )
            }
        case .oneShot, .detnas:
            let reducing = Set(
                found.keys.compactMap {
                    $0.prefixMatch(
                        of: /(?:features\.|stage)(\d+)\.(?:\d+\.)?(?:branch_proj|proj_conv)\./
                    )?
                    .1
                }
            )
            if reducing.count == 3 {
                refuse(
                    "network",
                    "3 stages: ShuffleNetV2, with a max-pool after its first convolution",
                    "four stages without a pool, as OneShot and DetNAS have them",
                )
            }
            let hasChoices = found.keys.contains {
                $0.prefixMatch(of: /features\.\d+\.\d+\./) != nil
            }
            if hasChoices != (genome == nil) {
                refuse(
                    "kind",
                    hasChoices ? "a supernet: `features.N.CHOICE...`" : "one path: `features.N...`",
                    genome == nil
                        ? "a supernet, as no genome was given" : "the path \(genome ?? Genome([]))",
                )
            }
        }
        guard faults.isEmpty else { throw ExchangeError(file: file, faults) }
    }
}

extension Pixels {
    /// What a code base feeds its networks. Megvii: BGR from 0 to 255. Torchvision: RGB less ImageNet's mean, by its
    /// deviation, which are this type's defaults.
    package static func fed(by names: PyTorchNames) -> Pixels {
        var pixels = Pixels()
        if names == .megvii {
            pixels.order = .bgr
            pixels.mean = [0, 0, 0]
            pixels.std = [1, 1, 1]
        }
        return pixels
    }
}

extension NamingScheme {
    fileprivate static func starts(of family: PyTorchNames) -> [String] {
        allCases.filter { ($0 == .torchvision) == (family == .torchvision) }
            .map { "`\($0.names(of: .stem).conv).weight`" }
    }
}
