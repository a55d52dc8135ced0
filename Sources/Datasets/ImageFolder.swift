// A classification set in ImageNet's layout: one folder for each class, named by it.

package import Foundation
package import SearchSpaces

/// What is wrong with a set as a whole.
package struct DatasetError: Error, Equatable, CustomStringConvertible {
    /// A word that programs can tell cases by.
    package enum Code: String, Sendable {
        case missingFolder = "missing_folder"
        case noClasses = "no_classes"
        case noImages = "no_images"
        case classMismatch = "class_mismatch"
        case badFileName = "bad_file_name"
        case tooManyBrokenImages = "too_many_broken_images"
        case missingSources = "missing_sources"
        case badTarget = "bad_target"
        case badOption = "bad_option"
    }

    package let code: Code
    /// A whole sentence with the place, the value and what is allowed.
    package let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

/// The images of an ImageNet-like tree: `root/CLASS/FILE`.
///
/// Classes are sorted by name and files within each class too, so that a sample's number means the
/// same everywhere. Hidden files and names that do not end like a picture's are passed over.
package struct ImageFolder: Sendable {
    package let root: URL
    /// Label `k` is the folder `classes[k]`.
    package let classes: [String]
    /// The file names of each class.
    private let files: [[String]]
    /// The number of each class's first sample, and behind the last the number of samples.
    private let starts: [Int]

    package static let extensions: Set<String> = ["jpg", "jpeg", "png"]

    package var count: Int { starts.last ?? 0 }

    /// Lists the tree; reads no image.
    package init(root: URL) throws(DatasetError) {
        let classes = try Self.names(in: root).filter { Self.isFolder(root.appending(path: $0)) }
        guard !classes.isEmpty else {
            throw DatasetError(
                .noClasses,
                "\(root.path) has no class folders; images belong in CLASS/FILE.jpg",
            )
        }
        var files: [[String]] = []
        for name in classes {
            files.append(
                try Self.names(in: root.appending(path: name)).filter {
                    Self.extensions.contains(($0 as NSString).pathExtension.lowercased())
                }
            )
        }
        if let empty = zip(classes, files).first(where: { $0.1.isEmpty }) {
            throw DatasetError(
                .noImages,
                "\(root.path)/\(empty.0) has no images (.jpg, .jpeg or .png)",
            )
        }
        self.root = root
        self.classes = classes
        self.files = files
        starts = files.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    }

    /// The label of a sample, `0 ..< classes.count`.
    package func label(of sample: Int) -> Int {
        var (low, high) = (0, classes.count)  // starts[low] <= sample < starts[high]
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= sample { low = middle } else { high = middle }
        }
        return low
    }

    /// Such as `CLASS/FILE.jpg`.
    package func name(of sample: Int) -> String {
        let label = label(of: sample)
        return "\(classes[label])/\(files[label][sample - starts[label]])"
    }

    package func path(of sample: Int) -> String { "\(root.path)/\(name(of: sample))" }

    /// - Throws: when `other` (a validation set) has other classes than this one.
    package func checkClasses(of other: ImageFolder) throws(DatasetError) {
        guard classes != other.classes else { return }
        func listed(_ names: some Sequence<String>) -> String {
            let names = Array(names)
            return names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", ..." : "")
        }
        let missing = Set(classes).subtracting(other.classes).sorted()
        let surplus = Set(other.classes).subtracting(classes).sorted()
        let parts = [
            missing.isEmpty ? "" : "lacks \(listed(missing))",
            surplus.isEmpty ? "" : "has \(listed(surplus)) besides",
        ]
        throw DatasetError(
            .classMismatch,
            "\(other.root.path) must have the classes of \(root.path), but "
                + parts.filter { !$0.isEmpty }.joined(separator: " and "),
        )
    }

    /// A digest of the data: names and sizes of all files, in order.
    package func digest() -> SHA256.Digest {
        DataDigest.of(
            files: (0..<count).lazy.map { (name(of: $0), path(of: $0)) },
            annotations: [],
        )
    }

    private static func isFolder(_ url: URL) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
            && isFolder.boolValue
    }

    /// Sorted by bytes, which no locale changes.
    private static func names(in folder: URL) throws(DatasetError) -> [String] {
        guard isFolder(folder) else {
            throw DatasetError(.missingFolder, "\(folder.path) is not a folder")
        }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder.path)
                .filter { !$0.hasPrefix(".") }
                .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        } catch {
            throw DatasetError(
                .missingFolder,
                "\(folder.path) cannot be listed: \(error.localizedDescription)",
            )
        }
    }
}
