// `detnas dataset split` and `check` as a shell sees them: files, lines and exit codes.

import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: SharedData.isPresent, "needs the shared data folder"))
struct DatasetCommandTests {
    private func detnas(_ arguments: [String]) throws -> (
        code: Int32, output: String, errors: String
    ) {
        let process = Process()
        process.becomeDetnas(["dataset"] + arguments)
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: text, as: UTF8.self),
            String(decoding: complaint, as: UTF8.self),
        )
    }

    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "command-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try body(folder)
    }

    @Test
    func `a split has the count asked for, the same bytes twice, and replaces nothing unasked`()
        throws
    {
        try withFolder { folder in
            let list = SharedData.url("det_bccd/annotations/instances_train.json").path
            func split(_ name: String, _ more: [String] = []) throws -> Int32 {
                try detnas(
                    ["split", list, "--count", "50", "--seed", "3", "-o", "\(folder.path)/\(name)"]
                        + more
                ).code
            }
            #expect(try split("a") == 0)
            #expect(try split("b") == 0)
            let names = ["instances_train_weights.json", "instances_train_architecture.json"]
            for (name, count) in zip(names, [231, 50]) {
                let one = try Data(contentsOf: folder.appending(path: "a/\(name)"))
                let other = try Data(contentsOf: folder.appending(path: "b/\(name)"))
                #expect(one == other)
                let json = try JSONSerialization.jsonObject(with: one) as? [String: [Any]]
                #expect(json?["images"]?.count == count)
            }
            #expect(try split("a") == 1)
            #expect(try split("a", ["--force"]) == 0)
            #expect(try split("c", ["--share", "0.5"]) == 64)
        }
    }

    @Test func `a check ends with 0 for sound sets and with 1 where a job would fail`() throws {
        let voc = SharedData.url("det_voc100/VOC2012/ImageSets/Main/val.txt").path
        let sound = try detnas(["check", voc])
        #expect(sound.code == 0, "\(sound.errors)")
        #expect(sound.output.contains("boxes                 64\n"), "\(sound.output)")
        let classes = try detnas(["check", SharedData.url("cls_caltech10").path, "--skip-decoding"])
        #expect(classes.code == 0 && classes.output.contains("images in train       500\n"))
        try withFolder { folder in
            let list = SharedData.url("det_bccd/annotations/instances_val.json").path
            let empty = try detnas(["check", list, "--images", folder.path])
            #expect(empty.code == 1)
            #expect(empty.output.contains("would fail a job: 83 of 83 images cannot be read"))
            let none = try detnas(["check", "\(folder.path)/none.json", "--images", folder.path])
            #expect(none.code == 1 && none.output.contains("none.json cannot be read"))
            let unknown = try detnas(["check", "\(folder.path)/none.json"])
            #expect(unknown.code == 64 && unknown.errors.contains("--images"))
        }
    }
}
