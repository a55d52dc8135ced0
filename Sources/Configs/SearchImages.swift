// Which images a search reads: with boxes for a detector's fitness, in class folders for a classifier's.

package enum SearchImages: Hashable, Sendable {
    case boxes(DetectionData)
    case folder(FolderData)

    package var boxes: DetectionData? { if case .boxes(let data) = self { data } else { nil } }
    package var folder: FolderData? { if case .folder(let data) = self { data } else { nil } }

    var part: SplitPart? {
        switch self {
        case .boxes(let data): data.part
        case .folder(let data): data.part
        }
    }

    var split: Split? { boxes?.split }

    /// Whether no image can be in both, as far as names tell.
    func isDisjoint(from other: SearchImages) -> Bool {
        switch (self, other) {
        case (.boxes(let one), .boxes(let two)): one.isDisjoint(from: two)
        case (.folder(let one), .folder(let two)): one.isDisjoint(from: two)
        default: true
        }
    }
}

/// Images in ImageNet layout, `DATASET/FOLDER/CLASS/IMAGE`, or a part of them.
package struct FolderData: Hashable, Sendable {
    /// The folder below a data-set root.
    package var dataset: String
    /// The folder of class folders below `dataset`.
    package var folder: String
    /// Nil: all of the folder.
    package var part: SplitPart?
    /// The most images that are read, a seeded choice; nil: all. They are kept in memory.
    package var images: Int?

    package init(dataset: String, folder: String, part: SplitPart? = nil) {
        self.dataset = dataset
        self.folder = folder
        self.part = part
    }

    func isDisjoint(from other: FolderData) -> Bool {
        guard dataset == other.dataset, folder == other.folder else { return true }
        guard let part, let otherPart = other.part else { return false }
        return part.isOther(of: otherPart)
    }
}

extension SplitPart {
    /// Whether both are the two parts of one split.
    func isOther(of part: SplitPart) -> Bool {
        role != part.role && seed == part.seed && architectureShare == part.architectureShare
    }
}

extension Form<SearchImages> {
    /// An object with a `folder` is one of class folders, any other a list of images with boxes.
    static var searchImages: Form {
        let boxes = Form<DetectionData>.object
        let folder = Form<FolderData>.object
        return Form(schema: ["anyOf": [boxes.schema, folder.schema]]) { json, place, faults in
            json["folder"] == nil
                ? boxes.read(json, place, &faults).map { .boxes($0) }
                : folder.read(json, place, &faults).map { .folder($0) }
        } write: {
            switch $0 {
            case .boxes(let data): boxes.write(data)
            case .folder(let data): folder.write(data)
            }
        }
    }
}

extension FolderData: Fielded {
    static var blank: Self { Self(dataset: "", folder: "") }

    static var fields: [Field<Self>] {
        [
            Field("dataset", \.dataset, .path, required: true),
            Field("folder", \.folder, .path, required: true),
            Field("part", \.part, .optional(.object)),
            Field("images", \.images, .optional(.int(1...1_000_000_000))),
        ]
    }
}
