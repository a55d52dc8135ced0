// Parts of a spec that other files keep.

extension Pixels {
    /// Every field, as it reads in a spec.
    package var json: JSONValue { Form.object.write(self) }
}

extension DetectorConfig {
    /// Every field, as it reads in a spec.
    package var json: JSONValue { Form.detector.write(self) }

    /// The detector that `json` writes out, or everything wrong with it.
    package static func resolve(_ json: JSONValue) -> Result<DetectorConfig, Violations> {
        var faults: [Violation] = []
        let config = Form<DetectorConfig>.detector.read(json, "/detector", &faults)
        guard let config, faults.isEmpty else { return .failure(Violations(faults)) }
        return .success(config)
    }
}
