import Configs
import Foundation
import SearchSpaces
import Testing
import Torch

@testable import Detectors
@testable import Exchange
@testable import NN
@testable import Pipelines

/// What `Fixtures/make_networks.py` built.
private let space = SearchSpace(
    name: "small",
    stem: 4,
    stages: [(8, 1), (12, 2), (16, 1), (24, 1)].map { .init(width: $0, blocks: $1) },
    lastConv: 16,
)
private let classes = ["a", "b", "c", "d", "e"]

private struct Answer: Decodable {
    let genome: Genome
    let logits: [Double]
}

private func fixture(_ name: String) -> URL {
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
}

private func job(_ name: String, genome: Genome?) -> CheckpointImport {
    CheckpointImport(
        space: name.hasPrefix("detnas")
            ? space.with(stemBias: true)
            : name.hasPrefix("torchvision") ? space.with(block: .mmrazor) : space,
        genome: genome,
        names: name.hasPrefix("torchvision") ? .torchvision : .megvii,
        classes: classes,
        shuffle: name == "detnas_supernet" || name.hasPrefix("torchvision") ? .one : .two,
    )
}

private func complaint(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch {
        return "\(error)"
    }
}

struct CheckpointImportTests {
    init() throws { try TorchLibrary.setThreads(1) }

    private let target = FileManager.default.temporaryDirectory
        .appending(path: "imported-\(UUID()).safetensors")

    @Test(arguments: [
        "oneshot_subnet", "oneshot_subnet_legacy", "oneshot_supernet", "detnas_subnet",
        "detnas_subnet_legacy", "detnas_supernet", "torchvision_subnet",
    ])
    func `an imported network answers as the one that was saved`(name: String) throws {
        let answers = try #require(
            JSONDecoder().decode(
                [String: [Answer]].self,
                from: Data(contentsOf: fixture("networks.json")),
            )[name]
        )
        let genome = name.hasSuffix("supernet") ? nil : answers[0].genome
        let job = job(name, genome: genome)
        defer { try? FileManager.default.removeItem(at: target) }
        let written = try job.run(fixture("\(name).pth"), to: target)

        let file = try CheckpointFile(target)
        let metadata = file.metadata
        try file.check(
            kinds: [genome == nil ? "supernet" : "subnet"],
            space: job.space,
            shuffle: job.shuffle.rawValue,
        )
        #expect(metadata.genome == genome)
        #expect(metadata.classes == classes)
        #expect(metadata.pixels["order"]?.string == (job.names == .megvii ? "bgr" : "rgb"))
        #expect(file.isFinal)

        let network = try Classifier(
            ParameterPath("classifier", seed: 1),
            Supernet(
                ParameterPath("backbone", seed: 1),
                job.space,
                shuffle: job.shuffle,
                only: genome,
            ),
            classes: 5,
            dropout: 0,
        )
        #expect(written.tensors == network.parameters.count)
        try network.parameters.load(from: file)
        let image = (0..<3 * 64 * 64).map { index -> Float in
            let (c, y, x) = (index / 4096, index / 64 % 64, index % 64)
            return Float((7919 * c + 104 * y + 31 * x) % 256) / 255
        }
        let input = try Tensor(image, shape: [1, 3, 64, 64]).channelsLast()
        for answer in answers {
            let logits = try withoutGradients {
                try network([input], answer.genome, .evaluation(nil))[0].floats()
            }
            let largest =
                zip(logits, answer.logits).map { abs(Double($0) - $1) }.max() ?? .infinity
            #expect(largest < 1e-5, "\(answer.genome): \(logits)")
        }
    }

    @Test(arguments: BlockVariant.allCases, [true, false])
    func `the layout lists the tensors that a network has`(
        block: BlockVariant,
        stemBias: Bool,
    ) throws {
        let space = space.with(block: block, stemBias: stemBias)
        for genome in [nil, Genome([3, 1, 3, 0, 2]), Genome([2, 3, 0, 1, 3])] {
            let network = try Classifier(
                ParameterPath("classifier", seed: 1),
                Supernet(ParameterPath("backbone", seed: 1), space, shuffle: .one, only: genome),
                classes: 3,
                dropout: 0,
            )
            var built: [String: [Int]] = [:]
            for parameter in network.parameters { built[parameter.name] = parameter.value.shape }
            var listed = ["classifier.linear.weight": [3, space.lastConv]]
            listed["classifier.linear.bias"] = [3]
            for layer in NetworkLayout(space, only: genome).layers {
                for (part, shape) in layer.tensors { listed["\(layer.name).\(part)"] = shape }
            }
            #expect(listed == built)
        }
    }

    // MARK: What is refused

    private func refusal(_ name: String, _ change: (inout CheckpointImport) -> Void) -> String {
        var job = job(
            name,
            genome: name.hasSuffix("supernet")
                ? nil : Genome(name.hasPrefix("torchvision") ? [0, 0, 0, 0, 0] : [2, 3, 3, 1, 0]),
        )
        change(&job)
        defer { #expect(!FileManager.default.fileExists(atPath: target.path)) }
        return complaint { _ = try job.run(fixture("\(name).pth"), to: target) }
    }

    @Test func `another genome, space or kind lists every tensor that does not fit`() {
        // The 5x5 of the genome is a 3x3 there: two depthwise kernels differ, nothing else.
        let kernel = refusal("oneshot_subnet") { $0.genome = Genome([2, 3, 3, 0, 0]) }
        #expect(kernel.contains("oneshot_subnet.pth: 2 faults"))
        #expect(
            kernel.contains(
                """
                tensor `features.3.branch_main.3.weight`, which is \
                backbone.blocks.3.shuffle_3x3.main.1.conv.weight: found F32 [8, 1, 5, 5]; \
                allowed: F32 [8, 1, 3, 3]
                """
            )
        )
        // The 30 tensors of an xception main branch, of which 15 have names of their own, are looked for and left.
        let deeper = refusal("oneshot_subnet") { $0.genome = Genome([3, 3, 3, 1, 0]) }
        #expect(deeper.contains("`features.0.branch_main.12.weight`"))
        #expect(deeper.contains("found nothing"))
        let shallower = refusal("oneshot_subnet") { $0.genome = Genome([2, 0, 3, 1, 0]) }
        #expect(
            shallower.contains("tensor `features.1.branch_main.12.weight`: found F32")
                && shallower.contains("allowed: no tensor of this name")
        )
        for scheme in ["oneshot", "detnas"] {
            #expect(
                refusal("\(scheme)_subnet") { $0.genome = nil }
                    .contains("kind: found one path: `features.N...`; allowed: a supernet")
            )
            #expect(
                refusal("\(scheme)_supernet") { $0.genome = Genome([0, 0, 0, 0, 0]) }
                    .contains("kind: found a supernet: `features.N.CHOICE...`; allowed: the path 0")
            )
        }
        #expect(
            refusal("oneshot_subnet") { $0.space = space.with(block: .mmrazor) }
                .contains("found F32 [4, 6, 1, 1]; allowed: F32 [6, 6, 1, 1]")
        )
        #expect(
            refusal("oneshot_subnet") { $0.classes.removeLast() }.contains(
                "oneshot_subnet.pth: tensor `classifier.0.weight`, which is "
                    + "classifier.linear.weight: found F32 [5, 16]; allowed: F32 [4, 16]"
            )
        )
        let biases = refusal("detnas_subnet") { $0.space = space }
        #expect(biases.contains("2 faults") && biases.contains("a bias in its stem"))
        #expect(
            refusal("oneshot_subnet") { $0.genome = Genome([4, 0, 0, 0, 0]) }
                .contains("genome: found 4,0,0,0,0")
        )
    }

    @Test func `names of another code base are told`() {
        let message = refusal("oneshot_subnet") { $0.names = .torchvision }
        #expect(message.contains("allowed: torchvision's, one of `conv1.0.weight`"), "\(message)")
        #expect(
            refusal("torchvision_subnet") { $0.names = .megvii }
                .contains("one of `first_conv.0.weight`, `first_conv.conv.weight`")
        )
    }

    @Test func `what torchvision cannot express is told as such`() {
        #expect(
            refusal("torchvision_subnet") { $0.shuffle = .two }
                .contains("shuffle: found method 2; allowed: 1")
        )
        #expect(
            refusal("torchvision_subnet") { $0.genome = Genome([0, 3, 0, 0, 0]) }
                .contains("genome: found 0,3,0,0,0; allowed: one path without shuffle_xception")
        )
        #expect(refusal("torchvision_subnet") { $0.genome = nil }.contains("a supernet"))
    }

    @Test func `networks with a max-pool are told as such`() throws {
        let data = Data(count: 4)
        func found(_ names: String...) -> [String: TensorEntry] {
            Dictionary(
                uniqueKeysWithValues: names.map {
                    ($0, TensorEntry(name: $0, type: .float32, shape: [1], data: data))
                }
            )
        }
        let torchvision = complaint {
            try job("torchvision_subnet", genome: Genome([0, 0, 0, 0, 0])).refuseWhatCannotBe(
                .torchvision,
                found("conv1.0.weight", "stage2.0.branch1.0.weight"),
                file: "a.pth",
            )
        }
        #expect(torchvision.contains("a max-pool between `conv1` and `stage2`"))
        let megvii = complaint {
            try job("oneshot_subnet", genome: nil).refuseWhatCannotBe(
                .oneShot,
                found(
                    "features.0.branch_proj.0.weight",
                    "features.4.branch_proj.0.weight",
                    "features.12.branch_proj.0.weight",
                ),
                file: "a.pth",
            )
        }
        #expect(megvii.contains("found 3 stages: ShuffleNetV2, with a max-pool"))
    }

    @Test func `a file that is cut short leaves nothing behind`() throws {
        let cut = FileManager.default.temporaryDirectory.appending(path: "cut-\(UUID()).pth")
        defer { try? FileManager.default.removeItem(at: cut) }
        for name in ["oneshot_subnet", "oneshot_subnet_legacy"] {
            let whole = try Data(contentsOf: fixture("\(name).pth"))
            try whole.prefix(whole.count - 100).write(to: cut)
            let job = job(name, genome: Genome([2, 3, 3, 1, 0]))
            #expect(throws: CheckpointError.self) { try job.run(cut, to: target) }
            #expect(!FileManager.default.fileExists(atPath: target.path))
        }
    }
}
