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
    private let files: [FileNames]
    /// The number of each class's first sample, and behind the last the number of samples.
    private let starts: [Int]

    private static let endings = [".jpg", ".jpeg", ".png"].map { Array($0.utf8) }

    package var count: Int { starts.last ?? 0 }

    /// Lists the tree; reads no image.
    package init(root: URL) throws(DatasetError) {
        let classes = try Self.names(in: root.path) { _ in true }
            .map { String(decoding: $0, as: UTF8.self) }
            .filter { Self.isFolder("\(root.path)/\($0)") }
        guard !classes.isEmpty else {
            throw DatasetError(
                .noClasses,
                "\(root.path) has no class folders; images belong in CLASS/FILE.jpg",
            )
        }
        var files: [FileNames] = []
        for name in classes {
            let folder = "\(root.path)/\(name)"
            let names = try Self.names(in: folder, Self.isPicture)
            guard !names.isEmpty else {
                throw DatasetError(.noImages, "\(folder) has no images (.jpg, .jpeg or .png)")
            }
            guard let names = FileNames(names) else {
                throw DatasetError(.noImages, "\(folder) has more than 4 GiB of file names")
            }
            files.append(names)
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
        let file = String(decoding: files[label][sample - starts[label]], as: UTF8.self)
        return "\(classes[label])/\(file)"
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
        // As sorting "CLASS/FILE" would: "a-b" before "a".
        let order = classes.indices.sorted {
            "\(classes[$0])/".utf8.lexicographicallyPrecedes("\(classes[$1])/".utf8)
        }
        var digest = DataDigest()
        for label in order {
            let folder = Array("\(classes[label])/".utf8)
            for index in 0..<files[label].count {
                let name = folder + files[label][index]
                digest.add(
                    name: name,
                    path: "\(root.path)/\(String(decoding: name, as: UTF8.self))",
                )
            }
        }
        return digest.finish()
    }

    /// Whether a name, not its beginning alone, ends like a picture's.
    private static func isPicture(_ name: [UInt8]) -> Bool {
        endings.contains { ending in
            name.count > ending.count
                && zip(name.suffix(ending.count), ending).allSatisfy { byte, letter in
                    byte == letter || (letter != UInt8(ascii: ".") && byte | 0x20 == letter)
                }
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func names(
        in folder: String,
        _ isWanted: ([UInt8]) -> Bool,
    ) throws(DatasetError) -> [[UInt8]] {
        guard isFolder(folder) else {
            throw DatasetError(.missingFolder, "\(folder) is not a folder")
        }
        guard let names = FileNames.list(folder, isWanted) else {
            throw DatasetError(
                .missingFolder,
                "\(folder) cannot be listed: \(String(cString: strerror(errno)))",
            )
        }
        return names
    }
}
