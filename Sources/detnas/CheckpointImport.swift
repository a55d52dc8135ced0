// `detnas checkpoint import FILE.pth OUT.safetensors`: weights of PyTorch's as a checkpoint of ours.

import ArgumentParser
import Configs
import Exchange
import Foundation
import SearchSpaces

struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Downloads weights, and exchanges them with other programs.",
        subcommands: [
            CheckpointGet.self, CheckpointList.self, CheckpointVerify.self, CheckpointRemove.self,
            CheckpointImportCommand.self, CheckpointExportCommand.self,
        ],
        aliases: ["ckpt"],
    )
}

struct CheckpointImportCommand: ParsableCommand {
    enum Kind: String, CaseIterable, ExpressibleByArgument {
        case supernet, subnet
    }

    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Makes a checkpoint of a .pth file.",
        discussion: """
            Reads state dicts in both of PyTorch's containers; no pickled code is ever run. Every tensor of the network \
            must be there in the right shape and every tensor of the file must have its place, else all that do not \
            fit are listed and nothing is written.

            megvii:      ShuffleNet-Series' OneShot and both DetNAS folders; supernets of DetNAS were trained with \
            shuffle method 1, all published single networks with 2; DetNAS needs --stem-bias
            torchvision: the blocks of its ShuffleNetV2, in four stages without a max-pool; --block mmrazor and \
            shuffle method 1
            """,
    )

    @Argument(help: "The file to read.", completion: .file())
    var file: String

    @Argument(help: "The checkpoint to write.")
    var output: String

    @Option(
        help: "The search space: \(SpaceArgument.names), or a JSON file.",
        transform: SpaceArgument.parse,
    )
    var space: SearchSpace

    @Option(help: "What is in the file: supernet or subnet.")
    var kind: Kind

    @Option(help: "The one path of a subnet: 2,1,2,0,...")
    var genome: String?

    @Option(help: "Whose names the tensors have: megvii or torchvision.")
    var names: PyTorchNames

    @Option(
        help: "A file with the name of a class in each line, or only how many there are.",
        transform: CheckpointImportCommand.classNames,
    )
    var classes: [String]

    @Option(help: "The channel-shuffle method that the weights were trained with: 1 or 2.")
    var shuffle: ShuffleMethod

    @Option(
        help: "Widths within stride-2 blocks: official or mmrazor; left out, what the space says."
    )
    var block: BlockVariant?

    @Flag(help: "The stem and the last convolution have biases before their norms.")
    var stemBias = false

    @Option(
        help: """
            What the network is fed: bgr (0 to 255, as megvii's) or rgb (ImageNet's mean and deviation, as \
            torchvision's); left out, what `names` says.
            """
    )
    var pixels: Pixels.Order?

    func validate() throws {
        guard (genome == nil) == (kind == .supernet) else {
            throw ValidationError(
                kind == .supernet
                    ? "a supernet has no --genome" : "a subnet needs its --genome"
            )
        }
    }

    func run() throws {
        let space = space.with(block: block, stemBias: stemBias ? true : nil)
        let job = CheckpointImport(
            space: space,
            genome: try genome.map { try Genome(parsing: $0, in: space) },
            names: names,
            classes: classes,
            shuffle: shuffle,
            pixels: pixels.map { .fed(by: $0 == .bgr ? .megvii : .torchvision) },
        )
        let (sha256, tensors) = try job.run(URL(filePath: file), to: URL(filePath: output))
        print("\(output): \(kind.rawValue) of \(tensors) tensors, sha256 \(sha256)")
    }

    /// Class names from a file, or numbers in their place.
    private static func classNames(_ argument: String) throws -> [String] {
        if let count = Int(argument) {
            guard (1...100_000).contains(count) else {
                throw ValidationError("\(count) classes; allowed: 1 to 100000")
            }
            return (0..<count).map(String.init)
        }
        guard let text = try? String(contentsOf: URL(filePath: argument), encoding: .utf8) else {
            throw ValidationError(
                "classes \(argument): found neither a count nor a file; allowed: a name in each line"
            )
        }
        let names = text.split(whereSeparator: \.isNewline).map {
            $0.trimmingCharacters(in: .whitespaces)
        }.filter { !$0.isEmpty }
        var seen: Set<String> = []
        if let twice = names.first(where: { !seen.insert($0).inserted }) {
            throw ValidationError("classes \(argument): found \(twice) twice; allowed: once")
        }
        guard !names.isEmpty else {
            throw ValidationError("classes \(argument): found none; allowed: a name in each line")
        }
        return names
    }
}

extension PyTorchNames: ExpressibleByArgument {}
extension ShuffleMethod: ExpressibleByArgument {}
extension BlockVariant: ExpressibleByArgument {}
extension Pixels.Order: ExpressibleByArgument {}
