// The real data that tests read when it lies beside the checkout.

package import Foundation

/// Real images, annotations and weights: `DETNAS_TEST_DATA`, or `../shared/data` beside the checkout.
package enum SharedData {
    /// The folder, or nil where it is missing; then tests that need it are skipped.
    package static let root: URL? = {
        let folder =
            ProcessInfo.processInfo.environment["DETNAS_TEST_DATA"].map { URL(filePath: $0) }
            ?? URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "shared/data")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()

    /// Whether the folder is there: the condition of `@Test(.enabled(if: SharedData.isPresent, ...))`.
    package static var isPresent: Bool { root != nil }

    /// The file or folder at `path` within the data.
    package static func url(_ path: String) -> URL {
        (root ?? URL(filePath: "/missing")).appending(path: path)
    }
}
