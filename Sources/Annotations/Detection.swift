// What a detector says is in an image, and COCO's list of results in which others read it.

package import Foundation

/// One box found, with its class and score.
package struct Detection: Hashable, Sendable {
    package let imageID: Int64
    package let categoryID: Int64
    /// In pixels of the original image.
    package let box: Box
    /// Higher is surer; only the order of scores matters to evaluation.
    package let score: Double

    package init(imageID: Int64, categoryID: Int64, box: Box, score: Double) {
        self.imageID = imageID
        self.categoryID = categoryID
        self.box = box
        self.score = score
    }

    /// Reads a COCO list of results: `[{"image_id", "category_id", "bbox", "score"}, ...]`.
    ///
    /// - Returns: The detections in the order of the file (which decides between equal scores)
    ///   without the entries whose problem says so: those that lack a field, boxes that are not
    ///   finite, scores that are not numbers.
    /// - Throws: When the file cannot be read or is not a JSON list of objects.
    package static func read(
        contentsOf url: URL
    ) throws(AnnotationError) -> (detections: [Detection], problems: [AnnotationProblem]) {
        let (detections, problems) = try AnnotationFile.read(url) { file throws(JSONFault) in
            var detections: [Detection] = []
            try file.readList { file, index throws(JSONFault) in
                if let detection = try Detection(&file, index) { detections.append(detection) }
            }
            return detections
        }
        return (detections, problems)
    }

    private init?(_ file: inout AnnotationFile, _ index: Int) throws(JSONFault) {
        var imageID = AnnotationFile.Field()
        var categoryID = AnnotationFile.Field()
        var score = AnnotationFile.Field()
        var box = AnnotationFile.BoxField()
        while let key = try file.json.nextKey() {
            switch key {
            case "image_id": imageID = try file.field()
            case "category_id": categoryID = try file.field()
            case "bbox": box = try file.boxField()
            case "score": score = try file.field()
            default: _ = try file.json.scalar()
            }
        }
        let place = AnnotationProblem.Place.entry(list: "results", index: index)
        guard let imageID = file.id(imageID, "image_id", at: place),
            let categoryID = file.id(categoryID, "category_id", at: place)
        else { return nil }
        guard let found = box.box, found.isFinite else {
            let kind: AnnotationProblem.Kind =
                box.isMissing ? .missingField : box.box == nil ? .wrongType : .boxWithoutArea
            file.report(
                kind,
                at: place,
                "bbox",
                file.text(box),
                allowed: "[x, y, width, height] in finite pixels",
                isDropped: true,
            )
            return nil
        }
        guard let value = score.value.number, value.isFinite else {
            file.report(
                score.value == .null ? .missingField : .badScore,
                at: place,
                "score",
                score.text,
                allowed: "a finite number",
                isDropped: true,
            )
            return nil
        }
        self.init(imageID: imageID, categoryID: categoryID, box: found, score: value)
    }

    /// Writes a COCO list of results, one detection a line, numbers with all their digits.
    ///
    /// - Throws: When a number is not finite (JSON has no word for it) or the disk refuses.
    package static func write(
        _ detections: [Detection],
        to url: URL,
    ) throws(AnnotationError) {
        var text = "["
        for (index, detection) in detections.enumerated() {
            guard detection.box.isFinite, detection.score.isFinite else {
                throw .unwritable(
                    file: url.path,
                    reason: "results[\(index)] is \(detection), allowed: finite numbers",
                )
            }
            text += index == 0 ? "\n" : ",\n"
            text += "{\"image_id\":\(detection.imageID),\"category_id\":\(detection.categoryID)"
            text += ",\"bbox\":\(JSONText.list(detection.box)),\"score\":\(detection.score)}"
        }
        try JSONText.write(text + "\n]\n", to: url)
    }
}
