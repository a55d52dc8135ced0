// A spec of any kind: what a job is asked to do, with every default filled in.

/// What a job is asked to do. Its `json` resolves to itself.
package enum JobSpec: Hashable, Sendable {
    case pretrain(PretrainConfig)
    case finetune(FinetuneConfig)
    case search(SearchConfig)
    case audit(AuditConfig)
    case retrain(RetrainConfig)
    case predict(PredictConfig)
    case evaluate(EvaluateConfig)
    case check(CheckConfig)

    package var kind: JobKind {
        switch self {
        case .pretrain: .supernetPretrain
        case .finetune: .detectorFinetune
        case .search: .searchEvolution
        case .audit: .searchAudit
        case .retrain: .subnetRetrain
        case .predict: .architecturePredict
        case .evaluate: .architectureEvaluate
        case .check: .datasetCheck
        }
    }
}

extension JobSpec {
    /// The spec that `json` asks for, with every default filled in, or everything wrong with it.
    ///
    /// `place` is the pointer of `json` in the document that it came from.
    package static func resolve(
        kind: JobKind,
        _ json: JSONValue,
        at place: String = "/spec",
    ) -> Result<JobSpec, Violations> {
        var faults: [Violation] = []
        let spec: JobSpec? =
            switch kind {
            case .supernetPretrain:
                Form.object.read(json, place, &faults).map { .pretrain($0) }
            case .detectorFinetune:
                Form.object.read(json, place, &faults).map { .finetune($0) }
            case .searchEvolution:
                Form.object.read(json, place, &faults).map { .search($0) }
            case .searchAudit:
                Form.object.read(json, place, &faults).map { .audit($0) }
            case .subnetRetrain:
                Form.object.read(json, place, &faults).map { .retrain($0) }
            case .architecturePredict:
                Form.object.read(json, place, &faults).map { .predict($0) }
            case .architectureEvaluate:
                Form.object.read(json, place, &faults).map { .evaluate($0) }
            case .datasetCheck:
                Form.object.read(json, place, &faults).map { .check($0) }
            }
        guard let spec, faults.isEmpty else { return .failure(Violations(faults)) }
        return .success(spec)
    }

    /// Every field of the spec, defaults included; resolves to the same spec.
    package var json: JSONValue {
        switch self {
        case .pretrain(let config): Form.object.write(config)
        case .finetune(let config): Form.object.write(config)
        case .search(let config): Form.object.write(config)
        case .audit(let config): Form.object.write(config)
        case .retrain(let config): Form.object.write(config)
        case .predict(let config): Form.object.write(config)
        case .evaluate(let config): Form.object.write(config)
        case .check(let config): Form.object.write(config)
        }
    }

    /// JSON Schema of a spec of this kind.
    static func schema(of kind: JobKind) -> JSONValue {
        switch kind {
        case .supernetPretrain: Form<PretrainConfig>.object.schema
        case .detectorFinetune: Form<FinetuneConfig>.object.schema
        case .searchEvolution: Form<SearchConfig>.object.schema
        case .searchAudit: Form<AuditConfig>.object.schema
        case .subnetRetrain: Form<RetrainConfig>.object.schema
        case .architecturePredict: Form<PredictConfig>.object.schema
        case .architectureEvaluate: Form<EvaluateConfig>.object.schema
        case .datasetCheck: Form<CheckConfig>.object.schema
        }
    }

    /// The kinds of the checkpoints that the job writes on its way, its stages' included.
    package var checkpointKinds: [CheckpointKind] {
        let own = checkpointKind.map { [$0] } ?? []
        guard case .retrain(let config) = self, config.classification != nil else { return own }
        return own == [.subnet] ? own : own + [.subnet]
    }

    /// The kind of the checkpoint that the job leaves; nil where it leaves none.
    package var checkpointKind: CheckpointKind? {
        switch self {
        case .pretrain: .supernet
        case .finetune: .detectorSupernet
        case .search, .audit, .predict, .evaluate, .check: nil
        case .retrain(let config): config.detection == nil ? .subnet : .detector
        }
    }
}
