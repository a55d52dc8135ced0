// What networks are made of: convolution, normalisation, pooling, losses, optimizer steps.

import CTorch

extension Tensor {
    /// - Shapes: `[n, in, h, w]`, weight `[out, in / groups, k, k]`, bias `[out]` -> `[n, out, h', w']`.
    package func conv2d(
        _ weight: Tensor,
        bias: Tensor?,
        stride: Int,
        padding: Int,
        groups: Int = 1,
    ) throws(TorchError) -> Tensor {
        Tensor(
            owning: try output {
                ct_conv2d(
                    handle,
                    weight.handle,
                    bias?.handle,
                    Int64(stride),
                    Int64(padding),
                    Int64(groups),
                    $0,
                )
            }
        )
    }

    /// - Shapes: `[..., in]`, weight `[out, in]`, bias `[out]` -> `[..., out]`.
    package func linear(_ weight: Tensor, bias: Tensor?) throws(TorchError) -> Tensor {
        Tensor(owning: try output { ct_linear(handle, weight.handle, bias?.handle, $0) })
    }

    /// Normalises each channel: with the batch's own statistics when `training` (the running ones are then moved by
    /// `momentum`, the variance unbiased), else with the given ones.
    package func batchNorm(
        weight: Tensor,
        bias: Tensor,
        mean: Tensor?,
        variance: Tensor?,
        training: Bool,
        momentum: Double,
        epsilon: Double,
    ) throws(TorchError) -> Tensor {
        Tensor(
            owning: try output {
                ct_batch_norm(
                    handle,
                    weight.handle,
                    bias.handle,
                    mean?.handle,
                    variance?.handle,
                    training,
                    momentum,
                    epsilon,
                    $0,
                )
            }
        )
    }

    package func groupNorm(groups: Int, weight: Tensor, bias: Tensor, epsilon: Double)
        throws(TorchError) -> Tensor
    {
        Tensor(
            owning: try output {
                ct_group_norm(handle, Int64(groups), weight.handle, bias.handle, epsilon, $0)
            }
        )
    }

    package func maxPool2d(kernel: Int, stride: Int, padding: Int) throws(TorchError) -> Tensor {
        Tensor(
            owning: try output {
                ct_max_pool2d(handle, Int64(kernel), Int64(stride), Int64(padding), $0)
            }
        )
    }

    package func upsampleNearest(height: Int, width: Int) throws(TorchError) -> Tensor {
        Tensor(
            owning: try output { ct_upsample_nearest(handle, Int64(height), Int64(width), $0) }
        )
    }

    /// Splits the channels as a stride-1 ShuffleNetV2 unit does.
    ///
    /// Method 1 interleaves the two halves of the channels and then takes the first and the second half of the
    /// result; method 2 takes the even and the odd channels.
    /// - Shapes: `[n, c, h, w] -> 2 x [n, c / 2, h, w]`, c divisible by 4.
    package func channelSplit(method: Int) throws(TorchError) -> (identity: Tensor, main: Tensor) {
        var identity: OpaquePointer?
        var main: OpaquePointer?
        try TorchLibrary.check { ct_channel_split(handle, Int32(method), &identity, &main) }
        guard let identity, let main else { throw TorchError("libtorch returned no tensor") }
        return (Tensor(owning: identity), Tensor(owning: main))
    }

    /// The mean cross-entropy of `[n, classes]` logits; `labels` are `[n]` int64.
    package func crossEntropy(labels: Tensor, smoothing: Double = 0) throws(TorchError) -> Tensor {
        Tensor(owning: try output { ct_cross_entropy(handle, labels.handle, smoothing, $0) })
    }

    /// The sum of `d² / 2β` where `|d| < β`, else `|d| - β / 2`.
    package func smoothL1Sum(_ target: Tensor, beta: Double) throws(TorchError) -> Tensor {
        Tensor(owning: try output { ct_smooth_l1_sum(handle, target.handle, beta, $0) })
    }

    /// The sum of the sigmoid focal loss (Lin et al. 2017, arXiv:1708.02002).
    ///
    /// - Parameter targets: `[n, a]` int32 for logits `[n, a, classes]`: a class, -1 background, -2 ignored.
    package func focalLossSum(targets: Tensor, alpha: Double, gamma: Double) throws(TorchError)
        -> Tensor
    {
        Tensor(owning: try output { ct_focal_loss_sum(handle, targets.handle, alpha, gamma, $0) })
    }

    /// One step of stochastic gradient descent with momentum; false and nothing touched without a gradient.
    package func sgdStep(
        momentumBuffer: Tensor,
        learningRate: Double,
        momentum: Double,
        weightDecay: Double,
        gradientScale: Double,
    ) throws(TorchError) -> Bool {
        var stepped = false
        try TorchLibrary.check {
            ct_sgd_step(
                handle,
                momentumBuffer.handle,
                learningRate,
                momentum,
                weightDecay,
                gradientScale,
                &stepped,
            )
        }
        return stepped
    }

    /// One step of AdamW (Loshchilov and Hutter, arXiv:1711.05101); `step` counts this tensor's own steps from 1.
    package func adamWStep(
        first: Tensor,
        second: Tensor,
        step: Int,
        learningRate: Double,
        betas: (Double, Double),
        epsilon: Double,
        weightDecay: Double,
        gradientScale: Double,
    ) throws(TorchError) -> Bool {
        var stepped = false
        try TorchLibrary.check {
            ct_adamw_step(
                handle,
                first.handle,
                second.handle,
                Int64(step),
                learningRate,
                betas.0,
                betas.1,
                epsilon,
                weightDecay,
                gradientScale,
                &stepped,
            )
        }
        return stepped
    }

    /// Adds this `[n, c, h, w]` tensor's count, sums and sums of squares, channel by channel, to `moments`.
    package func addMoments(to moments: inout ChannelMoments) throws(TorchError) {
        let channels = shape.count == 4 ? shape[1] : 0
        guard channels == moments.sum.count else {
            throw TorchError("moments of \(moments.sum.count) channels from shape \(shape)")
        }
        var count = moments.count
        var sum = moments.sum
        var squares = moments.squares
        try TorchLibrary.check { ct_channel_moments(handle, &count, &sum, &squares) }
        moments = ChannelMoments(count: count, sum: sum, squares: squares)
    }
}

/// Pooled sums over any number of tensors, channel by channel.
package struct ChannelMoments: Sendable {
    package fileprivate(set) var count: Int64
    package fileprivate(set) var sum: [Double]
    package fileprivate(set) var squares: [Double]

    package init(channels: Int) {
        count = 0
        sum = [Double](repeating: 0, count: channels)
        squares = sum
    }

    fileprivate init(count: Int64, sum: [Double], squares: [Double]) {
        self.count = count
        self.sum = sum
        self.squares = squares
    }

    package var mean: [Double] { sum.map { $0 / Double(max(count, 1)) } }

    /// The biased variance, as batch norm normalises with.
    package var variance: [Double] {
        zip(squares, mean).map { max(0, $0 / Double(max(count, 1)) - $1 * $1) }
    }
}
