// Predicting and evaluating: which detector, with whose statistics, on what.

import Testing

@testable import Configs

@Test func `pictures are made unless they are not wanted`() throws {
    let sample = Samples.least(.architecturePredict)
    guard
        case .predict(let config) = try JobSpec.resolve(kind: .architecturePredict, sample).get(),
        case .predict(let bare) = try JobSpec.resolve(
            kind: .architecturePredict,
            sample.setting("pictures", to: .null),
        ).get()
    else { throw Violations([]) }
    #expect(config.pictures == PredictConfig.Pictures() && config.folder?.path == "images")
    #expect(bare.pictures == nil)
}

@Test(arguments: [
    ("folder", JSONValue?.none, Violation.Code.missing, "list"),
    ("list", Samples.detection, .conflict, "folder"),
    ("pictures/groundTruth", true, .conflict, "pictures/groundTruth"),
    ("pictures/most", 1001, .outOfRange, "pictures/most"),
    ("folder/path", "../other", .notAllowed, "folder/path"),
    ("architecture", "0,1,2", .missing, "train"),
    ("train", Samples.weights, .missing, "architecture"),
    ("architecture", "0,one", .notAllowed, "architecture"),
    ("architecture", "ckpt_1", .notAllowed, "architecture"),
    ("architecture/$from", "a.outputs.checkpoint", .notAllowed, "architecture/$from"),
    ("checkpoint", "arch_1", .notAllowed, "checkpoint"),
    ("scoreThreshold", 1.5, .outOfRange, "scoreThreshold"),
])
func `a prediction that cannot be is told where`(
    field: String,
    value: JSONValue?,
    code: Violation.Code,
    place: String,
) {
    let sample = Samples.least(.architecturePredict).setting(field, to: value)
    let found = JobSpec.resolve(kind: .architecturePredict, sample).violations
    #expect(found.map { "\($0.pointer) \($0.code)" } == ["/spec/\(place) \(code)"])
}

@Test func `an evaluation is not done on the images that set its statistics`() {
    let sample = Samples.most(.architectureEvaluate).setting("list", to: Samples.weights)
    let found = JobSpec.resolve(kind: .architectureEvaluate, sample).violations
    #expect(found.map(\.pointer) == ["/spec/list"])
}

@Test func `both ask for their checkpoint, their path and their data`() throws {
    let predict = try JobSpec.resolve(
        kind: .architecturePredict,
        Samples.most(.architecturePredict),
    ).get()
    #expect(predict.references.map(\.pointer) == ["/spec/checkpoint", "/spec/architecture"])
    #expect(
        predict.references[0].expected == .checkpoint([.detector, .detectorSupernet])
    )
    #expect(predict.datasets.map(\.pointer) == ["/spec/train/dataset", "/spec/list/dataset"])
    let folder = try JobSpec.resolve(
        kind: .architecturePredict,
        Samples.least(.architecturePredict),
    ).get()
    #expect(folder.datasets.map { $0.paths.map(\.path) } == [["images"]])
    let evaluate = try JobSpec.resolve(
        kind: .architectureEvaluate,
        Samples.most(.architectureEvaluate),
    ).get()
    #expect(evaluate.references.map(\.pointer) == ["/spec/checkpoint"])
}
