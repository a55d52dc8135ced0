// What a checkpoint remembers of its data: enough to notice that files were added, lost or changed in
// size, without reading every image.

package import Foundation
package import SearchSpaces

/// SHA-256 over the names and sizes of files, sorted by name, and over annotation files.
package enum DataDigest {
    /// - Parameters:
    ///   - files: each name, and the path under which its size is looked up; -1 stands for a file
    ///     that is not there.
    ///   - annotations: the whole content of annotation files, in a fixed order.
    package static func of(
        files: some Sequence<(name: String, path: String)>,
        annotations: [Data],
    ) -> SHA256.Digest {
        var hash = SHA256()
        let sorted = files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        for (name, path) in sorted {
            var status = stat()
            let size = stat(path, &status) == 0 ? Int(status.st_size) : -1
            hash.update(Array("\(name.utf8.count):\(name) \(size)\n".utf8))
        }
        for content in annotations {
            hash.update(Array("annotations \(content.count)\n".utf8))
            hash.update(content)
        }
        return hash.finalize()
    }
}
