// One or more lists of images with boxes, whatever their form, read into one set. DetNAS trains on
// several at once: VOC's trainval07 and trainval12, COCO's trainval35k.

package import Foundation

/// A list of images with boxes, and where its images lie.
package struct AnnotationList: Hashable, Sendable {
    /// A COCO json; or, where the name ends in `.txt`, an image-set list of a VOC tree.
    package let file: URL
    /// Where the file names of the images start.
    package let images: URL

    package init(_ file: URL, images: URL) {
        self.file = file.standardizedFileURL
        self.images = images.standardizedFileURL
    }

    /// A VOC list whose images lie in the tree's `JPEGImages`.
    package init(voc file: URL) {
        self.init(file, images: VocTree(list: file).images)
    }

    package var isVoc: Bool { Self.isVoc(file.lastPathComponent) }

    package static func isVoc(_ name: String) -> Bool { name.lowercased().hasSuffix(".txt") }
}

/// What lists say, as one set.
package struct AnnotationReading: Sendable {
    package let dataset: CocoDataset
    /// The deepest folder that holds the images of all lists; the file names start there.
    package let imageRoot: URL
    package let problems: [AnnotationProblem]
    /// Every file that says something of the set, in a fixed order.
    package let files: [URL]

    /// Reads lists and joins them.
    ///
    /// - Classes are joined by name; of two lists that number them differently the first is followed.
    /// - Ids of images and annotations stay, but for those that an earlier list uses for something
    ///   else: these are replaced, an image's by a number made from its file name.
    /// - VOC lists number the 20 classes of VOC by their alphabet where they name no others, else
    ///   the names that they hold.
    ///
    /// - Parameter classes: the class names that a VOC list is to have, in their order, where other
    ///   data or a network has settled them; without effect where the list names others.
    /// - Throws: when a list cannot be read, or two lists name the same image.
    /// - Precondition: there is at least one list.
    package static func read(
        _ lists: [AnnotationList],
        classes: [String]? = nil,
    ) throws(AnnotationError) -> AnnotationReading {
        precondition(!lists.isEmpty)
        var parts: [Part] = []
        var vocs: [VocReading] = []
        for list in lists where list.isVoc { vocs.append(try VocReading(list)) }
        let names = VocClasses.numbering(of: vocs, settled: classes)
        var next = vocs.makeIterator()
        for list in lists {
            if list.isVoc, let voc = next.next() {
                parts.append(
                    Part(
                        list: list,
                        dataset: voc.dataset(classes: names),
                        problems: voc.problems,
                        files: voc.files,
                    )
                )
            } else {
                let (dataset, problems) = try CocoDataset.read(contentsOf: list.file)
                parts.append(
                    Part(list: list, dataset: dataset, problems: problems, files: [list.file])
                )
            }
        }
        guard parts.count > 1 else {
            return AnnotationReading(
                dataset: parts[0].dataset,
                imageRoot: parts[0].list.images,
                problems: parts[0].problems,
                files: parts[0].files,
            )
        }
        return try joined(parts)
    }

    struct Part {
        let list: AnnotationList
        let dataset: CocoDataset
        let problems: [AnnotationProblem]
        let files: [URL]
    }
}
