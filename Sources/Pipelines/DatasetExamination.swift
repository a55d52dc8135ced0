// `dataset.check`: what is in a data set, split by split, and what is wrong with it. Trains nothing and needs no tensor.

import Configs
import Datasets
import Foundation
import SearchSpaces

struct DatasetExamination {
    private let context: any RunContext
    private let config: CheckConfig

    /// The most problems that are kept, and failures that are told.
    private static let mostProblems = 10_000
    private static let mostFailures = 100

    init(_ config: CheckConfig, _ context: any RunContext) {
        self.config = config
        self.context = context
    }

    /// A list, or a folder of classes.
    private struct Split {
        var name: String
        var images: Int
        /// Nil for a folder.
        var boxes: Int?
        var classes: Int
        var unreadable: Int
        var digest: String?

        var json: JSONValue {
            [
                "name": .string(name), "images": .int(Int64(images)),
                "boxes": boxes.map { .int(Int64($0)) } ?? .null, "classes": .int(Int64(classes)),
                "unreadable": .int(Int64(unreadable)),
                "digest": digest.map { .string($0) } ?? .null,
            ]
        }
    }

    /// Looks at every list, or at every folder of classes.
    ///
    /// - Returns: `form`, `images`, `boxes`, `classes`, `splits`, how many `problems`, the `failures` of jobs that would
    ///   read it, and the `digest` of all; the problems themselves as a file.
    /// - Throws: `RunError.badData` for a folder that is no data set, `RunError.stopped`.
    func run() throws -> RunResult {
        let root = try context.folder(ofDataset: config.dataset)
        guard let form = DatasetForm(of: root) else {
            throw RunError.badData(
                """
                `\(config.dataset)` is no data set: it has neither annotations/*.json with their images, nor \
                ImageSets/Main/*.txt of VOC, nor folders of classes, CLASS/IMAGE or train/CLASS/IMAGE
                """
            )
        }
        var splits: [Split] = []
        var problems: [String] = []
        var failures: [String] = []
        switch form {
        case .coco(let lists), .voc(let lists):
            for (name, list) in lists {
                let report = check(name).detection([list])
                if context.stopRequested { throw RunError.stopped }
                splits.append(
                    Split(
                        name: name,
                        images: report.count("images") ?? 0,
                        boxes: report.count("boxes") ?? 0,
                        classes: report.count("classes") ?? 0,
                        unreadable: report.count("unreadable") ?? 0,
                        digest: report.digest,
                    )
                )
                problems += report.problems
                failures += report.failures.map { "\(name): \($0)" }
            }
        case .imageFolders(let folders):
            let report = check("images").classification(folders)
            if context.stopRequested { throw RunError.stopped }
            splits = self.splits(of: report, folders, in: root)
            problems = report.problems
            failures = report.failures
        }
        return try result(form, splits, problems, failures, in: root)
    }

    private func check(_ stage: String) -> DatasetCheck {
        let counter = Counter(context, stage)
        var check = DatasetCheck()
        check.decodes = config.decode
        check.maxBroken = config.maxBadImages
        check.threads = max(1, context.cores.count)
        check.isStopped = { [context] in context.stopRequested }
        check.onProgress = { counter.tell($0, of: $1) }
        return check
    }

    private func splits(of report: DatasetReport, _ folders: [URL], in root: URL) -> [Split] {
        folders.enumerated().map { index, folder in
            let suffix = folders.count == 1 ? "" : " in \(folder.lastPathComponent)"
            return Split(
                name: folder == root ? "." : folder.lastPathComponent,
                images: report.count("images\(suffix)") ?? 0,
                classes: report.count("classes") ?? 0,
                unreadable: report.count("unreadable\(suffix)") ?? 0,
                digest: report.digests.dropFirst(index).first,
            )
        }
    }

    private func result(
        _ form: DatasetForm,
        _ splits: [Split],
        _ problems: [String],
        _ failures: [String],
        in root: URL,
    ) throws -> RunResult {
        // Where the server keeps its data is nobody's business.
        let folders = [root.path, root.resolvingSymlinksInPath().path].map { $0 + "/" }
        func shown(_ text: String) -> JSONValue {
            .string(folders.reduce(text) { $0.replacing($1, with: "") })
        }
        let boxes = splits.compactMap(\.boxes)
        let digests = splits.compactMap(\.digest)
        var result = RunResult()
        result.metrics = [
            "form": .string(form.name),
            "images": .int(Int64(splits.reduce(0) { $0 + $1.images })),
            "boxes": boxes.isEmpty ? .null : .int(Int64(boxes.reduce(0, +))),
            "classes": .int(Int64(splits.map(\.classes).max() ?? 0)),
            "splits": .array(splits.map(\.json)), "problems": .int(Int64(problems.count)),
            "failures": .array(failures.prefix(Self.mostFailures).map(shown)),
            "digest": digests.count == splits.count
                ? .string(SHA256.digest(Array(digests.joined(separator: "\n").utf8)).hex) : .null,
        ]
        let list = JSONValue.array(problems.prefix(Self.mostProblems).map(shown))
        result.files = [
            try context.keep(CheckConfig.problems) { try Data(list.canonical.utf8).write(to: $0) }
        ]
        return result
    }
}

/// Tells of progress from any thread, of one folder or list after the other.
///
/// `@unchecked Sendable`: `lock` guards `progress` and `total`.
private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private let context: any RunContext
    private let stage: String
    private var progress: Progress?
    private var total = 0

    init(_ context: any RunContext, _ stage: String) {
        self.context = context
        self.stage = stage
    }

    func tell(_ done: Int, of total: Int) {
        lock.withLock {
            if progress == nil || total != self.total {
                self.total = total
                progress = Progress(
                    context,
                    phase: "checking",
                    unit: "images",
                    total: total,
                    stage: stage,
                )
            }
            progress?.advance(to: done)
        }
    }
}
