// A tensor: an owned handle of libtorch's, with its type, its device, and the way in and out.

import CTorch
package import Foundation

/// Element types; raw values are libtorch's own.
package enum DType: Int32, Sendable {
    case uint8 = 0
    case int8, int16, int32, int64, float16, float32, float64
    case bool = 11
    case bfloat16 = 15

    /// Bytes of one element.
    package var size: Int {
        switch self {
        case .uint8, .int8, .bool: 1
        case .int16, .float16, .bfloat16: 2
        case .int32, .float32: 4
        case .int64, .float64: 8
        }
    }
}

/// Where a tensor lives.
package enum Device: Hashable, Sendable, CustomStringConvertible {
    case cpu
    case cuda(Int)

    /// Reads `cpu`, `cuda`, `cuda:n`, or `auto`: the first CUDA device where there is one, else the CPU.
    /// - Throws: `TorchError` naming the value, or a CUDA device that is not there.
    package init(parsing text: String) throws(TorchError) {
        switch text {
        case "cpu": self = .cpu
        case "auto": self = try TorchLibrary.cudaDevices() > 0 ? .cuda(0) : .cpu
        default:
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.first == "cuda", parts.count <= 2,
                let index = parts.count == 1 ? 0 : Int(parts[1]), index >= 0
            else { throw TorchError("device `\(text)`: allowed are cpu, cuda, cuda:n, auto") }
            let count = try TorchLibrary.cudaDevices()
            guard index < count else {
                throw TorchError("device `\(text)`: this machine has \(count) CUDA device(s)")
            }
            self = .cuda(index)
        }
    }

    init(index: Int32) { self = index < 0 ? .cpu : .cuda(Int(index)) }

    var index: Int32 {
        switch self {
        case .cpu: -1
        case .cuda(let index): Int32(index)
        }
    }

    package var description: String {
        switch self {
        case .cpu: "cpu"
        case .cuda(let index): "cuda:\(index)"
        }
    }
}

/// An n-dimensional array with autograd. Not `Sendable`: threads hand over bytes.
package final class Tensor {
    let handle: OpaquePointer

    /// Takes ownership of `handle`.
    init(owning handle: OpaquePointer) { self.handle = handle }

    deinit {
        if let message = ct_free(handle) { free(message) }
    }

    /// A tensor with the given elements, copied; `shape` is row-major.
    /// - Throws: `TorchError` when the count of bytes does not fit the shape.
    package convenience init(
        bytes: UnsafeRawBufferPointer,
        shape: [Int],
        type: DType,
        device: Device = .cpu,
    ) throws(TorchError) {
        var wanted = type.size
        for size in shape {
            let (product, overflows) = wanted.multipliedReportingOverflow(by: size)
            guard size >= 0, !overflows else {
                throw TorchError("shape \(shape) of \(type) has no count of bytes")
            }
            wanted = product
        }
        guard bytes.count == wanted else {
            throw TorchError(
                "\(bytes.count) bytes for shape \(shape) of \(type), which has \(wanted)"
            )
        }
        self.init(
            owning: try output {
                ct_from_bytes(
                    bytes.baseAddress,
                    shape.map(Int64.init),
                    Int32(shape.count),
                    type.rawValue,
                    device.index,
                    $0,
                )
            }
        )
    }

    package convenience init(_ values: [Float], shape: [Int], device: Device = .cpu) throws {
        let made = try values.withUnsafeBytes {
            try Tensor(bytes: $0, shape: shape, type: .float32, device: device)
        }
        self.init(owning: try output { ct_detach(made.handle, $0) })
    }

    package convenience init(_ values: [Int64], shape: [Int], device: Device = .cpu) throws {
        let made = try values.withUnsafeBytes {
            try Tensor(bytes: $0, shape: shape, type: .int64, device: device)
        }
        self.init(owning: try output { ct_detach(made.handle, $0) })
    }

    package convenience init(_ values: [Int32], shape: [Int], device: Device = .cpu) throws {
        let made = try values.withUnsafeBytes {
            try Tensor(bytes: $0, shape: shape, type: .int32, device: device)
        }
        self.init(owning: try output { ct_detach(made.handle, $0) })
    }

    /// Every element the same.
    package static func full(
        _ shape: [Int],
        _ value: Double,
        type: DType = .float32,
        device: Device = .cpu,
    ) throws(TorchError) -> Tensor {
        Tensor(
            owning: try output {
                ct_full(
                    shape.map(Int64.init),
                    Int32(shape.count),
                    value,
                    type.rawValue,
                    device.index,
                    $0,
                )
            }
        )
    }

    package static func zeros(
        _ shape: [Int],
        type: DType = .float32,
        device: Device = .cpu,
    ) throws(TorchError) -> Tensor { try full(shape, 0, type: type, device: device) }

    /// Standard normal values shaped like `other`: a function of the seed alone.
    package static func normal(like other: Tensor, seed: UInt64) throws(TorchError) -> Tensor {
        Tensor(owning: try output { ct_normal_like(other.handle, seed, $0) })
    }

    private struct Info {
        var shape: [Int]
        var type: DType
        var device: Device
    }

    private var info: Info {
        var rank: Int32 = 0
        var type: Int32 = 0
        var device: Int32 = 0
        var sizes = [Int64](repeating: 0, count: 8)
        if let message = ct_info(handle, &rank, &sizes, &type, &device) {
            preconditionFailure(String(cString: message))
        }
        guard let known = DType(rawValue: type) else {
            preconditionFailure("a tensor of scalar type \(type)")
        }
        return Info(
            shape: sizes.prefix(Int(rank)).map(Int.init),
            type: known,
            device: Device(index: device),
        )
    }

    /// Sizes, outermost first.
    package var shape: [Int] { info.shape }
    package var type: DType { info.type }
    package var device: Device { info.device }
    package var count: Int { shape.reduce(1, *) }

    /// The elements as bytes, row-major.
    package func data() throws -> Data {
        let info = info
        let size = info.shape.reduce(info.type.size, *)
        var data = Data(count: size)
        try data.withUnsafeMutableBytes { buffer in
            try TorchLibrary.check { ct_copy_out(handle, buffer.baseAddress, size) }
        }
        return data
    }

    /// The elements as floats, whatever the type.
    package func floats() throws -> [Float] {
        let source = try to(.float32)
        return try [Float](unsafeUninitializedCapacity: source.count) { buffer, count in
            count = buffer.count
            let size = buffer.count * 4
            try TorchLibrary.check { ct_copy_out(source.handle, buffer.baseAddress, size) }
        }
    }

    /// The elements as 64-bit integers, whatever the type.
    package func integers() throws -> [Int64] {
        let source = try to(.int64)
        return try [Int64](unsafeUninitializedCapacity: source.count) { buffer, count in
            count = buffer.count
            let size = buffer.count * 8
            try TorchLibrary.check { ct_copy_out(source.handle, buffer.baseAddress, size) }
        }
    }

    /// The one element of a tensor that has one.
    package func item() throws -> Float {
        let values = try floats()
        guard values.count == 1 else { throw TorchError("item() of a tensor of shape \(shape)") }
        return values[0]
    }

    /// Copies the elements of `source`, of the same shape, into this tensor, outside autograd.
    package func assign(_ source: Tensor) throws(TorchError) {
        try TorchLibrary.check { ct_assign(handle, source.handle) }
    }
}

/// Runs a C function that writes one handle.
func output(_ body: (UnsafeMutablePointer<OpaquePointer?>) -> ct_error?) throws(TorchError)
    -> OpaquePointer
{
    var handle: OpaquePointer?
    try TorchLibrary.check { body(&handle) }
    guard let handle else { throw TorchError("libtorch returned no tensor") }
    return handle
}
