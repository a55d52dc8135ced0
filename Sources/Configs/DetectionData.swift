// Which images with boxes a job reads: COCO json, or the lists of a VOC tree; one, or several joined.

/// Lists of images with boxes.
package struct DetectionData: Sendable {
    /// The folder below a data-set root.
    package var dataset: String
    /// The lists below `dataset`: COCO json, such as `annotations/instances_train.json`, or image-set
    /// lists of a VOC tree, which end in `.txt`, such as `VOC2012/ImageSets/Main/train.txt`. Several
    /// are joined, and no image may be in two of them.
    package var annotations: [String]
    /// The folder below `dataset` in which the file names of the annotations start: one for all
    /// lists, or one for each. Nil: `images`, and of a VOC list the `JPEGImages` of its tree.
    package var images: [String]?
    /// Nil: all of the lists.
    package var part: SplitPart?
    /// What the images may decide; nil: whatever the place of the list asks for. Written once beside a test list, it
    /// keeps a job from training on it or searching with it.
    package var split: Split?

    package init(
        dataset: String,
        annotations: [String],
        images: [String]? = nil,
        part: SplitPart? = nil,
    ) {
        self.dataset = dataset
        self.annotations = annotations
        self.images = images
        self.part = part
    }

    /// `images` with the default filled in.
    var shownImages: [String]? {
        get {
            let folders = lists.map(\.images)
            return Set(folders).count > 1 ? folders : folders.first.map { [$0] }
        }
        set { images = newValue }
    }

    /// The lists, each with where its images are.
    package var lists: [DetectionList] {
        annotations.enumerated().map { index, path in
            let given = images.flatMap { $0.count == 1 ? $0.first : $0.dropFirst(index).first }
            return DetectionList(path: path, givenImages: given)
        }
    }
}

/// A default that is spelt out changes nothing.
extension DetectionData: Hashable {
    package static func == (one: Self, other: Self) -> Bool {
        one.dataset == other.dataset && one.lists == other.lists && one.part == other.part
            && one.split == other.split
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(dataset)
        hasher.combine(lists)
        hasher.combine(part)
        hasher.combine(split)
    }
}

/// One list of images with boxes, by paths below the data set.
package struct DetectionList: Hashable, Sendable {
    package let path: String
    /// Where its file names start; `.` is the data set itself.
    package let images: String
    /// The folder of its xml files, where it is an image-set list of a VOC tree; nil for COCO json.
    package let xml: String?

    package var isVoc: Bool { xml != nil }

    init(path: String, givenImages: String?) {
        self.path = path
        let isVoc = path.lowercased().hasSuffix(".txt")
        // The tree is three levels up of the list.
        let tree = path.split(separator: "/").dropLast(3)
        func inTree(_ folder: String) -> String { (tree + [folder[...]]).joined(separator: "/") }
        images = givenImages ?? (isVoc ? inTree("JPEGImages") : "images")
        xml = isVoc ? inTree("Annotations") : nil
    }
}

extension DetectionData: Fielded {
    static var blank: Self { Self(dataset: "", annotations: []) }
    private static let most = 16

    static var fields: [Field<Self>] {
        [
            Field("dataset", \.dataset, .path, required: true),
            Field(
                "annotations",
                \.annotations,
                .oneOrMore(.path, most: most),
                required: true,
            ),
            Field(
                "images",
                \.shownImages,
                .optional(.oneOrMore(.path(orFolder: true), most: most)),
            ),
            Field("part", \.part, .optional(.object)),
            Field("split", \.split, .optional(.choice)),
        ]
    }

    static var rules: [Rule<Self>] {
        [
            Rule("annotations", code: .notAllowed, allowed: "TREE/ImageSets/SET/LIST.txt") { root in
                root.lists.first { $0.isVoc && $0.path.split(separator: "/").count < 3 }
                    .map { "\"\($0.path)\" is in no VOC tree: its images are three folders up" }
            },
            Rule("split", "part") { root in
                guard let split = root.split, let part = root.part, split != part.role.split
                else { return nil }
                return "a part for \(part.role.rawValue) of a list for \(split.rawValue)"
            },
            Rule("annotations", allowed: "each list once") {
                Set($0.annotations).count == $0.annotations.count
                    ? nil : "a list is named twice"
            },
            Rule(
                "images",
                "annotations",
                allowed: "one folder for all lists, or one for each",
            ) { root in
                guard let images = root.images, images.count != 1,
                    images.count != root.annotations.count
                else { return nil }
                return "\(images.count) folders for \(root.annotations.count) lists"
            },
        ]
    }

    /// Whether no image can be in both, as far as names tell: other lists, or the two parts of one
    /// split.
    package func isDisjoint(from other: DetectionData) -> Bool {
        guard dataset == other.dataset,
            !Set(annotations).isDisjoint(with: other.annotations)
        else { return true }
        guard Set(annotations) == Set(other.annotations), let part, let otherPart = other.part
        else { return false }
        return part.isOther(of: otherPart)
    }
}
