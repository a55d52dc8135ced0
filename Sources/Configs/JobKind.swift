// The kinds of job, and what each leaves for the next one.

/// What a job does. Raw values are stored and sent, so they never change.
package enum JobKind: String, Codable, CaseIterable, Sendable {
    case supernetPretrain = "supernet.pretrain"
    case detectorFinetune = "detector.finetune"
    case searchEvolution = "search.evolution"
    case searchAudit = "search.audit"
    case subnetRetrain = "subnet.retrain"
    case architecturePredict = "architecture.predict"
    case architectureEvaluate = "architecture.evaluate"
    case datasetCheck = "dataset.check"
}

/// What a checkpoint holds. Raw values are stored and sent, so they never change.
package enum CheckpointKind: String, Codable, CaseIterable, Sendable {
    case supernet  // every choice, with a classifier
    case detectorSupernet = "detector-supernet"  // every choice, with a detector
    case subnet  // one architecture, with a classifier
    case detector  // one architecture, with a detector
}

/// What a later step can name: `{"$from": "STEP.outputs.OUTPUT"}`.
package enum JobOutput: String, Codable, CaseIterable, Sendable {
    case checkpoint
    case architecture
}

extension JobKind {
    /// The outputs that a job of this kind has when it succeeds.
    package var outputs: [JobOutput] {
        switch self {
        case .supernetPretrain, .detectorFinetune, .subnetRetrain: [.checkpoint]
        case .searchEvolution: [.architecture]
        case .architecturePredict, .architectureEvaluate, .searchAudit, .datasetCheck: []
        }
    }

    /// Whether a trial can tell what a job of this kind takes. A check would have to read every list first.
    package var hasTrial: Bool { self != .datasetCheck }
}
