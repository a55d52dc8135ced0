// From a strided view of a storage to contiguous row-major bytes.

import Foundation

extension PickledTensor {
    /// Whether every element of the view is one of a storage's `count` elements.
    func fits(_ count: Int) -> Bool {
        if shape.contains(0) { return true }
        var last = offset
        for (dimension, stride) in zip(shape, strides) {
            let (reach, overflow) = stride.multipliedReportingOverflow(by: dimension - 1)
            let (sum, more) = last.addingReportingOverflow(reach)
            guard !overflow, !more else { return false }
            last = sum
        }
        return last < count
    }

    /// The view's elements, copied from the bytes of the storage, which it `fits`.
    func contiguous(_ storage: UnsafeRawBufferPointer, elementSize: Int) -> Data {
        guard !shape.contains(0), let base = storage.baseAddress else { return Data() }
        let start = base + offset * elementSize
        // Dimensions of one element say nothing, and their strides may be anything.
        let kept = zip(shape, strides).filter { $0.0 > 1 }
        let count = kept.reduce(1) { $0 * $1.0 }
        var expected = 1
        var isContiguous = true
        for (dimension, stride) in kept.reversed() {
            isContiguous = isContiguous && stride == expected
            expected *= dimension
        }
        if isContiguous { return Data(bytes: start, count: count * elementSize) }
        var data = Data(count: count * elementSize)
        data.withUnsafeMutableBytes { target in
            switch elementSize {
            case 1: gather(UInt8.self, from: start, kept, to: target)
            case 2: gather(UInt16.self, from: start, kept, to: target)
            case 4: gather(UInt32.self, from: start, kept, to: target)
            default: gather(UInt64.self, from: start, kept, to: target)
            }
        }
        return data
    }

    /// Copies element by element; `dimensions` are (size, stride), outermost first, at least one.
    private func gather<Element: BitwiseCopyable>(
        _: Element.Type,
        from source: UnsafeRawPointer,
        _ dimensions: [(Int, Int)],
        to target: UnsafeMutableRawBufferPointer,
    ) {
        let size = MemoryLayout<Element>.size
        let (width, step) = dimensions[dimensions.count - 1]
        var index = [Int](repeating: 0, count: dimensions.count - 1)
        var position = 0
        var written = 0
        while true {
            for column in 0..<width {
                let element = source.loadUnaligned(
                    fromByteOffset: (position + column * step) * size,
                    as: Element.self,
                )
                target.storeBytes(of: element, toByteOffset: written * size, as: Element.self)
                written += 1
            }
            var axis = index.count - 1
            while axis >= 0 {
                index[axis] += 1
                position += dimensions[axis].1
                if index[axis] < dimensions[axis].0 { break }
                position -= dimensions[axis].0 * dimensions[axis].1
                index[axis] = 0
                axis -= 1
            }
            if axis < 0 { return }
        }
    }
}
