// `detnas dataset demo DIR`: two small data sets of real pictures, made on this machine.

import ArgumentParser
import Datasets
import Foundation

struct DatasetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dataset",
        abstract: "Makes, splits and checks data sets.",
        subcommands: [DatasetDemo.self, DatasetSplit.self, DatasetCheckCommand.self],
    )
}

struct DatasetDemo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Composes a detection and a classification set of photographs.",
        discussion: """
            Photographic cut-outs are laid on photographs, so that boxes are exact; both come from \
            two Debian packages. DIR is then a root of the data sets `detection` (COCO) and \
            `classification` (ImageNet layout). Same options, same bytes.
            """,
    )

    @Argument(help: "The folder to make.", completion: .directory)
    var directory: String

    @Option(help: "Another seed, other pictures.")
    var seed: UInt64 = 0

    @Option(
        help: """
            Comma-separated: \(DemoClass.all.map(\.name).joined(separator: ", ")); or all.
            """
    )
    var classes = DemoClass.defaults.joined(separator: ",")

    @Option(help: "Both sides of a picture, pixels.")
    var size = 160

    @Option(help: "Objects in a detection picture: from-to, within 1-6.")
    var objects = ObjectCount(range: 1...3)

    @Option(help: "Detection pictures to train on.")
    var train = 600

    @Option(help: "Detection pictures to validate on.")
    var val = 150

    @Option(help: "Classification pictures to train on, all classes together.")
    var classificationTrain = 800

    @Option(help: "Classification pictures to validate on.")
    var classificationVal = 200

    @Flag(help: "Validate on the cut-outs that are trained on; else on ones never seen.")
    var sharedCutouts = false

    @Option(help: "Where the Debian packages were unpacked with `dpkg-deb -x`.")
    var sources: String?

    func run() throws {
        let names = classes.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        var demo = DemoDataset(classes: try DemoClass.named(names))
        demo.seed = seed
        demo.size = size
        demo.objects = objects.range
        demo.detection = (train, val)
        demo.classification = (classificationTrain, classificationVal)
        demo.sharesCutouts = sharedCutouts
        let outcome = try demo.write(
            to: URL(filePath: directory),
            from: DemoSources(root: sources.map { URL(filePath: $0) }),
        ) { done, total in
            guard done == total || done % 50 == 0, isatty(STDERR_FILENO) == 1 else { return }
            FileHandle.standardError.write(Data("\r\(done) of \(total) pictures".utf8))
            if done == total { FileHandle.standardError.write(Data("\n".utf8)) }
        }
        switch outcome {
        case .present: print("\(directory) already holds this demo set.")
        case .made:
            print(
                """
                \(directory)/detection: \(train) + \(val) pictures, \(demo.classes.count) classes
                \(directory)/classification: \(classificationTrain) + \(classificationVal) pictures
                """
            )
        }
        print(
            sharedCutouts
                ? "Validation shows the cut-outs of training, on other photographs."
                : "Validation shows cut-outs and photographs that training never does."
        )
    }
}

/// Such as `1-3`, or `2`.
struct ObjectCount: ExpressibleByArgument {
    let range: ClosedRange<Int>

    init(range: ClosedRange<Int>) { self.range = range }

    init?(argument: String) {
        let ends = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard ends.count <= 2, let first = ends.first, let lower = first, let last = ends.last,
            let upper = last, lower <= upper
        else { return nil }
        range = lower...upper
    }

    var defaultValueDescription: String { "\(range.lowerBound)-\(range.upperBound)" }
}
