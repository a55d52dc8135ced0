// VOC's figures, 0...1, or -1 where nothing is to be found.

/// How good the detections of one class are.
package struct VocCategoryMetrics: Codable, Hashable, Sendable {
    package let categoryID: Int64
    package let name: String
    /// Objects to be found: no difficult ones.
    package let objects: Int
    /// Average precision by eleven points, as of VOC2007.
    package let ap11: Double
    /// Average precision by area, as from VOC2010 on.
    package let ap: Double
}

/// VOC's average precision at IoU 0.5 of every class, and its means.
package struct VocMetrics: Codable, Hashable, Sendable {
    /// Mean of `ap11` over the classes with objects.
    package let map11: Double
    /// Mean of `ap` over the classes with objects.
    package let map: Double
    /// In the order of category ids.
    package let categories: [VocCategoryMetrics]

    init(categories: [VocCategoryMetrics]) {
        self.categories = categories
        map11 = mean(categories.map(\.ap11))
        map = mean(categories.map(\.ap))
    }

    /// The mean over several detectors, compared with the same ground truth; nil without any.
    package static func averaged(_ metrics: [VocMetrics]) -> VocMetrics? {
        guard let first = metrics.first else { return nil }
        return VocMetrics(
            categories: first.categories.indices.map { index in
                let all = metrics.map { $0.categories[index] }
                return VocCategoryMetrics(
                    categoryID: all[0].categoryID,
                    name: all[0].name,
                    objects: all[0].objects,
                    ap11: mean(all.map(\.ap11)),
                    ap: mean(all.map(\.ap)),
                )
            }
        )
    }
}
