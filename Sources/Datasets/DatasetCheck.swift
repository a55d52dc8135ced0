// Reads a data set in full and says what is in it, what is wrong with it, and what would fail a job.

package import Annotations
package import Foundation
import Synchronization

/// What a look at all of a data set found.
package struct DatasetReport: Sendable {
    /// Each count with its name, in the order in which they are told.
    package var counts: [(name: String, count: Int)] = []
    /// What is wrong, each with its place; a job goes on without these.
    package var problems: [String] = []
    /// What would fail a job.
    package var failures: [String] = []
    /// Of the lists together, or of each folder, where there are no failures.
    package var digests: [String] = []
    /// What a checkpoint that is trained on the set would remember of it.
    package var digest: String? { digests.first }

    package func count(_ name: String) -> Int? { counts.first { $0.name == name }?.count }
}

/// How a data set is looked at.
package struct DatasetCheck: Sendable {
    /// Whether every picture is decoded; else it is only looked whether its file is there.
    package var decodes = true
    /// The share of unreadable pictures, 0...1, that a job bears: `maxBadImages`.
    package var maxBroken = 0.05
    /// How many pictures are decoded at once.
    package var threads = 1
    /// Asked from any thread: when it says so, the rest of the pictures is not looked at.
    package var isStopped: @Sendable () -> Bool = { false }
    /// Is told, from any thread, how many pictures were looked at.
    package var onProgress: @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }

    package init() {}

    // MARK: Detection

    /// Looks at lists of images with boxes, as a job would read them.
    package func detection(_ lists: [AnnotationList]) -> DatasetReport {
        var report = DatasetReport()
        let reading: AnnotationReading
        let all: DetectionSet
        do {
            reading = try AnnotationReading.read(lists)
            report.problems = reading.problems.map(\.description)
            all = try DetectionSet(
                dataset: reading.dataset,
                imageRoot: reading.imageRoot,
                purpose: .evaluation,
            )
        } catch {
            report.failures.append("\(error)")
            return report
        }
        do {
            let learnt = try DetectionSet(
                dataset: reading.dataset,
                imageRoot: reading.imageRoot,
                purpose: .training,
            )
            report.digests = [learnt.digest(annotations: reading.files).description]
        } catch {
            report.failures.append("\(error)")
        }
        let broken = unreadable(all.items.count, path: all.path) { item, file throws(ImageError) in
            let upright = try file.isUpright(annotated: all.items[item].size)
            _ = try file.decoded(upright: upright)
        }
        let annotations = reading.dataset.annotations
        report.counts = [
            ("images", all.items.count), ("boxes", annotations.count),
            ("classes", all.classNames.count),
            ("classes with boxes", Set(annotations.lazy.map(\.categoryID)).count),
            ("crowd", annotations.count(where: \.isCrowd)),
            ("difficult", annotations.count(where: \.isDifficult)),
            ("not learnt", all.droppedObjects),
            (
                "empty",
                all.items.count { reading.dataset.annotations(ofImage: $0.imageID).isEmpty },
            ),
        ]
        tell(broken, of: all.items.count, &report)
        return report
    }

    // MARK: Classification

    /// Looks at folders in ImageNet's layout, the first of which says the classes of all.
    package func classification(_ roots: [URL]) -> DatasetReport {
        var report = DatasetReport()
        var folders: [ImageFolder] = []
        do {
            for root in roots {
                let folder = try ImageFolder(root: root)
                try folders.first?.checkClasses(of: folder)
                folders.append(folder)
            }
        } catch {
            report.failures.append("\(error)")
            return report
        }
        report.counts = [("classes", folders.first?.classes.count ?? 0)]
        report.digests = folders.map { $0.digest().description }
        for folder in folders {
            let name = folders.count > 1 ? " in \(folder.root.lastPathComponent)" : ""
            report.counts.append(("images\(name)", folder.count))
            let broken = unreadable(folder.count, path: folder.path) { _, file throws(ImageError) in
                _ = try file.decoded()
            }
            tell(broken, of: folder.count, name: name, &report)
        }
        return report
    }

    // MARK: Pictures

    private func tell(
        _ broken: [ImageError],
        of total: Int,
        name: String = "",
        _ report: inout DatasetReport,
    ) {
        report.counts.append(("unreadable\(name)", broken.count))
        report.problems += broken.map(\.description)
        guard Double(broken.count) > maxBroken * Double(total) else { return }
        report.failures.append(
            "\(broken.count) of \(total) images\(name) cannot be read; a job bears a share of "
                + "\(maxBroken)"
        )
    }

    /// What is wrong with each picture, in their order.
    private func unreadable(
        _ count: Int,
        path: @Sendable (Int) -> String,
        _ decode: @Sendable (Int, ImageFile) throws(ImageError) -> Void,
    ) -> [ImageError] {
        let threads = max(1, min(threads, count))
        let found = Mutex<(done: Int, broken: [(Int, ImageError)])>((0, []))
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            for item in stride(from: thread, to: count, by: threads) {
                if isStopped() { return }
                var error: ImageError?
                do throws(ImageError) {
                    if decodes {
                        try decode(item, ImageFile(path: path(item)))
                    } else if access(path(item), R_OK) != 0 {
                        error = ImageError(
                            file: path(item),
                            reason: errno == ENOENT ? "does not exist" : "cannot be opened",
                        )
                    }
                } catch let fault {
                    error = fault
                }
                let done = found.withLock { found in
                    if let error { found.broken.append((item, error)) }
                    found.done += 1
                    return found.done
                }
                onProgress(done, count)
            }
        }
        return found.withLock { $0.broken.sorted { $0.0 < $1.0 }.map(\.1) }
    }
}
