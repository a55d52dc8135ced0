// Reads COCO json. One bad entry does not spoil a file: it is left out, or kept as it is, and named.

package import Foundation

/// What becomes of boxes that no model can learn: wholly outside their image, or without an area.
package enum BoxPolicy: Sendable {
    /// They are left out.
    case dropUnusable
    /// They stay, as COCO's own tools count them: as objects that nothing finds.
    /// Boxes that are not finite are left out all the same.
    case keepUnusable
}

extension CocoDataset {
    /// Reads a COCO detection file.
    ///
    /// `area` where missing is that of the mask (polygons by the shoelace formula, run lengths by
    /// their sum), else of the box. `iscrowd`, `ignore` and `difficult` (which converters from VOC
    /// write) where missing are false.
    ///
    /// - Returns: The data set without the entries whose problem says that they were left out, and
    ///   the problems, in the order of the file for each list.
    /// - Throws: When the file cannot be read, is not JSON (with line and column), or has not the
    ///   lists `images`, `annotations` and `categories`.
    package static func read(
        contentsOf url: URL,
        policy: BoxPolicy = .dropUnusable,
    ) throws(AnnotationError) -> (dataset: CocoDataset, problems: [AnnotationProblem]) {
        let (reading, problems) = try AnnotationFile.read(url) { file throws(JSONFault) in
            try Reading(&file, policy)
        }
        if let name = reading.missingList {
            throw .missingList(file: url.path, name: name)
        }
        let dataset = CocoDataset(
            images: reading.images,
            categories: reading.categories,
            annotations: reading.annotations,
        )
        return (dataset, problems)
    }
}

/// The lists of a file, each entry read and checked.
private struct Reading {
    var images: [CocoImage] = []
    var categories: [CocoCategory] = []
    var annotations: [CocoAnnotation] = []
    /// The first list that the file lacks.
    var missingList: String?

    init(_ file: inout AnnotationFile, _ policy: BoxPolicy) throws(JSONFault) {
        var missing = ["images", "annotations", "categories"]
        try file.json.enterObject()
        while let key = try file.json.nextKey() {
            switch key {
            case "images": try readImages(&file)
            case "annotations": try readAnnotations(&file, policy)
            case "categories": try readCategories(&file)
            default: _ = try file.json.scalar()
            }
            missing.removeAll { $0 == key }
        }
        missingList = missing.first
        if missing.isEmpty { dropUnrelated(&file, policy) }
    }

    // MARK: Images and categories

    private mutating func readImages(_ file: inout AnnotationFile) throws(JSONFault) {
        images = []
        var seen: Set<Int64> = []
        var names: [String: Int64] = [:]
        try file.readList { file, index throws(JSONFault) in
            guard let image = try Self.image(&file, index) else { return }
            guard seen.insert(image.id).inserted else {
                file.report(
                    .duplicateID,
                    at: .image(image.id),
                    "id",
                    "used twice",
                    allowed: "one image for each id",
                    isDropped: true,
                )
                return
            }
            images.append(image)
            guard !image.fileName.isEmpty else { return }
            if let first = names.updateValue(image.id, forKey: image.fileName) {
                file.report(
                    .duplicateFileName,
                    at: .image(image.id),
                    "file_name",
                    "\"\(image.fileName)\", as of image \(first)",
                    allowed: "a file of its own",
                    isDropped: false,
                )
            }
        }
    }

    private static func image(
        _ file: inout AnnotationFile,
        _ index: Int,
    ) throws(JSONFault) -> CocoImage? {
        var id = AnnotationFile.Field()
        var name = AnnotationFile.Field()
        var width = AnnotationFile.Field()
        var height = AnnotationFile.Field()
        while let key = try file.json.nextKey() {
            switch key {
            case "id": id = try file.field()
            case "file_name": name = try file.field()
            case "width": width = try file.field()
            case "height": height = try file.field()
            default: _ = try file.json.scalar()
            }
        }
        guard let id = file.id(id, "id", at: .entry(list: "images", index: index)) else {
            return nil
        }
        if (name.value.text ?? "").isEmpty {
            file.report(
                name.value == .null ? .missingField : .wrongType,
                at: .image(id),
                "file_name",
                name.text,
                allowed: "a path below the image folder",
                isDropped: false,
            )
        }
        var sides = [0, 0]
        for (side, (key, field)) in [("width", width), ("height", height)].enumerated() {
            if let value = field.value.whole, value > 0, value <= Int64(Int32.max) {
                sides[side] = Int(value)
            } else {
                file.report(
                    field.value == .null ? .missingField : .badImageSize,
                    at: .image(id),
                    key,
                    field.text,
                    allowed: "a whole number from 1 to \(Int32.max)",
                    isDropped: false,
                )
            }
        }
        return CocoImage(
            id: id,
            fileName: name.value.text ?? "",
            width: sides[0],
            height: sides[1],
        )
    }

    private mutating func readCategories(_ file: inout AnnotationFile) throws(JSONFault) {
        categories = []
        var seen: Set<Int64> = []
        try file.readList { file, index throws(JSONFault) in
            var id = AnnotationFile.Field()
            var name = AnnotationFile.Field()
            var supercategory = AnnotationFile.Field()
            while let key = try file.json.nextKey() {
                switch key {
                case "id": id = try file.field()
                case "name": name = try file.field()
                case "supercategory": supercategory = try file.field()
                default: _ = try file.json.scalar()
                }
            }
            let place = AnnotationProblem.Place.entry(list: "categories", index: index)
            guard let id = file.id(id, "id", at: place) else { return }
            guard seen.insert(id).inserted else {
                file.report(
                    .duplicateID,
                    at: .category(id),
                    "id",
                    "used twice",
                    allowed: "one category for each id",
                    isDropped: true,
                )
                return
            }
            if name.value.text == nil {
                file.report(
                    name.value == .null ? .missingField : .wrongType,
                    at: .category(id),
                    "name",
                    name.text,
                    allowed: "a text; the id stands in for it",
                    isDropped: false,
                )
            }
            categories.append(
                CocoCategory(
                    id: id,
                    name: name.value.text ?? "\(id)",
                    supercategory: supercategory.value.text,
                )
            )
        }
    }

    // MARK: Annotations

    private mutating func readAnnotations(
        _ file: inout AnnotationFile,
        _ policy: BoxPolicy,
    ) throws(JSONFault) {
        annotations = []
        try file.readList { file, index throws(JSONFault) in
            if let annotation = try CocoAnnotation(&file, index, policy) {
                annotations.append(annotation)
            }
        }
    }

    // MARK: What lists say of each other

    /// Drops annotations that point nowhere, come twice, or lie outside their image.
    private mutating func dropUnrelated(_ file: inout AnnotationFile, _ policy: BoxPolicy) {
        let imagesByID = Dictionary(
            images.lazy.map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first },
        )
        let categoryIDs = Set(categories.lazy.map(\.id))
        var seen: Set<Int64> = []
        seen.reserveCapacity(annotations.count)
        annotations = annotations.filter { annotation in
            let place = AnnotationProblem.Place.annotation(
                annotation.id,
                image: annotation.imageID,
            )
            guard let image = imagesByID[annotation.imageID] else {
                file.report(
                    .unknownImage,
                    at: place,
                    "image_id",
                    "\(annotation.imageID)",
                    allowed: "the id of one of \(images.count) images",
                    isDropped: true,
                )
                return false
            }
            guard categoryIDs.contains(annotation.categoryID) else {
                file.report(
                    .unknownCategory,
                    at: place,
                    "category_id",
                    "\(annotation.categoryID)",
                    allowed: "the id of one of \(categories.count) categories",
                    isDropped: true,
                )
                return false
            }
            guard seen.insert(annotation.id).inserted else {
                file.report(
                    .duplicateID,
                    at: place,
                    "id",
                    "used twice",
                    allowed: "one annotation for each id",
                    isDropped: true,
                )
                return false
            }
            if annotation.id == 0 {
                file.report(
                    .zeroID,
                    at: place,
                    "id",
                    "0",
                    allowed: "ids from 1: COCO's evaluation never counts a detection of 0 as right",
                    isDropped: false,
                )
            }
            return isInside(annotation, image, at: place, policy, &file)
        }
    }

    private func isInside(
        _ annotation: CocoAnnotation,
        _ image: CocoImage,
        at place: AnnotationProblem.Place,
        _ policy: BoxPolicy,
        _ file: inout AnnotationFile,
    ) -> Bool {
        guard annotation.box.hasArea, image.width > 0, image.height > 0 else { return true }
        let (width, height) = (Double(image.width), Double(image.height))
        guard annotation.box.overhang(width: width, height: height) > Self.roundingOverhang else {
            return true
        }
        let box = annotation.box
        let text = "[\(box.x), \(box.y), \(box.width), \(box.height)]"
        let allowed = "within 0...\(image.width) x 0...\(image.height)"
        if box.clipped(width: width, height: height) != nil {
            file.report(
                .boxPartlyOutside,
                at: place,
                "bbox",
                text,
                allowed: allowed,
                isDropped: false,
            )
            return true
        }
        let isDropped = policy == .dropUnusable
        file.report(
            .boxOutside,
            at: place,
            "bbox",
            text,
            allowed: allowed,
            isDropped: isDropped,
        )
        return !isDropped
    }

    /// COCO rounds each number of a box to hundredths of a pixel, so that right edges overshoot.
    private static let roundingOverhang = 0.02
}
