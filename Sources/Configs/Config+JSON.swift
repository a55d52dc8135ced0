// Parts of a spec that other files keep.

extension Pixels {
    /// Every field, as it reads in a spec.
    package var json: JSONValue { Form.object.write(self) }
}

extension DetectorConfig {
    /// Every field, as it reads in a spec.
    package var json: JSONValue { Form.detector.write(self) }
}
