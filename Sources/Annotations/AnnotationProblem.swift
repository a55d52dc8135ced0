// What can be wrong with an annotation file: the whole of it, or one entry.

/// Why a file was not read at all.
package enum AnnotationError: Error, Hashable, Sendable, CustomStringConvertible {
    case unreadable(file: String, reason: String)
    /// Not JSON, or JSON of another shape. Line and column count from 1, the column in bytes.
    case malformed(file: String, line: Int, column: Int, expected: String, found: String)
    /// The top-level object lacks one of `images`, `annotations`, `categories`.
    case missingList(file: String, name: String)
    case unwritable(file: String, reason: String)
    /// Lists that are to be joined name the same images; some of these are told.
    case sharedImages(lists: [String], count: Int, images: [String])

    package var description: String {
        switch self {
        case .unreadable(let file, let reason): "\(file) cannot be read: \(reason)"
        case .malformed(let file, let line, let column, let expected, let found):
            "\(file):\(line):\(column): expected \(expected), found \(found)"
        case .missingList(let file, let name):
            "\(file) has no list \"\(name)\"; a COCO file has images, annotations and categories"
        case .unwritable(let file, let reason): "\(file) cannot be written: \(reason)"
        case .sharedImages(let lists, let count, let images):
            "\(lists.joined(separator: " and ")) share \(count) images, among them "
                + "\(images.joined(separator: ", ")); lists that are joined name each image once"
        }
    }
}

/// What is wrong with one entry of a file that was read.
package struct AnnotationProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of mistake it is. Raw values are shown and stored, so they never change.
    package enum Kind: String, Codable, CaseIterable, Sendable {
        case missingField = "missing_field"
        case wrongType = "wrong_type"
        case duplicateID = "duplicate_id"
        /// Two images share one file; a split by image keeps them on one side.
        case duplicateFileName = "duplicate_file_name"
        case unknownImage = "unknown_image"
        case unknownCategory = "unknown_category"
        /// COCO's evaluation takes a match with annotation 0 for no match.
        case zeroID = "zero_id"
        /// Training clips the box, evaluation uses it as it is.
        case boxPartlyOutside = "box_partly_outside"
        case boxOutside = "box_outside"
        case boxWithoutArea = "box_without_area"
        case badArea = "bad_area"
        case badImageSize = "bad_image_size"
        case badScore = "bad_score"
        /// A line of an image-set list that names no image.
        case badLine = "bad_line"
        case unreadableFile = "unreadable_file"
        /// The file says that it describes another picture than the one whose name it bears.
        case otherFileName = "other_file_name"
        case swappedCorners = "swapped_corners"
    }

    /// The entry: by its id, or by its place in a list (from 0) where it has none.
    package enum Place: Hashable, Sendable, CustomStringConvertible {
        case image(Int64)
        case category(Int64)
        case annotation(Int64, image: Int64?)
        case entry(list: String, index: Int)
        /// A whole file.
        case file(String)
        /// A line of an image-set list, from 1.
        case line(file: String, number: Int)
        /// An object of a VOC file, from 1.
        case object(file: String, number: Int)
        /// One of several lists that are joined.
        indirect case within(list: String, Place)

        package var description: String {
            switch self {
            case .image(let id): "image \(id)"
            case .category(let id): "category \(id)"
            case .annotation(let id, let image):
                "annotation \(id)" + (image.map { " of image \($0)" } ?? "")
            case .entry(let list, let index): "\(list)[\(index)]"
            case .file(let file): file
            case .line(let file, let number): "\(file):\(number)"
            case .object(let file, let number): "\(file), object \(number)"
            case .within(let list, let place): "\(list): \(place)"
            }
        }
    }

    package let kind: Kind
    package let place: Place
    /// The field at fault, as the file spells it.
    package let field: String
    /// What stands there, shortened where it is long.
    package let value: String
    package let allowed: String
    /// Whether the entry was left out of what was read.
    package let isDropped: Bool

    package init(
        _ kind: Kind,
        at place: Place,
        field: String,
        value: String,
        allowed: String,
        isDropped: Bool,
    ) {
        self.kind = kind
        self.place = place
        self.field = field
        self.value = value
        self.allowed = allowed
        self.isDropped = isDropped
    }

    /// The same, said of one of several lists that are joined.
    func within(list: String) -> AnnotationProblem {
        AnnotationProblem(
            kind,
            at: .within(list: list, place),
            field: field,
            value: value,
            allowed: allowed,
            isDropped: isDropped,
        )
    }

    package var description: String {
        "\(place): \(field) is \(value), allowed: \(allowed)" + (isDropped ? " (left out)" : "")
    }
}
