// What a checkpoint remembers of its data: enough to notice that files were added, lost or changed in
// size, without reading every image.

package import Foundation
package import SearchSpaces

/// SHA-256 over the names and sizes of files, in the order of their names' bytes, and over annotation
/// files. Fed bit by bit, so that no list of files has to be made for it.
package struct DataDigest {
    private var hash = SHA256()

    package init() {}

    /// Adds a file: its name, and the path under which its size is looked up; -1 stands for a file
    /// that is not there. Whoever calls sees to the order.
    package mutating func add(name: some Collection<UInt8>, path: String) {
        var status = stat()
        let size = stat(path, &status) == 0 ? Int(status.st_size) : -1
        hash.update(Array("\(name.count):".utf8) + name + Array(" \(size)\n".utf8))
    }

    /// Adds the whole content of an annotation file.
    package mutating func add(annotations content: Data) {
        hash.update(Array("annotations \(content.count)\n".utf8))
        hash.update(content)
    }

    package func finish() -> SHA256.Digest { hash.finalize() }
}
