// A detection set as a model sees it: classes without gaps, boxes that lie in their images.

package import Annotations
package import Foundation
package import SearchSpaces

/// The images of a COCO set, with what a detector learns from.
package struct DetectionSet: Sendable {
    /// What the set is read for.
    package enum Purpose: Sendable {
        /// Images without an object that can be learnt are left out.
        case training
        /// Every image is kept: detections in one without objects are mistakes too.
        case evaluation
    }

    /// One image and its objects.
    package struct Item: Sendable {
        package let imageID: Int64
        /// Below the image folder.
        package let fileName: String
        /// What the annotations say; nil where they do not.
        package let size: ImageSize?
        /// In pixels of the whole image, clipped to it; no crowds, no difficult
        /// objects, no boxes of a pixel or less.
        package let boxes: [Box]
        /// The class of each box, `0 ..< classNames.count`.
        package let labels: [Int]
    }

    package let imageRoot: URL
    package let purpose: Purpose
    package private(set) var items: [Item]
    package let classNames: [String]
    /// The COCO id of each class.
    package let categoryIDs: [Int64]
    /// How many objects were left out: crowds, those that are difficult or to be ignored, and boxes too
    /// small or outside their image.
    package let droppedObjects: Int

    /// A box is learnt only if both its sides, clipped to the image, are longer than this.
    package static let minSide = 1.0

    /// - Throws: when the folder is missing, a file name leads out of it, or no image is left.
    package init(
        dataset: CocoDataset,
        imageRoot: URL,
        purpose: Purpose,
    )
        throws(DatasetError)
    {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: imageRoot.path, isDirectory: &isFolder),
            isFolder.boolValue
        else { throw DatasetError(.missingFolder, "\(imageRoot.path) is not a folder") }
        var items: [Item] = []
        var dropped = 0
        for image in dataset.images {
            // By scalars, as the system does: a `/` with an accent is another character to Swift.
            let scalars = image.fileName.unicodeScalars
            let parts = scalars.split(separator: "/", omittingEmptySubsequences: false)
                .map(String.init)
            guard !parts.contains(".."), !parts.contains(""), !image.fileName.contains("\0") else {
                throw DatasetError(
                    .badFileName,
                    "file_name of image \(image.id) is \"\(image.fileName)\"; allowed is a path "
                        + "below \(imageRoot.path)",
                )
            }
            let size =
                image.width > 0 && image.height > 0
                ? ImageSize(height: image.height, width: image.width) : nil
            var (boxes, labels) = ([Box](), [Int]())
            for annotation in dataset.annotations(ofImage: image.id) {
                guard !annotation.isCrowd, !annotation.ignore, !annotation.isDifficult,
                    let label = dataset.categoryIndex(id: annotation.categoryID),
                    let box = Self.learnable(annotation.box, in: size)
                else {
                    dropped += 1
                    continue
                }
                boxes.append(box)
                labels.append(label)
            }
            if purpose == .training, boxes.isEmpty { continue }
            items.append(
                Item(
                    imageID: image.id,
                    fileName: image.fileName,
                    size: size,
                    boxes: boxes,
                    labels: labels,
                )
            )
        }
        guard !items.isEmpty else {
            throw DatasetError(
                .noImages,
                dataset.images.isEmpty
                    ? "the annotations for \(imageRoot.path) list no images"
                    : "none of the \(dataset.images.count) images for \(imageRoot.path) has an "
                        + "object that can be learnt",
            )
        }
        self.imageRoot = imageRoot
        self.purpose = purpose
        self.items = items
        droppedObjects = dropped
        categoryIDs = dataset.categoryIDs
        classNames = dataset.categoryIDs.map { dataset.category(id: $0)?.name ?? "\($0)" }
    }

    package func path(of item: Int) -> String { "\(imageRoot.path)/\(items[item].fileName)" }

    /// Images whose file is not there, in order: at most `limit` of them.
    package func missingFiles(limit: Int = 20) -> [ImageError] {
        var missing: [ImageError] = []
        for index in items.indices where missing.count < limit {
            guard access(path(of: index), F_OK) != 0 else { continue }
            missing.append(
                ImageError(
                    file: path(of: index),
                    reason: "does not exist (image \(items[index].imageID) of the annotations)",
                )
            )
        }
        return missing
    }

    /// A digest of the data: names and sizes of the images, and the annotation files in their order;
    /// one that cannot be read stands as an empty one.
    package func digest(annotations files: [URL]) -> SHA256.Digest {
        var digest = DataDigest()
        let order = items.indices.sorted {
            items[$0].fileName.utf8.lexicographicallyPrecedes(items[$1].fileName.utf8)
        }
        for item in order { digest.add(name: items[item].fileName.utf8, path: path(of: item)) }
        for file in files { digest.add(annotations: (try? Data(contentsOf: file)) ?? Data()) }
        return digest.finish()
    }

    private static func learnable(_ box: Box, in size: ImageSize?) -> Box? {
        let clipped =
            size.map { box.clipped(width: Double($0.width), height: Double($0.height)) } ?? box
        guard let clipped, clipped.isFinite, clipped.width > minSide, clipped.height > minSide
        else { return nil }
        return clipped
    }
}

extension DetectionSet {
    /// The same images in an order of their own, whatever that of their list: by the padded size that `transform` gives
    /// them, then by name. Those whose size the annotations do not say are last.
    package func arranged(for transform: DetectionTransform) -> DetectionSet {
        func padded(_ side: Int) -> Int {
            (side + transform.divisor - 1) / transform.divisor * transform.divisor
        }
        let keyed = items.map { item in
            let size = item.size.map { transform.size(of: $0) }
            return (
                key: (
                    size.map { padded($0.height) } ?? .max, size.map { padded($0.width) } ?? .max,
                    item.fileName, item.imageID,
                ), item: item,
            )
        }
        var arranged = self
        arranged.items = keyed.sorted { $0.key < $1.key }.map(\.item)
        return arranged
    }
}
