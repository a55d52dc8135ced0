// Data sets are folders in the roots that the server was given; nothing a request says leads out of them.

internal import Foundation
internal import Glibc
package import JobStore

package struct DatasetRoot: Hashable, Sendable {
    /// The last part of its path: all that the API shows.
    package var name: String { (path as NSString).lastPathComponent }
    /// Absolute, without symbolic links.
    package let path: String

    /// - Returns: nil unless `path` is a folder.
    package init?(_ path: String) {
        guard let real = DatasetRoot.real(path), DatasetRoot.isFolder(real) else { return nil }
        self.path = real
    }

    /// The folder of the data set called `name`: one folder's name; nil where there is none.
    package func dataset(_ name: String) -> String? {
        guard DatasetRoot.isPlain(name), let folder = inside(path, name),
            DatasetRoot.isFolder(folder)
        else { return nil }
        return folder
    }

    /// The folders of `settings`, and that of uploads where there is one. It comes first: what was registered stays what it
    /// is when a folder of the same name comes into another root.
    package static func all(_ settings: Scheduler.Settings, _ store: JobStore) -> [DatasetRoot] {
        [DatasetRoot(store.unpackFolder)].compactMap { $0 } + settings.datasetRoots
    }

    /// The names of its data sets, in order.
    package var datasets: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.filter { !$0.hasPrefix(".") && dataset($0) != nil }.sorted()
    }

    /// What `relative` means in the data set at `folder`, when it exists and lies within it.
    package func path(_ relative: String, in folder: String) -> String? {
        let scalars = relative.unicodeScalars
        let parts = scalars.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.allSatisfy(DatasetRoot.isPlain) else { return nil }
        return inside(folder, relative)
    }

    private func inside(_ folder: String, _ relative: String) -> String? {
        guard let real = DatasetRoot.real(folder + "/" + relative), real.hasPrefix(path + "/")
        else {
            return nil
        }
        return real
    }

    private static func isPlain(_ part: String) -> Bool {
        !part.isEmpty && part != "." && part != ".." && !part.utf8.contains(UInt8(ascii: "/"))
            && !part.utf8.contains(0)
    }

    private static func real(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
