// Several lists as one: what stays of their names, numbers and classes.

import Foundation

extension AnnotationReading {
    static func joined(_ parts: [Part]) throws(AnnotationError) -> AnnotationReading {
        let root = commonFolder(parts.map(\.list.images))
        var join = Join()
        for part in parts { try join.add(part, below: root) }
        return AnnotationReading(
            dataset: CocoDataset(
                images: join.images,
                categories: join.categories,
                annotations: join.annotations,
            ),
            imageRoot: root,
            problems: join.problems,
            files: parts.flatMap(\.files),
        )
    }

    private static func commonFolder(_ folders: [URL]) -> URL {
        var common = folders[0].pathComponents
        for folder in folders.dropFirst() {
            common = zip(common, folder.pathComponents).prefix { $0 == $1 }.map { $0.0 }
        }
        return URL(filePath: NSString.path(withComponents: common), directoryHint: .isDirectory)
    }
}

private struct Join {
    var images: [CocoImage] = []
    var categories: [CocoCategory] = []
    var annotations: [CocoAnnotation] = []
    var problems: [AnnotationProblem] = []
    private var lists: [String] = []
    /// The list that names a file, by its place in `lists`.
    private var owners: [String: Int] = [:]
    private var imageIDs: Set<Int64> = []
    private var annotationIDs: Set<Int64> = []
    private var categoryIDs: [String: Int64] = [:]

    mutating func add(
        _ part: AnnotationReading.Part,
        below root: URL,
    ) throws(AnnotationError) {
        let name = part.list.file.lastPathComponent
        problems += part.problems.map { part.list.isVoc ? $0 : $0.within(list: name) }
        let inner = part.list.images.pathComponents.dropFirst(root.pathComponents.count)
        let folder = inner.map { $0 + "/" }.joined()
        let newImages = try adopt(part, folder)
        let newCategories = adopt(part.dataset.categories)
        var free = (annotationIDs.max() ?? 0) &+ 1
        for old in part.dataset.annotations {
            // Those of unknown images or categories were left out when the list was read.
            guard let image = newImages[old.imageID], let category = newCategories[old.categoryID]
            else { continue }
            var id = old.id
            while !annotationIDs.insert(id).inserted {
                id = free
                free &+= 1
            }
            annotations.append(
                CocoAnnotation(
                    id: id,
                    imageID: image,
                    categoryID: category,
                    box: old.box,
                    area: old.area,
                    isCrowd: old.isCrowd,
                    ignore: old.ignore,
                    isDifficult: old.isDifficult,
                )
            )
        }
    }

    /// - Returns: The new id of each old one.
    private mutating func adopt(
        _ part: AnnotationReading.Part,
        _ folder: String,
    ) throws(AnnotationError) -> [Int64: Int64] {
        let list = lists.count
        lists.append(part.list.file.path)
        var shared: [Int: [String]] = [:]  // by the other list
        var ids: [Int64: Int64] = [:]
        for old in part.dataset.images {
            // Without a name it stays one: the reader of images says so.
            let name = old.fileName.isEmpty ? "" : folder + old.fileName
            if !name.isEmpty, let owner = owners[name], owner != list {
                shared[owner, default: []].append(name)
                continue
            }
            if !name.isEmpty { owners[name] = list }
            var id = old.id
            var salt: UInt64 = 0
            while !imageIDs.insert(id).inserted {
                id = VocTree.imageID(hashing: "\(name)#\(old.id)#\(salt)")
                salt += 1
            }
            ids[old.id] = id
            images.append(
                CocoImage(id: id, fileName: name, width: old.width, height: old.height)
            )
            guard id != old.id else { continue }
            problems.append(
                AnnotationProblem(
                    .duplicateID,
                    at: .within(list: part.list.file.lastPathComponent, .image(old.id)),
                    field: "id",
                    value: "\(old.id), which another list gives to another image",
                    allowed: "an id of its own; \(id) stands in for it",
                    isDropped: false,
                )
            )
        }
        if let (owner, names) = shared.min(by: { $0.key < $1.key }) {
            throw .sharedImages(
                lists: [lists[owner], lists[list]],
                count: names.count,
                images: Array(names.sorted().prefix(5)),
            )
        }
        return ids
    }

    /// - Returns: The new id of each old one.
    private mutating func adopt(_ others: [CocoCategory]) -> [Int64: Int64] {
        var ids: [Int64: Int64] = [:]
        let taken = Set(categoryIDs.values)
        var free = max(taken.max() ?? 0, others.lazy.map(\.id).max() ?? 0) &+ 1
        for other in others {
            if let known = categoryIDs[other.name] {
                ids[other.id] = known
                continue
            }
            var id = other.id
            if taken.contains(id) {
                id = free
                free &+= 1
            }
            ids[other.id] = id
            categoryIDs[other.name] = id
            categories.append(
                CocoCategory(id: id, name: other.name, supercategory: other.supercategory)
            )
        }
        return ids
    }
}
