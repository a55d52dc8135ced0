// What can be done with tensors. Shapes are outermost first; images are `[n, c, h, w]`, channels innermost in memory.

import CTorch

extension Tensor {
    private func map(
        _ body: (OpaquePointer, UnsafeMutablePointer<OpaquePointer?>) -> ct_error?
    ) throws(TorchError) -> Tensor {
        Tensor(owning: try output { body(handle, $0) })
    }

    // MARK: Arithmetic; shapes broadcast

    package static func + (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try a.map { ct_add($0, b.handle, $1) }
    }
    package static func - (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try a.map { ct_sub($0, b.handle, $1) }
    }
    package static func * (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try a.map { ct_mul($0, b.handle, $1) }
    }
    package static func / (a: Tensor, b: Tensor) throws(TorchError) -> Tensor {
        try a.map { ct_div($0, b.handle, $1) }
    }
    package static func * (a: Tensor, b: Double) throws(TorchError) -> Tensor {
        try a.map { ct_mul_scalar($0, b, $1) }
    }
    package static func + (a: Tensor, b: Double) throws(TorchError) -> Tensor {
        try a.map { ct_add_scalar($0, b, $1) }
    }
    package func relu() throws(TorchError) -> Tensor { try map { ct_relu($0, $1) } }
    package func sigmoid() throws(TorchError) -> Tensor { try map { ct_sigmoid($0, $1) } }
    package func exp() throws(TorchError) -> Tensor { try map { ct_exp($0, $1) } }
    /// Shares of 1 over the last dimension.
    package func softmax() throws(TorchError) -> Tensor { try map { ct_softmax($0, $1) } }

    /// The matrix product.
    ///
    /// - Shapes: `[..., m, k] · [..., k, n] -> [..., m, n]`; leading dimensions broadcast.
    /// - Throws: `TorchError` when the two `k` differ.
    package func matmul(_ other: Tensor) throws(TorchError) -> Tensor {
        try map { ct_matmul($0, other.handle, $1) }
    }

    /// The sum over `dimensions`, which are dropped; over all when empty.
    package func sum(_ dimensions: [Int] = []) throws(TorchError) -> Tensor {
        try map { ct_sum($0, dimensions.map(Int64.init), Int32(dimensions.count), $1) }
    }

    /// The mean over `dimensions`, which are dropped; over all when empty.
    package func mean(_ dimensions: [Int] = []) throws(TorchError) -> Tensor {
        try map { ct_mean($0, dimensions.map(Int64.init), Int32(dimensions.count), $1) }
    }

    /// The `k` largest along the last dimension, in descending order.
    package func topk(_ k: Int) throws(TorchError) -> (values: Tensor, indices: Tensor) {
        var values: OpaquePointer?
        var indices: OpaquePointer?
        try TorchLibrary.check { ct_topk(handle, Int64(k), &values, &indices) }
        guard let values, let indices else { throw TorchError("libtorch returned no tensor") }
        return (Tensor(owning: values), Tensor(owning: indices))
    }

    /// Whether no element is infinite or not a number.
    package func isFinite() throws(TorchError) -> Bool {
        var answer = false
        try TorchLibrary.check { ct_all_finite(handle, &answer) }
        return answer
    }

    // MARK: Shape and place

    package func reshape(_ shape: [Int]) throws(TorchError) -> Tensor {
        try map { ct_reshape($0, shape.map(Int64.init), Int32(shape.count), $1) }
    }
    package func permute(_ order: [Int]) throws(TorchError) -> Tensor {
        try map { ct_permute($0, order.map(Int64.init), Int32(order.count), $1) }
    }
    /// `length` entries of `dimension` from `start` on; a view.
    package func narrow(_ dimension: Int, _ start: Int, _ length: Int) throws(TorchError) -> Tensor
    {
        try map { ct_narrow($0, Int64(dimension), Int64(start), Int64(length), $1) }
    }
    package func select(rows indices: Tensor) throws(TorchError) -> Tensor {
        try map { ct_index_select($0, 0, indices.handle, $1) }
    }
    package static func concatenate(_ parts: [Tensor], along dimension: Int) throws(TorchError)
        -> Tensor
    {
        let handles: [OpaquePointer?] = parts.map(\.handle)
        return Tensor(
            owning: try output { ct_cat(handles, Int32(handles.count), Int64(dimension), $0) }
        )
    }
    package func to(_ type: DType) throws(TorchError) -> Tensor {
        let device = device
        return try map { ct_to($0, type.rawValue, device.index, $1) }
    }
    package func to(_ device: Device) throws(TorchError) -> Tensor {
        let type = type
        return try map { ct_to($0, type.rawValue, device.index, $1) }
    }
    /// The same values with channels innermost in memory, for `[n, c, h, w]`.
    package func channelsLast() throws(TorchError) -> Tensor {
        try map { ct_channels_last($0, $1) }
    }
    package func contiguous() throws(TorchError) -> Tensor { try map { ct_contiguous($0, $1) } }
    /// A copy outside autograd.
    package func clone() throws(TorchError) -> Tensor { try map { ct_clone($0, $1) } }
    package func detach() throws(TorchError) -> Tensor { try map { ct_detach($0, $1) } }

    // MARK: Autograd

    package func requireGradient(_ value: Bool = true) throws(TorchError) {
        try TorchLibrary.check { ct_set_requires_grad(handle, value) }
    }
    package func backward() throws(TorchError) { try TorchLibrary.check { ct_backward(handle) } }

    /// The gradient of the last `backward`, or nil where this tensor had no part in it.
    package func gradient() throws(TorchError) -> Tensor? {
        var found: OpaquePointer?
        try TorchLibrary.check { ct_grad(handle, &found) }
        return found.map { Tensor(owning: $0) }
    }
    package func clearGradient() throws(TorchError) {
        try TorchLibrary.check { ct_clear_grad(handle) }
    }

    /// The sum of the gradient's squares; 0 without one.
    package func gradientSquareSum() throws(TorchError) -> Double {
        var sum = 0.0
        try TorchLibrary.check { ct_grad_square_sum(handle, &sum) }
        return sum
    }
}
