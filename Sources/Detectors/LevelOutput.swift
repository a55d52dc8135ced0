// What a head gives on one level for every anchor, and how the compiled kernels read it.

import Torch

/// One level's outputs: logits `[n, a, classes]`, offsets `[n, a, 4]`, and its anchors `[a, 4]`, flat.
struct LevelOutput {
    var logits: Tensor
    var offsets: Tensor
    var anchors: [Float]

    /// From maps `[n, anchors of a cell * width, h, w]`.
    init(logits: Tensor, classes: Int, offsets: Tensor, _ grid: AnchorGrid) throws {
        let shape = logits.shape
        func flat(_ x: Tensor, _ width: Int) throws -> Tensor {
            try x.permute([0, 2, 3, 1]).reshape([shape[0], -1, width])
        }
        self.logits = try flat(logits, classes)
        self.offsets = try flat(offsets, 4)
        anchors = grid.boxes(height: shape[2], width: shape[3])
    }

    /// The part of one image.
    func image(_ index: Int) throws -> LevelOutput {
        var part = self
        part.logits = try logits.narrow(0, index, 1)
        part.offsets = try offsets.narrow(0, index, 1)
        return part
    }
}

/// The same as numbers, for kernels that take one image at a time.
struct ReadLevels {
    private let levels: [(logits: [Float], offsets: [Float], anchors: [Float])]
    private let classes: Int

    init(_ outputs: [LevelOutput], classes: Int) throws {
        levels = try outputs.map {
            (try $0.logits.floats(), try $0.offsets.floats(), $0.anchors)
        }
        self.classes = classes
    }

    /// Calls `body` with pointers into every level's outputs for one image.
    func withPointers<Result>(
        image: Int,
        _ body: ([BoxKernels.Level]) throws -> Result,
    ) throws -> Result {
        func next(_ index: Int, _ made: [BoxKernels.Level]) throws -> Result {
            guard index < levels.count else { return try body(made) }
            let level = levels[index]
            let count = level.anchors.count / 4
            return try level.logits.withUnsafeBufferPointer { logits in
                try level.offsets.withUnsafeBufferPointer { offsets in
                    try level.anchors.withUnsafeBufferPointer { anchors in
                        guard let l = logits.baseAddress, let o = offsets.baseAddress,
                            let a = anchors.baseAddress
                        else { return try next(index + 1, made) }
                        let pointers = BoxKernels.Level(
                            logits: l + image * count * classes,
                            offsets: o + image * count * 4,
                            anchors: a,
                            count: count,
                        )
                        return try next(index + 1, made + [pointers])
                    }
                }
            }
        }
        return try next(0, [])
    }
}
