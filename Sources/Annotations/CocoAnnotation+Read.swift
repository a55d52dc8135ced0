// Reads one annotation of a COCO file: ids, box, and the area of its mask where `area` is missing.

extension CocoAnnotation {
    /// Reads the annotation ahead; nil where it is left out, its problem reported.
    init?(_ file: inout AnnotationFile, _ index: Int, _ policy: BoxPolicy) throws(JSONFault) {
        var id = AnnotationFile.Field()
        var imageID = AnnotationFile.Field()
        var categoryID = AnnotationFile.Field()
        var area = AnnotationFile.Field()
        var box = AnnotationFile.BoxField()
        var isCrowd = false
        var ignore = false
        var isDifficult = false
        var mask: Int?
        while let key = try file.json.nextKey() {
            switch key {
            case "id": id = try file.field()
            case "image_id": imageID = try file.field()
            case "category_id": categoryID = try file.field()
            case "bbox": box = try file.boxField()
            case "area": area = try file.field()
            case "iscrowd": isCrowd = try file.json.scalar().isTrue
            case "ignore": ignore = try file.json.scalar().isTrue
            case "difficult": isDifficult = try file.json.scalar().isTrue
            case "segmentation":
                if case .container(let offset) = try file.json.scalar() { mask = offset }
            default: _ = try file.json.scalar()
            }
        }
        let entry = AnnotationProblem.Place.entry(list: "annotations", index: index)
        guard let id = file.id(id, "id", at: entry) else { return nil }
        let unplaced = AnnotationProblem.Place.annotation(id, image: imageID.value.whole)
        guard let imageID = file.id(imageID, "image_id", at: unplaced),
            let categoryID = file.id(categoryID, "category_id", at: unplaced)
        else { return nil }
        let place = AnnotationProblem.Place.annotation(id, image: imageID)
        guard let box = Self.checked(box, at: place, policy, &file) else { return nil }

        var square = area.value.number
        if let given = square, !given.isFinite || given < 0 { square = nil }
        if square == nil, area.value != .null {
            file.report(
                .badArea,
                at: place,
                "area",
                area.text,
                allowed: "a number of square pixels; that of the mask or the box stands in for it",
                isDropped: false,
            )
        }
        if square == nil, let mask, let area = try Self.maskArea(&file, at: mask),
            area.isFinite, area > 0
        {
            square = area
        }
        self.init(
            id: id,
            imageID: imageID,
            categoryID: categoryID,
            box: box,
            area: square,
            isCrowd: isCrowd,
            ignore: ignore,
            isDifficult: isDifficult,
        )
    }

    private static func checked(
        _ field: AnnotationFile.BoxField,
        at place: AnnotationProblem.Place,
        _ policy: BoxPolicy,
        _ file: inout AnnotationFile,
    ) -> Box? {
        guard let box = field.box else {
            file.report(
                field.isMissing ? .missingField : .wrongType,
                at: place,
                "bbox",
                file.text(field),
                allowed: "[x, y, width, height] in pixels",
                isDropped: true,
            )
            return nil
        }
        if box.hasArea { return box }
        let isDropped = policy == .dropUnusable || !box.isFinite
        file.report(
            .boxWithoutArea,
            at: place,
            "bbox",
            file.text(field),
            allowed: "finite numbers, width and height above 0",
            isDropped: isDropped,
        )
        return isDropped ? nil : box
    }

    /// The area of the mask at `offset`, nil where it has none of the three known forms.
    private static func maskArea(
        _ file: inout AnnotationFile,
        at offset: Int,
    ) throws(JSONFault) -> Double? {
        var part = file
        part.json.seek(to: offset)
        if part.json.isAtArray {
            var polygons: [[Double]] = []
            try part.json.enterArray()
            while try part.json.nextElement() {
                guard part.json.isAtArray, let polygon = try part.numbers() else { return nil }
                polygons.append(polygon)
            }
            return polygons.isEmpty ? nil : MaskArea.polygons(polygons)
        }
        try part.json.enterObject()
        while let key = try part.json.nextKey() {
            if key != "counts" {
                _ = try part.json.scalar()
            } else if part.json.isAtArray {
                return try part.numbers().map(MaskArea.runs)
            } else {
                return try part.json.scalar().text.flatMap(MaskArea.packedRuns)
            }
        }
        return nil
    }
}
