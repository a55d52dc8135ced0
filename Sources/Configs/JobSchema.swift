// What each kind of job takes, for machines: JSON Schema, made from the tables that read it.

extension JobKind {
    /// One line for people.
    package var summary: String {
        switch self {
        case .supernetPretrain: "Train a supernet with a classifier on images in ImageNet layout"
        case .detectorFinetune: "Train a supernet with a detector on images with boxes"
        case .searchEvolution: "Search a supernet for the best architecture within a cost limit"
        case .searchAudit: "Train some architectures alone, to see how far a search's scores tell"
        case .subnetRetrain: "Train one architecture from scratch"
        case .architecturePredict: "Draw what a detector finds on images"
        case .architectureEvaluate: "Measure a detector, or a path of a supernet, on a list"
        case .datasetCheck: "Read a data set in full, and say what is in it and what is wrong"
        }
    }

    /// JSON Schema (2020-12) of a job of this kind as `POST /v1/jobs` takes it, with all defaults. What it lets pass
    /// may still be refused: rules between fields, names, and data that is not there are looked at by the server.
    package var schema: JSONValue {
        var schema = JobRequest.optionsSchema
        var properties = schema["properties"]?.object ?? [:]
        properties["kind"] = ["const": .string(rawValue)]
        properties["spec"] = JobSpec.schema(of: self)
        schema["properties"] = .object(properties)
        schema["required"] = ["kind", "spec"]
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        schema["title"] = .string(rawValue)
        schema["description"] = .string(summary)
        return .object(schema)
    }

    /// A job with no more than what is required.
    package var example: JSONValue { ["kind": .string(rawValue), "spec": leastSpec] }

    private var leastSpec: JSONValue {
        let boxes: JSONValue = ["dataset": "coco", "annotations": "annotations/train.json"]
        func part(_ role: String) -> JSONValue {
            [
                "dataset": "coco", "annotations": "annotations/train.json",
                "part": ["role": .string(role)],
            ]
        }
        return switch self {
        case .supernetPretrain:
            ["data": ["dataset": "imagenet"], "space": "detnas-300m", "training": ["steps": 10]]
        case .detectorFinetune:
            ["train": boxes, "space": "detnas-mini", "training": ["steps": 10]]
        case .searchEvolution:
            ["checkpoint": "ckpt_1", "train": part("weights"), "search": part("architecture")]
        case .searchAudit:
            [
                "checkpoint": "ckpt_1", "train": part("weights"), "search": part("architecture"),
                "training": ["steps": 10],
            ]
        case .subnetRetrain:
            [
                "architecture": "arch_0123456789abcdef",
                "detection": ["train": boxes, "training": ["steps": 10]],
            ]
        case .architecturePredict:
            ["checkpoint": "ckpt_1", "folder": ["dataset": "photos"]]
        case .architectureEvaluate:
            ["checkpoint": "ckpt_1", "list": boxes]
        case .datasetCheck:
            ["dataset": "coco"]
        }
    }
}
