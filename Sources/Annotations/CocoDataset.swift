// What a COCO detection file says (cocodataset.org/#format-data), as values.

/// One picture. Sizes are 0 where the file does not give them.
package struct CocoImage: Hashable, Sendable {
    package let id: Int64
    /// The path below the image folder; empty where the file does not give it.
    package let fileName: String
    package let width: Int
    package let height: Int

    package init(id: Int64, fileName: String, width: Int, height: Int) {
        self.id = id
        self.fileName = fileName
        self.width = width
        self.height = height
    }

    /// What a split and a comparison of splits know the image by.
    package var key: String { fileName.isEmpty ? "#\(id)" : fileName }
}

package struct CocoCategory: Hashable, Sendable {
    package let id: Int64
    package let name: String
    package let supercategory: String?

    package init(id: Int64, name: String, supercategory: String? = nil) {
        self.id = id
        self.name = name
        self.supercategory = supercategory
    }
}

/// One object, or a crowd of them.
package struct CocoAnnotation: Hashable, Sendable {
    package let id: Int64
    package let imageID: Int64
    package let categoryID: Int64
    /// In pixels of the image, as the file has it: it may reach over the image's edge.
    package let box: Box
    /// Of the object's mask where it has one, in square pixels: what small, medium, large refer to.
    package let area: Double
    package let isCrowd: Bool
    package let ignore: Bool
    /// Hard to recognise even for people (VOC): not learnt, and counted neither way in VOC's
    /// average precision. COCO's figures, which know no such thing, count it as any object.
    package let isDifficult: Bool

    /// `area` is that of the box where it is not given.
    package init(
        id: Int64,
        imageID: Int64,
        categoryID: Int64,
        box: Box,
        area: Double? = nil,
        isCrowd: Bool = false,
        ignore: Bool = false,
        isDifficult: Bool = false,
    ) {
        self.id = id
        self.imageID = imageID
        self.categoryID = categoryID
        self.box = box
        self.area = area ?? box.area
        self.isCrowd = isCrowd
        self.ignore = ignore
        self.isDifficult = isDifficult
    }
}

/// Images, categories and annotations, each in the order of the file.
package struct CocoDataset: Sendable {
    package let images: [CocoImage]
    package let categories: [CocoCategory]
    package let annotations: [CocoAnnotation]
    /// Ids of the categories in increasing order. A model's class `k` is `categoryIDs[k]`.
    package let categoryIDs: [Int64]

    private let imageIndices: [Int64: Int]
    private let categoryIndices: [Int64: Int]
    /// Annotations of image `i`: `annotationOrder[annotationStarts[i]..<annotationStarts[i + 1]]`.
    private let annotationStarts: [Int]
    private let annotationOrder: [Int]

    /// Ids are taken to be unique in each list (of two, lookups find the first);
    /// annotations of unknown images stay in `annotations` and are found by no image.
    package init(
        images: [CocoImage],
        categories: [CocoCategory],
        annotations: [CocoAnnotation],
    ) {
        self.images = images
        self.categories = categories
        self.annotations = annotations
        imageIndices = Dictionary(
            zip(images.lazy.map(\.id), images.indices),
            uniquingKeysWith: { first, _ in first },
        )
        categoryIDs = Set(categories.lazy.map(\.id)).sorted()
        categoryIndices = Dictionary(
            zip(categoryIDs, categoryIDs.indices),
            uniquingKeysWith: { first, _ in first },
        )

        let owners = annotations.map { [imageIndices] in imageIndices[$0.imageID] }
        var starts = [Int](repeating: 0, count: images.count + 1)
        for case .some(let owner) in owners { starts[owner + 1] += 1 }
        for index in images.indices { starts[index + 1] += starts[index] }
        annotationStarts = starts
        var order = [Int](repeating: 0, count: starts.last ?? 0)
        for (annotation, owner) in owners.enumerated() {
            guard let owner else { continue }
            order[starts[owner]] = annotation
            starts[owner] += 1
        }
        annotationOrder = order
    }

    package func image(id: Int64) -> CocoImage? { imageIndices[id].map { images[$0] } }

    /// The place of an image in `images`.
    package func imageIndex(id: Int64) -> Int? { imageIndices[id] }

    /// The place of a category in `categoryIDs`: a model's class.
    package func categoryIndex(id: Int64) -> Int? { categoryIndices[id] }

    package func category(id: Int64) -> CocoCategory? { categories.first { $0.id == id } }

    /// The annotations of one image in the order of the file; none for an unknown image.
    package func annotations(ofImage id: Int64) -> [CocoAnnotation] {
        guard let index = imageIndices[id] else { return [] }
        return annotationOrder[annotationStarts[index]..<annotationStarts[index + 1]].map {
            annotations[$0]
        }
    }
}

extension CocoDataset: Hashable {
    package static func == (one: Self, other: Self) -> Bool {
        one.images == other.images && one.categories == other.categories
            && one.annotations == other.annotations
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(images)
        hasher.combine(categories)
        hasher.combine(annotations)
    }
}
