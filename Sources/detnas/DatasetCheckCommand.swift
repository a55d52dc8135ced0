// `detnas dataset check`: what is in a data set, what is wrong with it, and whether a job could use it.

import Annotations
import ArgumentParser
import Datasets
import Foundation

struct DatasetCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Reads a data set in full and says what is wrong with it.",
        discussion: """
            A file is a COCO json, or an image-set list of a VOC tree (TREE/ImageSets/SET/LIST.txt); several \
            files are joined, as in a job. A folder is of ImageNet's layout: CLASS/IMAGE, or train/CLASS/IMAGE \
            and val/CLASS/IMAGE. Ends with 1 where something would fail a job.
            """,
    )

    @Argument(help: "Lists of images with boxes, or one folder of classes.")
    var paths: [String]

    @OptionGroup var lists: ListOptions

    @Flag(help: "Only look whether the pictures are there.")
    var skipDecoding = false

    @Option(help: "The share of unreadable pictures, 0-1, that a job bears.")
    var maxBadImages = 0.05

    @Option(help: "How many pictures are decoded at once.")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        guard 0 <= maxBadImages, maxBadImages <= 1 else {
            throw ValidationError("--max-bad-images is \(maxBadImages), allowed: 0 to 1")
        }
        guard threads >= 1 else { throw ValidationError("--threads is \(threads), allowed: >= 1") }
    }

    func run() throws {
        var check = DatasetCheck()
        check.decodes = !skipDecoding
        check.maxBroken = maxBadImages
        check.threads = threads
        check.onProgress = progress
        let report: DatasetReport
        if paths.count == 1, isFolder(paths[0]) {
            report = check.classification(try classFolders(URL(filePath: paths[0])))
        } else {
            report = check.detection(try lists.lists(paths))
        }
        for problem in report.problems { print("problem: \(problem)") }
        for (name, count) in report.counts {
            print(name.padding(toLength: 22, withPad: " ", startingAt: 0) + "\(count)")
        }
        if let digest = report.digest { print("digest                \(digest)") }
        for failure in report.failures { print("would fail a job: \(failure)") }
        if !report.failures.isEmpty { throw ExitCode(1) }
    }

    private func classFolders(_ root: URL) throws -> [URL] {
        let folders = DatasetForm.classFolders(in: root)
        let isDetection = ["annotations", "ImageSets"].contains {
            isFolder(root.appending(path: $0).path)
        }
        guard folders != [root] || !isDetection else {
            throw ValidationError(
                "\(root.path) is a detection set: name its lists, such as "
                    + "annotations/instances_train.json or ImageSets/Main/train.txt"
            )
        }
        return folders
    }

    private var progress: @Sendable (Int, Int) -> Void {
        guard isatty(STDERR_FILENO) == 1 else { return { _, _ in } }
        return { done, total in
            guard done == total || done % 200 == 0 else { return }
            let end = done == total ? "\n" : ""
            FileHandle.standardError.write(Data("\r\(done) of \(total) pictures\(end)".utf8))
        }
    }
}

/// Where the images of lists are: one rule for all commands.
struct ListOptions: ParsableArguments {
    @Option(
        help: """
            The folder in which file names start: once, or once for each list. Without it that is `images` \
            beside a COCO json or one folder up, and a VOC tree's JPEGImages.
            """
    )
    var images: [String] = []

    func lists(_ paths: [String]) throws -> [AnnotationList] {
        guard images.count <= 1 || images.count == paths.count else {
            throw ValidationError(
                "\(images.count) --images for \(paths.count) lists; allowed: one, or one for each"
            )
        }
        return try paths.enumerated().map { index, path in
            let file = URL(filePath: path).standardizedFileURL
            if let given = images.count == 1 ? images.first : images.dropFirst(index).first {
                return AnnotationList(file, images: URL(filePath: given))
            }
            if AnnotationList.isVoc(path) { return AnnotationList(voc: file) }
            guard let list = AnnotationList(withImagesNear: file) else {
                throw ValidationError(
                    "\(path): where its images are must be said with --images; there is no "
                        + AnnotationList.places(near: file).map(\.path).joined(separator: " or ")
                )
            }
            return list
        }
    }
}

private func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        && isFolder.boolValue
}
