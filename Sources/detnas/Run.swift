// `detnas run one-shot-nas`: a whole pipeline from a few words.

import ArgumentParser
import Client
import Configs
import Foundation

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Submits a ready-made pipeline on your data.",
        discussion: """
            one-shot-nas: a supernet is pretrained on pictures in class folders and fine-tuned as a detector; its paths \
            are searched on a part of the images that trained no weights; the best are trained alone. The steps can be \
            printed, changed and submitted as a file.
            """,
    )

    @Argument(help: "one-shot-nas")
    var template: String

    @Option(help: "A data set of pictures in class folders.")
    var classification: String

    @Option(
        help: "Images with boxes, DATASET/LIST, such as coco/annotations/instances_train2017.json."
    )
    var train: String

    @Option(help: "Where what was chosen is measured: DATASET/LIST of other images.")
    var validation: String?

    @Option(help: "The share of the training images that scores candidates.")
    var architectureShare: Double?

    @Option(help: "A search space by its name (default: detnas-mini).")
    var space: String?

    @Option(
        help:
            "small: some hours on a few CPU cores; paper: the settings of DetNAS (default: small)."
    )
    var scale: String?

    @Option(help: "The most multiply-adds of a backbone.")
    var macs: Int?

    @Option(help: "How many of the best are trained alone (default: 1).")
    var top: Int?

    @Option(help: "CPU cores of each step (default: 1).")
    var cores: Int?

    @Option(help: "cpu, cuda, cuda:N or auto (default: cpu).")
    var device: String?

    @Option(help: "For people (default: one-shot-nas).")
    var name: String?

    @Flag(name: .customLong("print"), help: "Print the steps as a pipeline, and submit nothing.")
    var prints = false

    @OptionGroup var options: SubmitOptions

    func run() throws {
        let request = try request()
        guard prints else { return try options.submit(request, to: "/v1/pipelines") }
        switch OneShotTemplate.resolve(request) {
        case .success(let template): try show(template.pipeline)
        case .failure(let faults): throw ClientError("\(faults)", .badInput)
        case nil: break
        }
    }

    private func request() throws -> JSONValue {
        var request: [String: JSONValue] = [
            "template": .string(template), "classification": ["dataset": .string(classification)],
            "train": try list(train, "--train"),
        ]
        request["validation"] = try validation.map { try list($0, "--validation") }
        request["architectureShare"] = architectureShare.map { .double($0) }
        request["space"] = space.map { .string($0) }
        request["scale"] = scale.map { .string($0) }
        request["macs"] = macs.map { .int(Int64($0)) }
        request["top"] = top.map { .int(Int64($0)) }
        request["cores"] = cores.map { .int(Int64($0)) }
        request["device"] = device.map { .string($0) }
        request["name"] = name.map { .string($0) }
        return .object(request)
    }

    private func list(_ text: String, _ option: String) throws -> JSONValue {
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2, !text.hasPrefix("/") else {
            throw ClientError(
                "\(option) \(text): allowed: DATASET/LIST, a data set's name and a list in it",
                .usage,
            )
        }
        return ["dataset": .string(parts[0]), "annotations": .string(parts[1])]
    }
}
