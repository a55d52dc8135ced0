// `detnas checkpoint export CKPT.safetensors OUT.onnx`: one architecture for other programs.

import ArgumentParser
import Exchange
import Foundation

struct CheckpointExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes one architecture as ONNX.",
        discussion: """
            backbone: input `images`, outputs `c2` to `c5`, of strides 4 to 32; without a size, of any multiple of 32
            detector: outputs `boxes` [n, anchors, 4], x1 y1 x2 y2 in pixels of the input, not clipped, and `scores` \
            [n, anchors, classes]; both before thresholds and suppression

            The batch n is free. The file's metadata says which pixels the network was trained on. A checkpoint of ours \
            is a safetensors file already: docs/exchange.md shows how PyTorch opens it.
            """,
    )

    @Argument(help: "A checkpoint of kind subnet or detector.", completion: .file())
    var checkpoint: String

    @Argument(help: "The file to write.")
    var output: String

    @Option(help: "backbone or detector.")
    var part: ONNXExport.Part = .backbone

    @Option(help: "Height of the images, pixels, a multiple of 32; a detector needs it.")
    var height: Int?

    @Option(help: "Width of the images, as the height.")
    var width: Int?

    func validate() throws {
        guard (height == nil) == (width == nil) else {
            throw ValidationError("--height and --width go together")
        }
    }

    func run() throws {
        var size: (height: Int, width: Int)?
        if let height, let width { size = (height, width) }
        let export = ONNXExport(part: part, size: size, version: Detnas.version)
        let (bytes, outputs) = try export.run(
            URL(filePath: checkpoint),
            to: URL(filePath: output),
        )
        print("\(output): \(bytes) bytes, outputs \(outputs.joined(separator: ", "))")
    }
}

extension ONNXExport.Part: ExpressibleByArgument {}
