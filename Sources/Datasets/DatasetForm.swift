// What a folder is, by what lies in it: COCO lists, a VOC tree, or folders of classes.

package import Annotations
package import Foundation

/// What a data set is made of.
package enum DatasetForm: Sendable {
    /// COCO json, by the names of the files.
    case coco([(name: String, list: AnnotationList)])
    /// Image-set lists of VOC trees, by tree and list.
    case voc([(name: String, list: AnnotationList)])
    /// Each folder has a folder for each class; the first says the classes.
    case imageFolders([URL])

    /// The word that users see.
    package var name: String {
        switch self {
        case .coco: "coco"
        case .voc: "voc"
        case .imageFolders: "imagenet"
        }
    }

    /// - Returns: nil for a folder that is none of them.
    package init?(of root: URL) {
        let coco = Self.cocoLists(in: root)
        let voc = Self.vocLists(in: root)
        let folders = Self.classFolders(in: root)
        if !coco.isEmpty {
            self = .coco(coco)
        } else if !voc.isEmpty {
            self = .voc(voc)
        } else if let first = folders.first, Self.hasFolders(first) {
            self = .imageFolders(folders)
        } else {
            return nil
        }
    }

    /// The folder itself, or its `train` and `val` where it has them.
    package static func classFolders(in root: URL) -> [URL] {
        let train = root.appending(path: "train")
        // `train` may also be a class: then it holds pictures, not folders.
        guard hasFolders(train) else { return [root] }
        let val = root.appending(path: "val")
        return val.isFolder ? [train, val] : [train]
    }

    /// `annotations/*.json` that have their images beside them or one folder up.
    private static func cocoLists(in root: URL) -> [(name: String, list: AnnotationList)] {
        let folder = root.appending(path: "annotations")
        return names(in: folder).filter { $0.lowercased().hasSuffix(".json") }.compactMap { name in
            AnnotationList(withImagesNear: folder.appending(path: name)).map {
                (String(name.dropLast(5)), $0)
            }
        }
    }

    /// `ImageSets/Main` of the folder or of a folder in it, but for the lists of single classes.
    private static func vocLists(in root: URL) -> [(name: String, list: AnnotationList)] {
        let trees = [("", root)] + names(in: root).map { ("\($0)/", root.appending(path: $0)) }
        return trees.flatMap { prefix, tree in
            ["train", "val", "trainval", "test"].compactMap { name in
                let file = tree.appending(path: "ImageSets/Main/\(name).txt")
                guard FileManager.default.fileExists(atPath: file.path) else { return nil }
                return (prefix + name, AnnotationList(voc: file))
            }
        }
    }

    private static func names(in folder: URL) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted()
    }

    private static func hasFolders(_ folder: URL) -> Bool {
        names(in: folder).contains { folder.appending(path: $0).isFolder }
    }
}

extension AnnotationList {
    /// Where the images of a COCO json may lie when nobody says: `images` beside it, or one folder up.
    package static func places(near file: URL) -> [URL] {
        let folder = file.deletingLastPathComponent()
        return [folder, folder.deletingLastPathComponent()].map { $0.appending(path: "images") }
    }

    /// A COCO json with the first of these places that is there; nil where none is.
    package init?(withImagesNear file: URL) {
        guard let images = Self.places(near: file).first(where: \.isFolder) else { return nil }
        self.init(file, images: images)
    }
}

extension URL {
    fileprivate var isFolder: Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            && isFolder.boolValue
    }
}
