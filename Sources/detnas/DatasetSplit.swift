// `detnas dataset split`: one list of images as two, weights and architecture; DetNAS's 5k search split.

import Annotations
import ArgumentParser
import Foundation

struct DatasetSplit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split",
        abstract: "Splits a list of images into a weights and an architecture part.",
        discussion: """
            FILE is a COCO json or an image-set list of a VOC tree; DIR gets FILE_weights and \
            FILE_architecture of the same form. The side of an image depends on its file name and the seed \
            alone, as for the `part` of a job. Same seed, same bytes. DetNAS: --count 5000.
            """,
    )

    @Argument(help: "The list to split.", completion: .file())
    var file: String

    @Option(help: "Images for the architecture part, as a share: > 0 and < 1.")
    var share: Double?

    @Option(help: "Images for the architecture part, by number.")
    var count: Int?

    @Option(help: "Another seed, another split.")
    var seed: UInt64 = 0

    @Option(name: .shortAndLong, help: "The folder to write to.", completion: .directory)
    var output: String

    @Flag(help: "Replace files that are there.")
    var force = false

    func validate() throws {
        switch (share, count) {
        case (nil, nil), (_?, _?): throw ValidationError("Give either --share or --count.")
        case (let share?, nil) where !(0 < share && share < 1):
            throw ValidationError("--share is \(share), allowed: > 0 and < 1")
        case (nil, let count?) where count < 1:
            throw ValidationError("--count is \(count), allowed: >= 1")
        default: break
        }
    }

    func run() throws {
        let file = URL(filePath: file)
        // A split reads no picture: which folder they are in makes no difference to it.
        let list =
            AnnotationList.isVoc(file.path)
            ? AnnotationList(voc: file)
            : AnnotationList(file, images: file.deletingLastPathComponent())
        let written = try list.writeSplit(
            count.map { .count($0) } ?? .share(share ?? 0),
            seed: seed,
            to: URL(filePath: output),
            overwriting: force,
        )
        for problem in written.problems {
            FileHandle.standardError.write(Data("problem: \(problem)\n".utf8))
        }
        for part in [written.weights, written.architecture] {
            print("\(part.file.path): \(part.images) images")
        }
    }
}
