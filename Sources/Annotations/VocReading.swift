// Reads an image-set list of a VOC tree and the xml of its images. One bad file or object does not
// spoil the list: it is mended or left out, and named.

import Foundation

/// The classes of VOC, and what a list's are.
package enum VocClasses {
    /// In the order of their alphabet, in which every VOC evaluator numbers them.
    package static let names = [
        "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
        "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
        "train", "tvmonitor",
    ]

    /// The classes of lists that are read together: `settled` where all names found are among them,
    /// else VOC's own on the same condition, else the names found, by their bytes.
    static func numbering(of readings: [VocReading], settled: [String]?) -> [String] {
        let found = Set(readings.lazy.flatMap { $0.objects.lazy.map(\.name) })
        if let settled, Set(settled).count == settled.count, found.isSubset(of: settled) {
            return settled
        }
        if found.isSubset(of: names) { return names }
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}

/// A VOC list, all of it read, its classes not numbered yet.
struct VocReading {
    struct Object {
        let imageID: Int64
        let name: String
        let box: Box
        let isDifficult: Bool
    }

    private(set) var images: [CocoImage] = []
    private(set) var objects: [Object] = []
    private(set) var problems: [AnnotationProblem] = []
    /// The list, and the xml of every image that it names.
    private(set) var files: [URL]
    private let tree: VocTree
    private let list: AnnotationList

    /// - Throws: when the list cannot be read, or stands in no VOC tree.
    init(_ list: AnnotationList) throws(AnnotationError) {
        self.list = list
        tree = VocTree(list: list.file)
        files = [list.file]
        var isFolder: ObjCBool = false
        guard
            FileManager.default.fileExists(
                atPath: tree.annotations.path,
                isDirectory: &isFolder,
            ), isFolder.boolValue
        else {
            throw .unreadable(
                file: list.file.path,
                reason: "\(tree.annotations.path) is not a folder; a VOC list stands at "
                    + "TREE/ImageSets/SET/LIST.txt, and TREE/Annotations holds the boxes",
            )
        }
        let names = try VocList(list)
        problems = names.problems
        var owners: [Int64: String] = [:]
        for entry in names.entries { read(entry, &owners) }
    }

    /// The list as a set with these classes; what is of another is left out.
    func dataset(classes: [String]) -> CocoDataset {
        let ids = Dictionary(
            zip(classes, 1...Int64(max(classes.count, 1))),
            uniquingKeysWith: { first, _ in first },
        )
        return CocoDataset(
            images: images,
            categories: classes.enumerated().map {
                CocoCategory(id: Int64($0.offset + 1), name: $0.element, supercategory: "voc")
            },
            annotations: objects.enumerated().compactMap { index, object in
                ids[object.name].map {
                    CocoAnnotation(
                        id: Int64(index + 1),
                        imageID: object.imageID,
                        categoryID: $0,
                        box: object.box,
                        isDifficult: object.isDifficult,
                    )
                }
            },
        )
    }

    // MARK: Images

    private mutating func read(_ entry: VocList.Entry, _ owners: inout [Int64: String]) {
        let url = tree.annotation(of: entry.name)
        let shown = "\(tree.root.lastPathComponent)/Annotations/\(entry.name).xml"
        files.append(url)
        let file: VocFile
        do throws(AnnotationError) {
            file = try VocFile(contentsOf: url)
        } catch {
            report(
                .unreadableFile,
                at: .line(file: list.file.lastPathComponent, number: entry.line),
                shown,
                "\(error)",
                allowed: "an xml file of VOC's form",
                isDropped: true,
            )
            return
        }
        let id = VocTree.imageID(of: entry.name)
        if let other = owners.updateValue(entry.name, forKey: id) {
            report(
                .duplicateID,
                at: .line(file: list.file.lastPathComponent, number: entry.line),
                "name",
                "\"\(entry.name)\", whose number \(id) is that of \"\(other)\"",
                allowed: "a name of another number",
                isDropped: true,
            )
            owners[id] = other
            return
        }
        let image = CocoImage(
            id: id,
            fileName: fileName(of: entry.name, file.fileName, shown),
            width: side("width", file.size?.width, of: file, shown),
            height: side("height", file.size?.height, of: file, shown),
        )
        images.append(image)
        for (index, object) in file.objects.enumerated() {
            let place = AnnotationProblem.Place.object(file: shown, number: index + 1)
            if let object = read(object, in: image, at: place) { objects.append(object) }
        }
    }

    /// The picture of that name below the image folder, whatever its ending. Where there is none,
    /// the one that the xml names, or else the `.jpg` that is missing.
    private mutating func fileName(of name: String, _ told: String?, _ shown: String) -> String {
        let folder = list.images.path
        let endings = ["jpg", "JPG", "jpeg", "JPEG", "png", "PNG"]
        var found = endings.lazy.map { "\(name).\($0)" }
            .first { access("\(folder)/\($0)", F_OK) == 0 }
        if found == nil, let told, isPlain(told), access("\(folder)/\(told)", F_OK) == 0 {
            found = told
        }
        let chosen = found ?? "\(name).jpg"
        if let told, !told.isEmpty, told != (chosen as NSString).lastPathComponent {
            report(
                .otherFileName,
                at: .file(shown),
                "filename",
                "\"\(told.prefix(80))\"",
                allowed: "\"\(chosen)\", which is read",
                isDropped: false,
            )
        }
        return chosen
    }

    private func isPlain(_ name: String) -> Bool {
        !["", ".", ".."].contains(name) && !name.contains("/") && !name.utf8.contains(0)
    }

    /// Of the image in pixels; 0, which leaves it to the picture's file, where the xml does not say.
    private mutating func side(
        _ name: String,
        _ text: String?,
        of file: VocFile,
        _ shown: String,
    ) -> Int {
        if let number = text.flatMap(Double.init), let side = Int(exactly: number), side > 0,
            side <= Int(Int32.max)
        {
            return side
        }
        if file.size == nil, name == "height" { return 0 }  // told once, with the width
        report(
            text == nil ? .missingField : .badImageSize,
            at: .file(shown),
            file.size == nil ? "size" : "size/\(name)",
            text.map { "\"\($0.prefix(80))\"" } ?? "missing",
            allowed: "a whole number from 1 to \(Int32.max); that of the picture stands in for it",
            isDropped: false,
        )
        return 0
    }

    // MARK: Objects

    private mutating func read(
        _ object: VocFile.Object,
        in image: CocoImage,
        at place: AnnotationProblem.Place,
    ) -> Object? {
        guard let name = object.name, !name.isEmpty else {
            report(
                .missingField,
                at: place,
                "name",
                object.name == nil ? "missing" : "empty",
                allowed: "the name of a class",
                isDropped: true,
            )
            return nil
        }
        guard let box = box(object.corners, in: image, at: place) else { return nil }
        return Object(
            imageID: image.id,
            name: name,
            box: box,
            isDifficult: isDifficult(object.difficult, at: place),
        )
    }

    private mutating func isDifficult(
        _ text: String?,
        at place: AnnotationProblem.Place,
    ) -> Bool {
        switch text?.lowercased() {
        case "1", "true": return true
        case nil, "", "0", "false", "unspecified": return false
        default:
            report(
                .wrongType,
                at: place,
                "difficult",
                "\"\(text?.prefix(80) ?? "")\"",
                allowed: "0 or 1; 0 stands in for it",
                isDropped: false,
            )
            return false
        }
    }

    /// The box between corners that count pixels from 1 and include the last, clipped to the image.
    private mutating func box(
        _ corners: [String?]?,
        in image: CocoImage,
        at place: AnnotationProblem.Place,
    ) -> Box? {
        guard let corners else {
            report(
                .missingField,
                at: place,
                "bndbox",
                "missing",
                allowed: "xmin, ymin, xmax and ymax",
                isDropped: true,
            )
            return nil
        }
        var values: [Double] = []
        for (name, text) in zip(["xmin", "ymin", "xmax", "ymax"], corners) {
            guard let value = text.flatMap(Double.init), abs(value) <= Self.farthest else {
                report(
                    text == nil ? .missingField : .wrongType,
                    at: place,
                    "bndbox/\(name)",
                    text.map { "\"\($0.prefix(80))\"" } ?? "missing",
                    allowed: "a number of pixels, at most \(Int(Self.farthest))",
                    isDropped: true,
                )
                return nil
            }
            values.append(value)
        }
        let told = "[" + values.map { "\($0)" }.joined(separator: ", ") + "]"
        func blame(_ kind: AnnotationProblem.Kind, allowed: String, isDropped: Bool) {
            report(kind, at: place, "bndbox", told, allowed: allowed, isDropped: isDropped)
        }
        if values[0] == values[2] || values[1] == values[3] {
            blame(.boxWithoutArea, allowed: "xmin < xmax and ymin < ymax", isDropped: true)
            return nil
        }
        if values[0] > values[2] || values[1] > values[3] {
            blame(
                .swappedCorners,
                allowed: "xmin < xmax and ymin < ymax; they are exchanged",
                isDropped: false,
            )
        }
        let (xmin, xmax) = (min(values[0], values[2]), max(values[0], values[2]))
        let (ymin, ymax) = (min(values[1], values[3]), max(values[1], values[3]))
        let box = Box(
            x: xmin - 1,
            y: ymin - 1,
            width: xmax - xmin + 1,
            height: ymax - ymin + 1,
        )
        let isSized = image.width > 0 && image.height > 0
        let width = isSized ? Double(image.width) : .infinity
        let height = isSized ? Double(image.height) : .infinity
        guard box.overhang(width: width, height: height) > 0 else { return box }
        let allowed =
            isSized ? "within 1...\(image.width) x 1...\(image.height)" : "numbers from 1 on"
        guard let clipped = box.clipped(width: width, height: height) else {
            blame(.boxOutside, allowed: allowed, isDropped: true)
            return nil
        }
        blame(.boxPartlyOutside, allowed: "\(allowed); it is clipped", isDropped: false)
        return clipped
    }

    /// The largest coordinate that is taken for one, pixels.
    private static let farthest = 1e7

    private mutating func report(
        _ kind: AnnotationProblem.Kind,
        at place: AnnotationProblem.Place,
        _ field: String,
        _ value: String,
        allowed: String,
        isDropped: Bool,
    ) {
        problems.append(
            AnnotationProblem(
                kind,
                at: place,
                field: field,
                value: value,
                allowed: allowed,
                isDropped: isDropped,
            )
        )
    }
}
