// `dataset.check`: reads a data set in full and says what is in it and what is wrong with it.

package struct CheckConfig: Hashable, Sendable {
    /// The file of the run that has the problems: an array of strings in JSON.
    package static let problems = "problems.json"

    /// The folder below a data-set root. What it is, is found by what lies in it.
    package var dataset: String
    /// Whether every picture is decoded; else it is only looked whether its file is there.
    package var decode = true
    /// Share of images that may be broken before the set counts as unusable: what a job bears unless it says else.
    package var maxBadImages = 0.05

    package init(dataset: String) { self.dataset = dataset }
}

extension CheckConfig: Fielded {
    static var blank: Self { Self(dataset: "") }

    static var fields: [Field<Self>] {
        [
            Field("dataset", \.dataset, .path, required: true),
            Field("decode", \.decode, .flag),
            Field("maxBadImages", \.maxBadImages, .number(.share)),
        ]
    }
}
