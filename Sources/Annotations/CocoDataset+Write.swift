// Writes COCO json that every COCO tool reads.

package import Foundation

extension CocoDataset {
    /// Writes the data set as a COCO detection file, one entry a line; masks are not kept.
    ///
    /// - Throws: When a box or an area is not finite or the disk refuses.
    package func write(to url: URL) throws(AnnotationError) {
        let imageLines = images.map {
            "{\"id\":\($0.id),\"file_name\":\(JSONText.quoted($0.fileName)),"
                + "\"width\":\($0.width),\"height\":\($0.height)}"
        }
        let categoryLines = categories.map { category in
            let parent = category.supercategory.map {
                ",\"supercategory\":\(JSONText.quoted($0))"
            }
            return "{\"id\":\(category.id),\"name\":\(JSONText.quoted(category.name))"
                + (parent ?? "") + "}"
        }
        var annotationLines: [String] = []
        for annotation in annotations {
            guard annotation.box.isFinite, annotation.area.isFinite else {
                throw .unwritable(
                    file: url.path,
                    reason: "annotation \(annotation.id) has box \(annotation.box) and area "
                        + "\(annotation.area), allowed: finite numbers",
                )
            }
            annotationLines.append(
                "{\"id\":\(annotation.id),\"image_id\":\(annotation.imageID),"
                    + "\"category_id\":\(annotation.categoryID),"
                    + "\"bbox\":\(JSONText.list(annotation.box)),\"area\":\(annotation.area),"
                    + "\"iscrowd\":\(annotation.isCrowd ? 1 : 0)"
                    + (annotation.ignore ? ",\"ignore\":1" : "")
                    + (annotation.isDifficult ? ",\"difficult\":1}" : "}")
            )
        }
        let lists = [
            ("images", imageLines), ("categories", categoryLines),
            ("annotations", annotationLines),
        ]
        let members = lists.map { "\"\($0.0)\":[\n" + $0.1.joined(separator: ",\n") + "\n]" }
        try JSONText.write("{" + members.joined(separator: ",\n") + "}\n", to: url)
    }
}

/// The pieces of JSON that this module writes.
enum JSONText {
    static func list(_ box: Box) -> String { "[\(box.x),\(box.y),\(box.width),\(box.height)]" }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    static func write(_ text: String, to url: URL) throws(AnnotationError) {
        do {
            try Data(text.utf8).write(to: url, options: .atomic)
        } catch {
            throw .unwritable(file: url.path, reason: AnnotationFile.reason(error))
        }
    }
}
