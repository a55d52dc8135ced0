// What a stored tensor is made of, in the words of safetensors.

package import Foundation

/// The element types that files of weights may hold; raw values are safetensors' names.
package enum ElementType: String, CaseIterable, Codable, Sendable {
    case float64 = "F64"
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case int64 = "I64"
    case int32 = "I32"
    case int16 = "I16"
    case int8 = "I8"
    case uint8 = "U8"
    case bool = "BOOL"

    /// Bytes of one element.
    package var size: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16: 2
        case .int8, .uint8, .bool: 1
        }
    }

    /// Bytes of a whole tensor, or nil where a dimension is negative or the count passes 2^63.
    package func byteCount(of shape: [Int]) -> Int? {
        var count = size
        for dimension in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { return nil }
            count = product
        }
        return count
    }

    static var allowed: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// A tensor of a file, without its elements.
package struct TensorRecord: Hashable, Sendable {
    package let name: String
    package let type: ElementType
    /// Row-major; empty for a scalar.
    package let shape: [Int]
    /// Where its bytes lie, counted from the end of the header.
    package let range: Range<Int>
}

/// A tensor with its elements.
package struct TensorEntry: Hashable, Sendable {
    package let name: String
    package let type: ElementType
    /// Row-major; empty for a scalar.
    package let shape: [Int]
    /// Contiguous, row-major, little-endian: `type.byteCount(of: shape)` bytes.
    package let data: Data
}
