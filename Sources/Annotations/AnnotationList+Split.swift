// A seeded split of one list, as two files of the list's own form.

package import Foundation

/// How many images the architecture part gets.
package enum SplitAmount: Hashable, Sendable {
    /// Of the images, more than 0 and less than 1.
    case share(Double)
    /// At least 1, and fewer than there are images.
    case count(Int)
}

/// The two files of a split.
package struct WrittenSplit: Sendable {
    package let weights: (file: URL, images: Int)
    package let architecture: (file: URL, images: Int)
    /// What was wrong with the list; entries that were left out are in neither file.
    package let problems: [AnnotationProblem]
}

extension AnnotationList {
    /// Writes `NAME_weights` and `NAME_architecture` into `folder`, which is made: the parts that
    /// `CocoDataset.split` gives, each image with its annotations, or with its line.
    ///
    /// - Parameter overwriting: whether files of these names may be replaced.
    /// - Throws: when the list cannot be read, the amount leaves a part empty, a file is there, or a
    ///   VOC list would stand where it does not find its tree.
    package func writeSplit(
        _ amount: SplitAmount,
        seed: UInt64,
        to folder: URL,
        overwriting: Bool = false,
    ) throws(AnnotationError) -> WrittenSplit {
        let stem = file.deletingPathExtension().lastPathComponent
        let files = ["weights", "architecture"].map {
            folder.appending(path: "\(stem)_\($0).\(isVoc ? "txt" : "json")").standardizedFileURL
        }
        if isVoc { try requireTree(around: files[0]) }
        for file in files where !overwriting && access(file.path, F_OK) == 0 {
            throw .unwritable(file: file.path, reason: "it is there already")
        }
        let reading = try AnnotationReading.read([self])
        let sides = try Self.sides(reading.dataset, amount, seed, file.path)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw .unwritable(file: folder.path, reason: AnnotationFile.reason(error))
        }
        if isVoc {
            let names = try VocList(self).entries.map(\.name)
            for (side, file) in zip([sides.weights, sides.architecture], files) {
                let ids = Set(side.images.lazy.map(\.id))
                let lines = names.filter { ids.contains(VocTree.imageID(of: $0)) }
                try JSONText.write(lines.map { $0 + "\n" }.joined(), to: file)
            }
        } else {
            try sides.weights.write(to: files[0])
            try sides.architecture.write(to: files[1])
        }
        return WrittenSplit(
            weights: (files[0], sides.weights.images.count),
            architecture: (files[1], sides.architecture.images.count),
            problems: reading.problems,
        )
    }

    private static func sides(
        _ dataset: CocoDataset,
        _ amount: SplitAmount,
        _ seed: UInt64,
        _ file: String,
    ) throws(AnnotationError) -> (weights: CocoDataset, architecture: CocoDataset) {
        let count = dataset.images.count
        let sides =
            switch amount {
            case .share(let share): dataset.split(architectureShare: share, seed: seed)
            case .count(let wanted): dataset.split(architectureCount: wanted, seed: seed)
            }
        guard !sides.weights.images.isEmpty, !sides.architecture.images.isEmpty else {
            let asked =
                switch amount {
                case .share(let share): "a share of \(share)"
                case .count(let wanted): "\(wanted) images"
                }
            throw .unwritable(
                file: file,
                reason: "\(asked) of \(count) leaves a part without images; allowed are "
                    + "1...\(max(count - 1, 1)) images for the architecture part",
            )
        }
        return sides
    }

    private func requireTree(around list: URL) throws(AnnotationError) {
        let here = VocTree(list: file).root.resolvingSymlinksInPath().path
        let there = VocTree(list: list).root.resolvingSymlinksInPath().path
        guard here == there else {
            throw .unwritable(
                file: list.path,
                reason: "a VOC list finds its tree three folders up; allowed is a folder within "
                    + "\(here)/ImageSets",
            )
        }
    }
}
